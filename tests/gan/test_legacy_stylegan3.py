"""StyleGAN3 pickles open to the same numbers; what is mutated or hostile ends in one sentence."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from merzmory.config import Walk
from merzmory.gan import checkpoint, generate, legacy
from merzmory.gan.__main__ import main
from merzmory.gan.config import EngineError, NetworkConfig, TrainConfig
from merzmory.gan.networks import Discriminator
from merzmory.gan.stylegan3 import StyleGAN3Generator
from merzmory.gan.stylegan3_config import StyleGAN3Config
from merzmory.gan.training import train
from merzmory.latent import walk

Persist = Callable[..., Any]
Opens = Callable[[Path, bytes], None]
D_CONFIG = NetworkConfig(16, channel_base=64, channel_max=6, mbstd_group=2)


def arguments(config: StyleGAN3Config) -> dict[str, Any]:
    """The synthesis network's, under the published names."""
    return {
        "w_dim": config.w_dim,
        "img_resolution": config.resolution,
        "img_channels": config.img_channels,
        "channel_base": config.channel_base,
        "channel_max": config.channel_max,
        "num_layers": config.num_layers,
        "conv_kernel": config.conv_kernel,
        "use_radial_filters": config.radial,
        "conv_clamp": config.conv_clamp,
        "num_fp16_res": config.num_fp16_res,
        "magnitude_ema_beta": 0.999,
    }


def published(persist: Persist, generator: StyleGAN3Generator, **changes: Any) -> Any:
    """A generator that pickles in the published layout; `changes` of the synthesis's arguments."""
    config = generator.config
    thing = persist(generator, "Generator")
    modules = thing.meta["state"]["_modules"]
    synthesis = modules["synthesis"].meta["state"]
    synthesis |= {
        "layer_names": config.layer_names(),
        "output_scale": config.output_scale,
        "_init_kwargs": arguments(config) | changes,
    }
    first = config.signals()[0]
    given = {"size": np.array([first.size] * 2), "sampling_rate": first.rate, "bandwidth": 2.0}
    synthesis["_modules"]["input"].meta["state"] |= given
    for name in config.layer_names():
        layer = generator.synthesis.get_submodule(name)
        synthesis["_modules"][name].meta["state"] |= {
            "conv_clamp": config.conv_clamp,
            "padding": layer.padding,
            "up_factor": layer.up,
            "down_factor": layer.down,
        }
    modules["mapping"].meta["state"]["w_avg_beta"] = 0.998
    return thing


def made(radial: bool = False, c_dim: int = 0) -> StyleGAN3Generator:
    torch.manual_seed(0)
    config = StyleGAN3Config(
        16, c_dim=c_dim, z_dim=6, w_dim=8, channel_base=64, channel_max=6, num_layers=6,
        conv_kernel=1 if radial else 3, radial=radial, discriminator=D_CONFIG,
    )  # fmt: skip
    generator = StyleGAN3Generator(config).eval()
    for parameter in generator.synthesis.parameters():
        parameter.data = torch.randn_like(parameter)
    return generator


@pytest.fixture(scope="module")
def pickled(persistent: Persist) -> bytes:
    D = persistent(Discriminator(D_CONFIG), "Discriminator")
    D.meta["state"]["_init_kwargs"] = {"channel_base": 64, "channel_max": 6}
    D.meta["state"]["_modules"]["b4"].meta["state"]["_modules"]["mbstd"] = mbstd = persistent(
        torch.nn.Module(), "MinibatchStdLayer"
    )
    mbstd.meta["state"]["group_size"] = 2
    return pickle.dumps({"G_ema": published(persistent, made()), "D": D}, protocol=4)


@pytest.fixture
def path(pickled: bytes, tmp_path: Path) -> Path:
    (tmp_path / "net.pkl").write_bytes(pickled)
    return tmp_path / "net.pkl"


def equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    x, y = a.state_dict(), b.state_dict()
    return set(x) == set(y) and all(torch.equal(x[key], y[key]) for key in x)


# Files that open


