"""Frames out of films: evenly spread, each at its second, nothing else opened."""

from __future__ import annotations

import hashlib
import io
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from merzmory.archive import ingest
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.sources.folder import FolderSource
from merzmory.manifest import do
from merzmory.originals import access as originals
from merzmory.originals import decode, stills


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds, 128 x 96, that grow from black to white; its name begins with a date."""
    path = tmp_path_factory.mktemp("films") / "2003-07 Rom" / "a film.mp4"
    path.parent.mkdir()
    grey = (np.linspace(0, 250, 40).astype(np.uint8)[:, None]).repeat(128 * 96 * 3, 1)
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
         "-s", "128x96", "-r", "10", "-i", "-", "-pix_fmt", "yuv420p", str(path)],
        input=grey.tobytes(), check=True, timeout=60,
    )  # fmt: skip
    return path


def test_frames_are_spread_and_shown_as_they_are(film: Path) -> None:
    paths = stills.spread(str(film), 4)
    seconds = [float(path.rpartition("!@")[2]) for path in paths]
    assert seconds == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.11)
    shades = []
    for path in paths:
        with originals.opened(path) as data:
            picture = decode.upright_srgb(io.BytesIO(data.read()))
        assert picture.size == (128, 96)
        shades.append(float(np.asarray(picture).mean()))
    assert shades == pytest.approx([second * 10 * 250 / 39 for second in seconds], abs=12)
    assert originals.status(paths[0]) == originals.status(str(film))


def test_what_is_no_film_is_an_error_and_opens_nothing_else(film: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{film}\n#EXT-X-ENDLIST\n")
    concat = tmp_path / "concat.mp4"
    concat.write_text(f"ffconcat version 1.0\nfile '{film}'\n")
    for path in (text, playlist, concat):
        with pytest.raises(OSError, match="no film"):
            stills.spread(str(path), 2)
        with pytest.raises(OSError, match="shows nothing"):
            stills.frame(str(path), 0.0)
    with pytest.raises(OSError, match="shows nothing"):
        stills.frame(str(film), 999.0)


def test_only_a_frame_is_taken_for_one(film: Path) -> None:
    assert stills.parts(f"{film}!@1.5") == (str(film), 1.5)
    for path in (str(film), f"{film}!@", f"{film}!@x", f"{film}.gone!@1.5", f"{film}!/1.5"):
        assert stills.parts(path) is None


def test_on_request_frames_are_photographs_of_the_archive(film: Path, tmp_path: Path) -> None:
    folder = film.parent.parent
    Image.new("RGB", (64, 64), "red").save(folder / "x.png")
    (folder / "torn.mov").write_bytes(film.read_bytes()[:200])
    before = hashlib.sha256(film.read_bytes()).hexdigest()

    def rows(frames: int) -> dict[str, tuple[str, str]]:
        archive = tmp_path / "archive"
        source = FolderSource(folder)
        do(ingest.plan(source=source, archive=archive, shard_size=8, film_frames=frames))
        found = catalogue_of(archive).rows()
        assert len({row.path for row in found}) == len(found)
        return {Path(row.path).name: (row.verdict, row.reason) for row in found}

    assert "archive.film_frames" in rows(0)["a film.mp4"][1]
    said = rows(2)
    assert said["a film.mp4"] == ("skipped", "It is a film: 2 of its frames are read.")
    assert said["torn.mov"][1] == "It is a film that ffmpeg does not open: no frames are read."
    frames = [name for name in said if "!@" in name]
    assert len(said) == 5 and [said[name][0] for name in frames] == ["kept", "kept"]
    photo = next(p for p in catalogue_of(tmp_path / "archive").keepers() if "!@" in p.path)
    assert photo.origin is not None and photo.origin.name in {"film at 00:00", "film at 00:01"}
    assert (photo.taken, photo.uncertain) == ("2003-07", True)
    assert len(rows(0)) == 3  # they go as they came
    assert hashlib.sha256(film.read_bytes()).hexdigest() == before
