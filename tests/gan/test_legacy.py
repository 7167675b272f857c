"""Foreign network files open to the same numbers, and nothing in a file is run."""

from __future__ import annotations

import argparse
import io
import pickle
import pickletools
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from merzmory.gan import checkpoint, legacy, rosinality, torch_files
from merzmory.gan.config import EngineError, NetworkConfig
from merzmory.gan.networks import Discriminator, Generator

TINY = NetworkConfig(
    8, z_dim=6, w_dim=8, mapping_layers=2, channel_base=64, channel_max=12, mbstd_group=2
)
PUBLISHED = {
    "sg2-tiny-32-uncond": "sg2-tiny-32-uncond",
    "sg2-tiny-64-cond3": "sg2-tiny-64-cond3",
    "sg2ada-tiny-32-uncond-proto3": "sg2-tiny-32-uncond",
    "legacy-tf-tiny-32": "sg2-tiny-32-uncond",
}


# The published pickles


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_layouts_to_the_bit(shared: Path, name: str) -> None:
    networks = legacy.load(shared / "refvec" / "pkl" / f"{name}.pkl")
    assert set(networks) == {"G", "G_ema", "D"}
    for part in ("G_ema", "D"):
        expected = load_file(shared / "refvec" / f"{PUBLISHED[name]}.{part}.safetensors")
        found = networks[part].state_dict()
        assert set(found) == set(expected)
        assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_pictures_after_conversion(shared: Path, tmp_path: Path, name: str) -> None:
    out = legacy.convert(shared / "refvec" / "pkl" / f"{name}.pkl", tmp_path / "net.safetensors")
    generator = checkpoint.load_generator(out)
    with np.load(shared / "refvec" / f"{PUBLISHED[name]}.io.npz") as numbers:
        z = torch.from_numpy(numbers["z"])
        c = torch.from_numpy(numbers["c"]) if generator.c_dim else None
        made = generator(z, c, noise="const")
        if generator.config.conv_clamp is None:
            assert float((made - torch.from_numpy(numbers["img_const"])).abs().max()) <= 2e-5
    assert legacy.inspect(shared / "refvec" / "pkl" / f"{name}.pkl")["can"][-1] == "train"


def test_arguments_come_from_the_file(shared: Path) -> None:
    read = {n: legacy.read(shared / "refvec" / "pkl" / f"{n}.pkl").config for n in PUBLISHED}
    assert read["sg2ada-tiny-32-uncond-proto3"].conv_clamp == 256
    assert read["sg2ada-tiny-32-uncond-proto3"].num_fp16_res == 4
    assert read["sg2ada-tiny-32-uncond-proto3"].w_avg_beta == 0.995
    assert read["sg2-tiny-32-uncond"].w_avg_beta == 0.998
    assert read["sg2-tiny-32-uncond"].conv_clamp is None
    assert read["sg2-tiny-64-cond3"].c_dim == 3
    assert read["legacy-tf-tiny-32"].channel_base == 512


# Pickles made here in the published layout


Persist = Callable[..., Any]
Opens = Callable[[Path, bytes], None]


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    generator, discriminator = Generator(TINY), Discriminator(TINY)
    for parameter in [*generator.parameters(), *discriminator.parameters()]:
        parameter.data = torch.randn_like(parameter)
    return {"G_ema": generator, "D": discriminator}


@pytest.fixture(scope="module")
def pickled(networks: dict[str, nn.Module], persistent: Persist) -> bytes:
    value = {
        "G_ema": persistent(networks["G_ema"], "Generator"),
        "D": persistent(networks["D"], "Discriminator"),
        "augment_pipe": None,
    }
    return pickle.dumps(value, protocol=4)


def same(found: nn.Module, expected: nn.Module) -> bool:
    a, b = found.state_dict(), expected.state_dict()
    return set(a) == set(b) and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_every_protocol(
    networks: dict[str, nn.Module], persistent: Persist, tmp_path: Path, protocol: int
) -> None:
    path = tmp_path / "net.pkl"
    value = {"G_ema": persistent(networks["G_ema"], "Generator")}
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    loaded = legacy.load(path)
    assert list(loaded) == ["G_ema"]
    assert same(loaded["G_ema"], networks["G_ema"])