def test_the_published_pickle(shared: Path, tmp_path: Path) -> None:
    path = shared / "refvec" / "pkl" / "sg3t-tiny-32.pkl"
    about = legacy.inspect(path)
    assert (about["kind"], about["resolution"], about["mapping_layers"]) == ("stylegan3-t", 32, 2)
    assert about["can"] == ["sample", "walk", "explore", "project", "score"]
    out = legacy.convert(path, tmp_path / "net.safetensors")
    for name in ("G_ema", "D"):
        expected = load_file(shared / "refvec" / f"sg3t-tiny-32.{name}.safetensors")
        found = legacy.load(path)[name].state_dict()
        assert set(found) == set(expected)
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    with np.load(shared / "refvec" / "sg3t-tiny-32.io.npz") as io_of:
        picture = torch.from_numpy(io_of["img_const"])
        for file in (path, out):
            G = checkpoint.load_generator(file)
            assert float((G(torch.from_numpy(io_of["z"])) - picture).abs().max()) <= 2e-5
        first = checkpoint.load_discriminator(out)(picture)
        assert float((first - torch.from_numpy(io_of["D_logits_first"])).abs().max()) <= 5e-6


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("radial", [False, True])
def test_every_protocol_and_kind(
    persistent: Persist, tmp_path: Path, protocol: int, radial: bool
) -> None:
    path, generator = tmp_path / "net.pkl", made(radial, c_dim=3 if radial else 0)
    value = {"G_ema": published(persistent, generator), "G": None}
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    loaded = legacy.load(path)
    assert list(loaded) == ["G_ema"]
    assert equal(loaded["G_ema"], generator)
    out = legacy.convert(path, tmp_path / "net.safetensors")
    assert equal(checkpoint.load_generator(out), generator)
    about = checkpoint.inspect(out)
    assert about["kind"] == ("stylegan3-r" if radial else "stylegan3-t")
    assert about["labels"] == (3 if radial else 0)
    assert about["can"] == ["sample", "walk", "explore", "project"]
    assert about["notes"]["source_kind"] == "stylegan3-pytorch"


def test_what_the_file_says_of_itself_stays(path: Path, tmp_path: Path) -> None:
    out = legacy.convert(path, tmp_path / "net.safetensors")
    config = checkpoint.load_generator(out).config
    assert config == made().config
    half = tmp_path / "half.safetensors"
    checkpoint.save_network(half, legacy.load(path), config, dtype=torch.float16)
    a, b = (generate.images(checkpoint.load_generator(p), [0], 0.7) for p in (out, half))
    assert np.abs(a.astype(int) - b).max() <= 6


# What people do with them


def test_sample_and_inspect(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sample", "--network", str(path), "--seeds", "0-3", "--psi", "0.7"]
    out = tmp_path / "out"
    assert main([*command, "--noise", "const", "--out", str(out), "--device", "cpu"]) == 0
    assert sorted(p.name for p in out.iterdir()) == [f"seed000{i}.png" for i in range(4)]
    assert main(["inspect", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "stylegan3-t"


def test_a_walk(path: Path) -> None:
    knobs = Walk(keyframes=2, seconds=1, fps=4).model_dump(
        exclude={"size", "aspect", "preview_size"}
    )
    frame = walk.frames(
        network=path, which="ema", manner=walk.Manner(**knobs), size=(16, 16), device="cpu"
    )
    first, others = frame(0), [frame(i) for i in (1, 2, 3)]
    assert first.shape == (16, 16, 3)
    assert not any(np.array_equal(first, other) for other in others)


def test_training_is_refused_before_it_starts(path: Path, tmp_path: Path, dataset: Any) -> None:
    run = tmp_path / "run"
    converted = legacy.convert(path, tmp_path / "net.safetensors")
    for base in (path, converted):
        with pytest.raises(EngineError, match="not trained further, take a StyleGAN2 network"):
            train(
                run,
                dataset=dataset(tmp_path / base.suffix, size=16),
                config=TrainConfig(steps=1, batch=2, device="cpu"),
                base=base,
            )
    assert not run.exists()


# What does not open


def refused(path: Path, value: Any) -> str:
    path.write_bytes(pickle.dumps({"G_ema": value}))
    with pytest.raises(EngineError) as caught:
        legacy.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"img_resolution": 1 << 50}, "img_resolution|resolution"),
        ({"num_layers": 10**9}, "num_layers"),
        ({"filter_size": 10**9}, "filter_size"),
        ({"channel_max": 5}, "its layers are not those"),
        ({"num_layers": 7}, "its layers are not those"),
        ({"first_cutoff": 3.0}, "its layers are not those"),
        ({"conv_clamp": None}, "conv_clamp"),
        ({"output_scale": 1.0}, "output_scale"),
        ({"lrelu_upsampling": 4}, "padding"),
        ({"use_radial_filters": True}, "down_filter of shape"),
        ({"conv_kernel": 1}, "padding"),
        ({"w_dim": [8]}, "w_dim"),
        ({"img_channels": 10**5000}, "cannot be used|damaged"),
    ],
)
def test_arguments_that_do_not_fit(
    persistent: Persist, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    text = refused(tmp_path / "net.pkl", published(persistent, made(), **change))
    assert any(word in text for word in words.split("|")), text


def test_descriptions_that_do_not_fit(path: Path, tmp_path: Path) -> None:
    """Our own files, edited: nothing is taken that the tensors do not fill."""
    out = legacy.convert(path, tmp_path / "net.safetensors")
    tensors, metadata = checkpoint.read_tensors(out)
    for change, words in (
        ({"channel_base": 1 << 24, "channel_max": 8192}, "does not hold the tensors"),
        ({"mapping_layers": 64}, "does not hold the tensors"),
        ({"w_dim": 1 << 60}, "w_dim"),
        ({"w_dim": "wide"}, "w_dim"),
        ({"novelty": 1}, "novelty"),
        ({"discriminator": 3}, "cannot be read"),
    ):
        described = {**json.loads(metadata["network"]), **change}
        save_file(tensors, out, metadata | {"network": json.dumps(described)})
        with pytest.raises(EngineError, match=words) as caught:
            checkpoint.load_generator(out)
        assert "\n" not in str(caught.value)
    save_file(tensors, out, metadata | {"architecture": "stylegan9"})
    for opened in (checkpoint.inspect, checkpoint.load_generator):
        with pytest.raises(EngineError, match="stylegan9"):
            opened(out)


# Fuzzing: whatever the bytes, networks or one sentence

FUZZ = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(0, 64),
    st.floats(),
    st.floats(0, 20),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
)
KNOBS = [*arguments(made().config), "margin_size", "num_critical", "filter_size", "first_stopband"]


