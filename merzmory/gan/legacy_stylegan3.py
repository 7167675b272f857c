"""NVIDIA's StyleGAN3 pickles: the architecture, from the modules' arguments and the tensors' shapes.

The frequencies of the layers leave no trace in the shapes, so the arguments are believed where every layer
that follows from them is the one in the file: name, shape, padding and resampling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from merzmory.gan.architecture import blank
from merzmory.gan.config import EngineError, NetworkConfig
from merzmory.gan.stylegan3_config import StyleGAN3Config
from merzmory.gan.stylegan3_layers import FilteredLayer
from merzmory.gan.unbuilt import Thing

# The published names of the synthesis network's arguments that are called otherwise here.
RENAMED: Final = {
    "img_resolution": "resolution",
    "margin_size": "margin",
    "use_radial_filters": "radial",
}
KNOBS: Final = (
    "img_resolution", "img_channels", "w_dim", "channel_base", "channel_max", "num_layers", "num_critical",
    "first_cutoff", "first_stopband", "last_stopband_rel", "margin_size", "output_scale", "num_fp16_res",
    "conv_kernel", "filter_size", "lrelu_upsampling", "use_radial_filters", "conv_clamp",
)  # fmt: skip


def is_one(generator: Thing) -> bool:
    """Whether a generator is StyleGAN3's: its synthesis has a list of layers instead of blocks."""
    return "layer_names" in generator.child("synthesis").state


def describe(
    generator: Thing, state: Mapping[str, Tensor], discriminator: NetworkConfig | None
) -> StyleGAN3Config:
    """The architecture of a generator whose tensors are `state`.

    Raises:
        EngineError: arguments beyond all bounds, or layers that do not follow from them.
        KeyError, TypeError and others of `torch_files.DAMAGE`: damaged modules.
    """
    synthesis, mapping = generator.child("synthesis"), generator.child("mapping")
    given = synthesis.state["_init_kwargs"]
    values: dict[str, Any] = {RENAMED.get(k, k): given[k] for k in KNOBS if k in given}
    embed = state.get("mapping.embed.weight")
    embedded, c_dim = (
        (0, 0) if embed is None else embed.shape
    )  # joins z as as many numbers as w has
    beta = mapping.state.get("w_avg_beta")
    config = StyleGAN3Config(
        **values,
        c_dim=c_dim,
        z_dim=state["mapping.fc0.weight"].shape[1] - embedded,
        mapping_layers=sum(f"mapping.fc{i}.weight" in state for i in range(len(state))),
        w_avg_beta=0.998 if beta is None else beta,
        discriminator=discriminator,
    )
    if synthesis.state["layer_names"] != config.layer_names():
        raise EngineError("its layers are not those of StyleGAN3 with its arguments")
    first = config.signals()[0]
    synthesis.only("output_scale", config.output_scale)
    synthesis.child("input").only("sampling_rate", first.rate)
    synthesis.child("input").only("bandwidth", first.cutoff)
    named = [(name, synthesis.child(name)) for name in config.layer_names()]
    layers = dict(blank(config, "G").get_submodule("synthesis").named_children())
    for name, there in named:
        layer = layers[name]
        assert isinstance(layer, FilteredLayer)
        there.only("conv_clamp", config.conv_clamp)
        there.only("padding", layer.padding)
        there.only("up_factor", layer.up)
        there.only("down_factor", layer.down)
    return config