def test_one_object_under_two_names(
    networks: dict[str, nn.Module], persistent: Persist, tmp_path: Path
) -> None:
    generator = persistent(networks["G_ema"], "Generator")
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({"G": generator, "G_ema": generator}))
    assert list(legacy.load(tmp_path / "net.pkl")) == ["G_ema"]


def test_channels_last_weights_and_a_network_alone(
    networks: dict[str, nn.Module], persistent: Persist, tmp_path: Path
) -> None:
    generator = Generator(TINY)
    generator.load_state_dict(networks["G_ema"].state_dict())
    path = tmp_path / "net.pkl"
    value = persistent(generator.to(memory_format=torch.channels_last), "Generator")
    path.write_bytes(pickle.dumps(value))
    assert same(legacy.load(path)["G_ema"], networks["G_ema"])


def test_conversion_keeps_every_bit(
    networks: dict[str, nn.Module], pickled: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "net.pkl"
    path.write_bytes(pickled)
    out = legacy.convert(path, tmp_path / "net.safetensors")
    assert same(checkpoint.load_generator(out), networks["G_ema"])
    assert same(checkpoint.load_discriminator(out), networks["D"])
    about = checkpoint.inspect(out)
    assert about["notes"] == {"source": "net.pkl", "source_kind": "stylegan2-ada-pytorch"}
    assert same(checkpoint.load_generator(path), networks["G_ema"])


# rosinality


def theirs(networks: dict[str, nn.Module]) -> dict[str, Any]:
    """The checkpoint that rosinality's code would have written."""
    ours = networks["G_ema"].state_dict()
    g = {}
    for name, other in rosinality.generator_names(TINY.resolution, TINY.mapping_layers):
        value = ours[name]
        if other.endswith(".conv.weight") or other == "input.input":
            value = value[None]
        elif other.startswith("noises"):
            value = value[None, None]
        elif other.endswith("noise.weight"):
            value = value[None]
        elif other.startswith("to_rgb") and other.endswith(".bias") and "modulation" not in other:
            value = value[None, :, None, None]
        g[other] = value.clone()
    d = networks["D"].state_dict()
    names = rosinality.discriminator_names(TINY.resolution)
    return {
        "g_ema": OrderedDict(g),
        "d": OrderedDict((other, d[name].clone()) for name, other in names),
        "latent_avg": ours["mapping.w_avg"] + 0.5,
        "args": argparse.Namespace(size=8, batch=16),
        "g_optim": {"state": {0: {"step": 3, "exp_avg": torch.zeros(4)}}, "param_groups": []},
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_rosinality(networks: dict[str, nn.Module], tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "550000.pt"
    torch.save(theirs(networks), path, _use_new_zipfile_serialization=zipped)
    foreign, loaded = legacy.read(path), legacy.load(path)
    assert foreign.kind == "stylegan2-rosinality"
    expected = dict(networks["G_ema"].state_dict())
    expected["mapping.w_avg"] = expected["mapping.w_avg"] + 0.5
    found = loaded["G_ema"].state_dict()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert all(
        torch.equal(value, networks["D"].state_dict()[key])
        for key, value in loaded["D"].state_dict().items()
    )


def test_rosinality_without_a_mean(networks: dict[str, nn.Module], tmp_path: Path) -> None:
    value = theirs(networks)
    del value["latent_avg"]
    torch.save(value, tmp_path / "net.pt")
    generator = legacy.load(tmp_path / "net.pt")["G_ema"]
    assert isinstance(generator, Generator)
    z = torch.randn(20000, TINY.z_dim, generator=torch.Generator().manual_seed(5))
    mean = generator.mapping(z).mean(dim=0)
    assert float((mean - generator.mapping.w_avg).norm() / mean.norm()) < 0.1


# Hostile files


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(EngineError) as caught:
        legacy.load(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


class Evil:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def test_code_is_named_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    data = pickle.dumps({"G": Evil(exec, f"open({str(marker)!r}, 'w')")})
    assert "builtins.exec" in refused(tmp_path / "evil.pkl", data)
    torch.save({"g_ema": Evil(exec, f"open({str(marker)!r}, 'w')")}, tmp_path / "evil.pt")
    refused(tmp_path / "evil.pt", (tmp_path / "evil.pt").read_bytes())
    assert not marker.exists()


def _pickle(*opcodes: bytes) -> bytes:
    return b"\x80\x04" + b"".join(opcodes) + b"."


_LONG_BYTES = b"\x8e" + struct.pack("<Q", 1 << 40) + b"x"  # BINBYTES8 of 1 TB
_SET = b"cbuiltins\nset\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        b"PK\x03\x04 not a zip",
        b"\x80\x09.",
        _pickle(b"N"),
        _pickle(b"}"),
        _pickle(_LONG_BYTES),
        _pickle(b"]\x94h\x00a" * 3),
        _pickle(b"Nr\xff\xff\xff\x7f"),  # LONG_BINPUT at 2 billion
        _pickle(b"(" * 100_000),
        _pickle(b"]" + b"\x85" * 100_000 + b"}" + b"\x86"),
        _pickle(b"}" + b"N" + b"\x85" * 100_000 + b"Ns"),  # a deep key
        _pickle(b"}" + b"\x8b" + struct.pack("<i", 9) + b"\x7f" * 9 + b"Ns"),  # a long key
        _pickle(_SET, b"N\x85R"),
        _pickle(b"\x82\x01"),  # EXT1
        _pickle(b"(cos\nsystem\nX\x02\x00\x00\x00lso"),  # OBJ
        _pickle(b"(X\x02\x00\x00\x00lsios\nsystem\n"),  # INST
        b"Pabc\n.",  # PERSID
        b"\x80\x02Na." * 10,
    ],
)
def test_damaged_and_hostile_bytes(tmp_path: Path, data: bytes) -> None:
    refused(tmp_path / "bad.pkl", data)


def test_a_missing_file(tmp_path: Path) -> None:
    for function in (legacy.load, legacy.read, legacy.inspect):
        with pytest.raises(EngineError, match=r"none\.pkl"):
            function(tmp_path / "none.pkl")


def _view(
    persistent: Persist, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0
) -> bytes:
    """A network whose w_avg is this view of 8 numbers."""

    class View:
        def __reduce__(self) -> tuple[Any, ...]:
            storage = torch.arange(8.0).storage()
            args = (storage, offset, size, stride, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, args

    generator = persistent(Generator(TINY), "Generator")
    generator.meta["state"]["_modules"]["mapping"].meta["state"]["_buffers"]["w_avg"] = View()
    return pickle.dumps({"G_ema": generator})


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((9,), (1,), 0),
        ((8,), (2,), 0),
        ((8,), (1,), 1),
        ((8,), (-1,), 7),
        ((8,), (1,), -1),
        ((1 << 30, 1 << 30), (0, 0), 0),
        ((8,), (1, 1), 0),
        ((1,) * 9, (1,) * 9, 0),
        ((-8,), (1,), 0),
        ((7,), (1,), 0),
        ((), (), 0),
    ],
)
def test_views_beyond_their_bytes(
    persistent: Persist, tmp_path: Path, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    refused(tmp_path / "bad.pkl", _view(persistent, size, stride, offset))


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_the_view_that_fits(persistent: Persist, tmp_path: Path) -> None:
    (tmp_path / "good.pkl").write_bytes(_view(persistent, (8,), (1,)))
    state = legacy.load(tmp_path / "good.pkl")["G_ema"].state_dict()
    assert torch.equal(state["mapping.w_avg"], torch.arange(8.0))


def test_tensors_never_outgrow_the_file(
    networks: dict[str, nn.Module], persistent: Persist, tmp_path: Path
) -> None:
    """One storage under a thousand names."""
    generator = persistent(networks["G_ema"], "Generator")
    big = torch.zeros(200_000)
    many = {f"t{i}": big for i in range(1000)}
    generator.meta["state"]["_buffers"] = many
    refused(tmp_path / "bad.pkl", pickle.dumps({"G_ema": generator}))


def test_modules_within_themselves(
    networks: dict[str, nn.Module], persistent: Persist, tmp_path: Path
) -> None:
    layer: Any = persistent(nn.Module())
    for _ in range(40):  # 2^40 modules
        parent = persistent(nn.Module())
        parent.meta["state"]["_modules"] = {"a": layer, "b": layer}
        layer = parent
    generator = persistent(networks["G_ema"], "Generator")
    generator.meta["state"]["_modules"]["deep"] = layer
    refused(tmp_path / "bad.pkl", pickle.dumps({"G_ema": generator}))


def test_another_architecture_is_named(persistent: Persist, tmp_path: Path) -> None:
    generator = persistent(Generator(TINY), "Generator")
    synthesis = generator.meta["state"]["_modules"]["synthesis"].meta["state"]
    synthesis["_modules"]["b4"].meta["state"]["architecture"] = "orig"
    text = refused(tmp_path / "net.pkl", pickle.dumps({"G_ema": generator}))
    assert "its architecture is 'orig' and must be 'skip'" in text
    generator = persistent(Generator(TINY), "Generator")
    mapping = generator.meta["state"]["_modules"]["mapping"].meta["state"]
    del mapping["_modules"]["fc1"].meta["state"]["_parameters"]["bias"]
    text = refused(tmp_path / "net.pkl", pickle.dumps({"G_ema": generator}))
    assert "lacks the tensor mapping.fc1.bias" in text


# Fuzzing: whatever the bytes, networks or one sentence


FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _opcode_positions(data: bytes) -> list[int]:
    return [position for _, _, position in pickletools.genops(io.BytesIO(data)) if position]


@FUZZ
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_mutated_opcodes(
    pickled: bytes, opens_or_says_why: Opens, tmp_path: Path, edits: list[tuple[float, int]]
) -> None:
    positions = _opcode_positions(pickled)
    data = bytearray(pickled)
    for where, byte in edits:
        data[positions[int(where * (len(positions) - 1))]] = byte
    opens_or_says_why(tmp_path / "fuzz.pkl", bytes(data))


@FUZZ
@given(
    where=st.floats(0, 1), insert=st.binary(max_size=12), cut=st.integers(0, 40), end=st.booleans()
)
def test_mutated_bytes(
    pickled: bytes,
    opens_or_says_why: Opens,
    tmp_path: Path,
    where: float,
    insert: bytes,
    cut: int,
    end: bool,
) -> None:
    at = int(where * len(pickled))
    data = pickled[:at] + insert + (b"" if end else pickled[at + cut :])
    opens_or_says_why(tmp_path / "fuzz.pkl", data)


@FUZZ
@given(data=st.binary(max_size=300), protocol=st.booleans())
def test_random_bytes(
    opens_or_says_why: Opens, tmp_path: Path, data: bytes, protocol: bool
) -> None:
    opens_or_says_why(tmp_path / "fuzz.pkl", (b"\x80\x04" if protocol else b"") + data)


@FUZZ
@given(where=st.floats(0, 1), byte=st.integers(0, 255), zipped=st.booleans())
def test_mutated_checkpoints(
    networks: dict[str, nn.Module],
    opens_or_says_why: Opens,
    tmp_path: Path,
    where: float,
    byte: int,
    zipped: bool,
) -> None:
    buffer = io.BytesIO()
    torch.save(theirs(networks), buffer, _use_new_zipfile_serialization=zipped)
    data = bytearray(buffer.getvalue())
    data[int(where * (len(data) - 1))] = byte
    opens_or_says_why(tmp_path / "fuzz.pt", bytes(data))


def test_the_reader_has_a_largest_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pickled: bytes
) -> None:
    monkeypatch.setattr(torch_files, "MAX_BYTES", 100)
    assert "networks have at most" in refused(tmp_path / "big.pkl", pickled)
