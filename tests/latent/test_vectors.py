"""Files of vectors: read back to the bit; what others damaged or made up ends in one sentence."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from merzmory.errors import FormatError, MerzmoryError
from merzmory.latent.vectors import Vector, load, save

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
POINTS = st.one_of(
    st.tuples(st.just("z"), arrays.arrays(np.float32, st.integers(1, 12), elements=FLOATS)),
    st.tuples(
        st.just("w"),
        arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=FLOATS),
    ),
)
VECTORS = st.builds(
    lambda point, name, psi: Vector(point[0], point[1], name, psi, "1962", {"seed": 12, "path": [[1, 0.5, 2, -1]]}),
    POINTS,
    st.sampled_from(["", "the glass", "Größe ×", "日本"]),
    st.floats(-2, 2),
)  # fmt: skip


@pytest.mark.parametrize("suffix", [".json", ".npz"])
@given(kept=st.lists(VECTORS, min_size=1, max_size=3))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_round_trip_to_the_bit(suffix: str, kept: list[Vector], tmp_path: Path) -> None:
    path = tmp_path / f"vectors{suffix}"
    save(path, kept)
    once = path.read_bytes()
    found = load(path)
    assert len(found) == len(kept)
    for one, other in zip(kept, found, strict=True):
        assert one.same_as(other) and other.values.dtype == np.float32
        assert one.values.tobytes() == other.values.tobytes()  # -0.0, too
    save(path, found)
    assert path.read_bytes() == once
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_other_programs(tmp_path: Path) -> None:
    ws = np.random.default_rng(0).normal(size=(1, 5, 4)).astype(np.float32)
    np.savez(tmp_path / "projected_w.npz", w=ws)
    [found] = load(tmp_path / "projected_w.npz")
    assert (found.space, found.name, found.psi) == ("w", "projected_w", 1.0)
    assert np.array_equal(found.values, ws[0])
    np.savez(tmp_path / "z.npz", z=np.arange(3.0))
    assert load(tmp_path / "z.npz")[0].values.tolist() == [0, 1, 2]


def document(**changes: object) -> bytes:
    line = {"name": "a", "space": "z", "values": [0.5, 1], "psi": 1.0, "label": "", "about": {}}
    whole = {"format": 1, "kind": "vectors", "vectors": [line]}
    for key, value in changes.items():
        (line if key in line else whole)[key] = value
    return json.dumps(whole).encode()


def packed(**members: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.savez(data, **members)  # type: ignore[arg-type]
    return data.getvalue()


def bomb(shape: str) -> bytes:
    """A member that says it is large and holds nothing."""
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        made.writestr(
            "w.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
        )
    return data.getvalue()


HOSTILE = {
    "empty.json": b"",
    "list.json": b"[]",
    "deep.json": b"[" * 100_000,
    "bytes.json": b"\xff\xfe\x00",
    "newer.json": document(format=2),
    "text.json": document(format="1"),
    "kind.json": document(kind="favourites"),
    "none.json": document(vectors=[]),
    "nan.json": document().replace(b"0.5", b"NaN"),
    "huge.json": document().replace(b"0.5", b"1e300"),
    "words.json": document(values=["a", "b"]),
    "ragged.json": document(values=[[1, 2], [3]]),
    "cube.json": document(space="w", values=[[[1.0]]]),
    "flat.json": document(values=[]),
    "space.json": document(space="y"),
    "spaces.json": document(space=["z"]),
    "psi.json": document(psi="1"),
    "psis.json": document(psi=1e9),
    "name.json": document(name="a\nb"),
    "long.json": document(name="a" * 65),
    "about.json": document(about=3),
    "empty.npz": b"",
    "text.npz": b"not a zip",
    "pickle.npz": packed(w=np.array([{"a": 1}], dtype=object)),
    "pickles.npz": packed(vectors=np.array([{"a": 1}], dtype=object)),
    "strange.npz": packed(pictures=np.zeros(3)),
    "lacks.npz": packed(vectors=np.array(document().decode())),
    "number.npz": packed(vectors=np.array(3)),
    "complex.npz": packed(w=np.ones(3, np.complex64)),
    "bomb.npz": bomb("(900000, 900000)"),
    "negative.npz": bomb("(-1,)"),
    "code.npz": bomb("(__import__('os').getpid(),)"),
    "cut.npz": packed(w=np.zeros(300, np.float32))[:-80],
    "vectors.pkl": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_one_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    with pytest.raises(MerzmoryError) as raised:
        load(path)
    assert isinstance(raised.value, FormatError)
    said = str(raised.value)
    assert name in said and said.endswith(".") and "\n" not in said and len(said) < 400


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="There is no file"):
        load(tmp_path / "nowhere.npz")
    with pytest.raises(FormatError, match=r"\.npz or \.json"):
        save(tmp_path / "vectors.txt", [])