@FUZZ
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_mutated_opcodes(
    pickled: bytes, opens_or_says_why: Opens, tmp_path: Path, edits: list[tuple[float, int]]
) -> None:
    positions = [at for _, _, at in pickletools.genops(io.BytesIO(pickled)) if at]
    data = bytearray(pickled)
    for where, byte in edits:
        data[positions[int(where * (len(positions) - 1))]] = byte
    opens_or_says_why(tmp_path / "fuzz.pkl", bytes(data))


@FUZZ
@given(where=st.floats(0, 1), insert=st.binary(max_size=12), cut=st.integers(0, 40))
def test_mutated_bytes(
    pickled: bytes, opens_or_says_why: Opens, tmp_path: Path, where: float, insert: bytes, cut: int
) -> None:
    at = int(where * len(pickled))
    opens_or_says_why(tmp_path / "fuzz.pkl", pickled[:at] + insert + pickled[at + cut :])


@FUZZ
@given(changes=st.dictionaries(st.sampled_from(KNOBS), ANYTHING, min_size=1, max_size=3))
def test_mutated_arguments(
    persistent: Persist, opens_or_says_why: Opens, tmp_path: Path, changes: dict[str, Any]
) -> None:
    value = {"G_ema": published(persistent, made(), **changes)}
    opens_or_says_why(tmp_path / "fuzz.pkl", pickle.dumps(value))


WITHIN = """
import resource, sys
from pathlib import Path
import torch
from merzmory.gan import legacy
from merzmory.gan.config import EngineError

def memory(kind):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(kind))

torch.set_num_threads(1)  # a thread takes address space of its own
good, *others = map(Path, sys.argv[1:])
for _ in range(2):  # what is imported late, and the allocator's arenas
    legacy.inspect(good)
before = memory("VmPeak")
limit = before + (512 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in others:
    try:
        legacy.load(path)
    except EngineError:
        pass
print(memory("VmPeak") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_hostile_files_take_no_memory(persistent: Persist, path: Path, tmp_path: Path) -> None:
    """Address space that a process takes for files that ask for terabytes, under a hard limit."""
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    files = [path]
    positions = [at for _, _, at in pickletools.genops(io.BytesIO(good)) if at]
    for i in range(60):
        data = bytearray(good)
        for at in rng.choice(positions, 3):
            data[at] = rng.integers(256)
        files.append(tmp_path / f"opcodes{i}.pkl")
        files[-1].write_bytes(data)
    huge = {
        "img_resolution": 1 << 12, "w_dim": 8192, "channel_base": 1 << 24, "channel_max": 8192,
        "num_layers": 64, "filter_size": 16, "lrelu_upsampling": 4, "margin_size": 256,
    }  # fmt: skip
    for knobs in ({k: v} for k, v in huge.items()), [huge], [huge | {"use_radial_filters": True}]:
        for changes in knobs:
            thing = published(persistent, made(), **changes)
            asked = arguments(made().config) | changes
            names = {"img_resolution": "resolution", "margin_size": "margin"}
            names["use_radial_filters"] = "radial"
            asked.pop("magnitude_ema_beta")
            config = StyleGAN3Config(**{names.get(k, k): v for k, v in asked.items()})
            synthesis = thing.meta["state"]["_modules"]["synthesis"].meta["state"]
            synthesis["layer_names"] = config.layer_names()  # as if all this were there
            files.append(tmp_path / f"huge{len(files)}.pkl")
            files[-1].write_bytes(pickle.dumps({"G_ema": thing}))
    long = b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x."  # BINBYTES8 of 1 TB
    files.append(tmp_path / "long.pkl")
    files[-1].write_bytes(long)
    done = subprocess.run(
        [sys.executable, "-c", WITHIN, *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64 << 20
