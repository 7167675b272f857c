"""Frames out of a film, by the ffmpeg that moviepy brings; the film is opened read-only.

A frame is written `FILM@SECONDS` behind `!`: `FILM.mp4!@12.0`.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

MARK = "!@"  # between a film's path and the second of its frame
_SECONDS = 60  # of patience with a film
_STILL = re.compile(r"(.+)!@(\d+\.\d)", re.DOTALL)
_LENGTH = re.compile(r"Duration: (\d+):(\d\d):(\d\d\.\d+)")
# no playlists: those open other files
_KINDS = "mov,matroska,avi,mpeg,mpegts,asf,mpegvideo,flv"


def parts(path: str) -> tuple[str, float] | None:
    """(film, second) of a frame's path; None of any other."""
    found = _STILL.fullmatch(path)
    return (found[1], float(found[2])) if found and Path(found[1]).is_file() else None


def spread(film: str, count: int) -> list[str]:
    """The paths of `count` frames, evenly spread over a film; fewer of a film of an instant.

    Raises:
        OSError: it is no film that ffmpeg opens.
    """
    said = _ffmpeg(film, [], []).stderr.decode(errors="replace")
    length = _LENGTH.search(said)
    if length is None:
        raise OSError("it is no film that can be opened")
    seconds = int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3])
    middles = [round(seconds * (number + 0.5) / count - 0.05, 1) for number in range(count)]
    return [f"{film}{MARK}{second:.1f}" for second in dict.fromkeys(max(0.0, m) for m in middles)]


def frame(film: str, second: float) -> bytes:
    """The frame that is shown at `second`, upright, as a PPM file.

    Raises:
        OSError: it cannot be decoded.
    """
    out = ["-frames:v", "1", "-an", "-sn", "-f", "image2pipe", "-c:v", "ppm", "-"]
    data = _ffmpeg(film, ["-ss", f"{second:.1f}"], out).stdout
    if not data:
        raise OSError(f"the film shows nothing at {second:.1f} seconds")
    return data


def _ffmpeg(film: str, before: list[str], out: list[str]) -> subprocess.CompletedProcess[bytes]:
    import imageio_ffmpeg

    try:
        return subprocess.run(
            [
                imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-threads", "1",
                "-protocol_whitelist", "file,pipe", "-format_whitelist", _KINDS,
                *before, "-i", f"file:{film}", *out,
            ],
            capture_output=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except (subprocess.TimeoutExpired, RuntimeError) as error:  # the latter: there is no ffmpeg
        raise OSError("ffmpeg does not open it") from error
