"""What a film is written as, and whether the ffmpeg of this machine can.

    h264     mp4   plays everywhere
    hevc     mp4   two thirds of the size; Apple's programs and most televisions
    av1      mp4   half the size; browsers
    prores   mov   ProRes 422 HQ with uncompressed sound, ten times the size: for cutting programs

Each was tried with the ffmpeg that comes with imageio-ffmpeg, which runs as a separate program.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache

import imageio_ffmpeg

from merzmory.errors import ConfigError
from merzmory.film.pixels import RGB, YUV


@dataclass(frozen=True, slots=True)
class Codec:
    """How pictures and sound are written. `params` and `sound` are ffmpeg's.

    `pixels` is what it takes frames as: YUV where it keeps no more than that.
    """

    name: str
    encoder: str
    suffix: str
    params: tuple[str, ...]
    sound: str = "aac"
    sound_suffix: str = ".m4a"
    preset: str = "medium"
    pixels: str = YUV


# x264's output depends on the number of threads, as the others' may: fixed numbers make equal
# films on every machine
CODECS = {
    codec.name: codec
    for codec in (
        # pictures move as a whole: blocks below 16 x 16 that move on their own take a third of
        # x264's time, and for the same quality the film is as large without them (within 1 %)
        Codec(
            "h264", "libx264", ".mp4",
            ("-crf", "18", "-profile:v", "high", "-x264-params", "partitions=i8x8,i4x4"),
        ),
        Codec(
            "hevc", "libx265", ".mp4",
            ("-crf", "20", "-tag:v", "hvc1", "-pix_fmt", "yuv420p",
             "-x265-params", "log-level=none:pools=2:frame-threads=1"),
        ),
        Codec(
            "av1", "libsvtav1", ".mp4",
            ("-crf", "26", "-pix_fmt", "yuv420p", "-svtav1-params", "lp=2"), preset="8",
        ),
        Codec(
            "prores", "prores_ks", ".mov",
            ("-profile:v", "3", "-vendor", "apl0", "-pix_fmt", "yuv422p10le"),
            sound="pcm_s16le", sound_suffix=".wav", pixels=RGB,
        ),
    )
}  # fmt: skip


def codec(name: str) -> Codec:
    """The codec of that name.

    Raises:
        ConfigError: there is none, or this machine's ffmpeg cannot write it.
    """
    known = CODECS.get(name)
    if known is None:
        raise ConfigError(f"There is no codec {name!r}: choose one of {', '.join(CODECS)}.")
    if known.encoder not in _encoders():
        able = [other.name for other in CODECS.values() if other.encoder in _encoders()]
        raise ConfigError(
            f"The ffmpeg of this machine cannot write {name} (it has no {known.encoder}): choose "
            f"{' or '.join(able) or 'another ffmpeg'}, or name another ffmpeg in the environment "
            "variable IMAGEIO_FFMPEG_EXE."
        )
    return known


def ffmpeg() -> str:
    """The ffmpeg that comes with imageio-ffmpeg.

    Raises:
        ConfigError: there is none for this machine.
    """
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise ConfigError(
            "No ffmpeg was found for this machine: install one and name it in the environment "
            "variable IMAGEIO_FFMPEG_EXE."
        ) from error


@cache
def _encoders() -> frozenset[str]:
    """The encoders of video that ffmpeg names."""
    done = subprocess.run(
        [ffmpeg(), "-hide_banner", "-encoders"], capture_output=True, text=True, check=False
    )
    return frozenset(re.findall(r"^ V\S+ (\w+)", done.stdout, re.MULTILINE))
