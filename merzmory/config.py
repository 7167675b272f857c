"""Every knob once, with its unit and its default; TOML in, a checked `Config` out.

A file in `configs/` states only what differs from here. The `[train]` section is the engine's own
(`merzmory.gan.config.TrainConfig`), so that a bare GPU machine reads the same knobs.
"""

from __future__ import annotations

import json
import sysconfig
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from merzmory import keys
from merzmory.errors import ConfigError
from merzmory.gan.config import EngineError, TrainConfig
from merzmory.workspace import Workspace


def _expand(value: object) -> object:
    return Path(str(value)).expanduser() if isinstance(value, str | int | float) else value


def _locate(value: object) -> object:
    return value if isinstance(value, str) and "://" in value else _expand(value)


FolderPath = Annotated[Path, BeforeValidator(_expand)]
Place = Annotated[Path | str, BeforeValidator(_locate)]  # a path, or a URL as it is written
FilmSize = Annotated[int, Field(ge=64, le=4096)] | Literal["720p", "1080p", "4k"]
Label = Annotated[str, BeforeValidator(lambda value: str(value))]  # 2019 is one, too


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Instagram(_Section):
    """A profile's photographs (archive.source = "instagram"); Instagram's export is the safe way."""

    profile: str = ""  # whose; "": the account's own
    login: str = ""  # the account that looks; "": what everybody sees
    what: Literal["posts", "saved", "tagged"] = "posts"
    newest: int = Field(0, ge=0)  # posts; 0: all
    accept_risk: bool = False  # accounts have been suspended for it


class Flickr(_Section):
    """A search's photographs (archive.source = "flickr"); the key is in FLICKR_API_KEY."""

    text: str = ""
    tags: tuple[str, ...] = ()  # all of them
    licences: tuple[str, ...] = (
        "by", "by-sa", "cc0", "public-domain", "no-known-restrictions", "us-government",
    )  # or by-nc, by-nc-sa; never without derivatives  # fmt: skip
    count: int = Field(4500, ge=1, le=100_000)
    originals: bool = True  # else 2048 pixels at most
    per_hour: int = Field(3600, ge=1, le=3600)  # requests: Flickr allows a key no more
    key_file: FolderPath | None = None  # holds the key, for your eyes alone (chmod 600)


class Archive(_Section):
    """Where the photographs come from."""

    # "": what the folder holds if one is given, else the sample
    source: Literal[
        "", "folder", "zip", "instagram_export", "takeout", "sample", "instagram", "flickr"
    ] = ""
    folder: Place | None = None  # or a ZIP or a URL; read-only, with everything below it
    sample_photos: int = Field(140, ge=100, le=150)  # snapshots in the sample archive
    shard: int = Field(64, ge=1)  # photographs a task
    prefer_raw: bool = False  # of RAW+JPEG pairs; else the JPEG is read
    film_frames: int = Field(0, ge=0, le=1000)  # read of each film; 0: films are left closed
    workers: int = Field(0, ge=0, le=256)  # programs that decode, 80 MB each; 0: one a core
    instagram: Instagram = Instagram()
    flickr: Flickr = Flickr()

    @property
    def is_fetched(self) -> bool:
        """Whether the photographs come from the network."""
        return self.source in {"instagram", "flickr"}


class Cull(_Section):
    """What is set aside (never deleted), and why."""

    near_bits: int = Field(8, ge=0, le=16)  # of 64 pHash bits: nearer photographs are candidates
    confirm_bits: int = Field(40, ge=0, le=96)  # of 256 pHash bits: nearer candidates are doubles
    max_blur: float = Field(0.5, gt=0, le=1)  # re-blur measure (Crete 2007): 0 sharp, 1 blurred
    min_detail: float = Field(60.0, ge=0)  # variance of the Laplacian in the sharpest tile
    max_lost: float = Field(0.01, ge=0, le=1)  # share that a damaged JPEG has lost
    max_clipped: float = Field(0.6, gt=0, le=1)  # share of pixels that are black or white
    min_side: int = Field(0, ge=0)  # shorter side in pixels; 0: the dataset's resolution
    screenshots: Literal["reject", "keep"] = "reject"
    memes: Literal["reject", "keep"] = "reject"  # pictures with a caption across or beside them
    max_text: float = Field(
        0.25, gt=0, le=1
    )  # share that lines of writing cover; 1: documents, too
    colour: Literal["any", "bw", "colour"] = "any"  # only black and white, or only colour
    bursts: Literal["keep", "best"] = "keep"  # all frames of a burst, or its sharpest
    picked_only: bool = False  # only what you picked (`merzmory mark CONFIG PHOTO --pick`)
    min_stars: int = Field(0, ge=0, le=5)  # only what you gave as many


class Dataset(_Section):
    """The training squares."""

    resolution: int = Field(0, ge=0, le=1024)  # pixels, a power of two; 0: the base's
    crop: Literal["face", "aligned", "attention", "centre", "random"] = "face"
    fit: Literal["", "square", "squeeze", "letterbox"] = ""  # "": square, or bars like the base's
    aspect: str = ""  # width:height to squeeze or letterbox; "": the base's or most photographs'
    bars: str = "black"  # of a letterbox: a colour, #rrggbb, or mirror
    labels: Literal["", "album", "year"] = ""  # what a generator without a base tells apart
    shard: int = Field(64, ge=1)  # photographs a task


class Strip(_Section):
    """The film strip of forgetting: rows are seeds, columns are steps."""

    seeds: int = Field(6, ge=1, le=32)  # rows, from seed 0
    columns: int = Field(9, ge=2, le=24)
    psi: float = Field(0.7, ge=0, le=2)
    tile: int = Field(128, ge=32, le=1024)  # pixels
    label: Label = ""  # of a network with labels; "": rows take all in turn


class Timelapse(_Section):
    """The film strip as a film, with its psi and its label: seeds in a grid, 16:9."""

    seeds: int = Field(8, ge=1, le=64)  # pictures, from seed 0
    network: Literal["ema", "raw"] = "ema"  # raw is the last step, more restless
    seconds: float = Field(12.0, gt=0, le=3600)
    fps: int = Field(24, ge=1, le=120)
    size: int = Field(720, ge=90, le=2160)  # pixels of height


class Curve(_Section):
    """The curve of forgetting: how far the pictures lie from the base and from the archive."""

    pictures: int = Field(256, ge=8, le=2000)  # a network and step; more: narrower bands
    embedder: str = "hoglab"  # what two pictures are compared by
    psi: float = Field(1.0, ge=0, le=2)  # 1: everything that the generator can do


class Meter(_Section):
    """The memorisation meter: how near each snapshot's pictures come to a single photograph."""

    pictures: int = Field(256, ge=8, le=100_000)  # a network and step
    psi: float = Field(0.7, ge=0, le=2)  # as pictures are shown


class Measure(_Section):
    """FID and its kin, of the last snapshot against the training squares."""

    count: int = Field(1000, ge=8, le=100_000)  # pictures a network; papers take 50,000
    embedder: str = "hoglab"  # inception: what FID is measured with
    psi: float = Field(1.0, ge=0, le=2)


class Sample(_Section):
    """Pictures from the generator."""

    count: int = Field(64, ge=1, le=100_000)
    first_seed: int = Field(0, ge=0, le=2**32 - 1)
    psi: float = Field(0.7, ge=0, le=2)  # truncation: 0 the average picture, 1 everything
    network: Literal["ema", "raw"] = "ema"  # ema remembers the base longer; raw is the last step
    noise: Literal["const", "random", "none"] = "const"
    label: Label = ""  # of a network with labels; "": seeds take all in turn


class Match(_Section):
    """Archaeology: the nearest photographs of each picture."""

    embedder: str = "hoglab"  # or discriminator, dinov2, sscd, inception
    nearest: int = Field(3, ge=1, le=50)


class Upscale(_Section):
    """Small pictures to large ones."""

    engine: str = "starter"  # or lanczos, native, realesrgan, spandrel
    scale: int = Field(4, ge=1, le=16)
    weights: str = "realesr-general-x4v3"  # a name of the ledger or a file
    strength: float = Field(1.0, ge=0, le=1)  # 0: lanczos, 1: what the network makes of it
    denoise: float = Field(1.0, ge=0, le=1)  # below 1 the twin is mixed in, which keeps grain
    twin: str = "realesr-general-wdn-x4v3"  # of the weights
    tile: int = Field(256, ge=32)  # pixels of input a tile


class Project(_Section):
    """Photographs as points of latent space (`merzmory project`)."""

    photos: int = Field(24, ge=0)  # keepers, evenly spread over their dates; 0: all
    space: Literal["w", "w+"] = "w"  # w+: nearer to the photograph, and farther from the rest
    steps: int = Field(1000, ge=1, le=100_000)  # 150 will do at 64 pixels
    learning_rate: float = Field(0.1, gt=0, le=10)
    distance: Literal["discriminator", "lpips"] = "discriminator"  # lpips: imported weights
    batch: int = Field(4, ge=1, le=256)  # photographs at once


class Walk(_Section):
    """A path through latent space."""

    # seeds, noise, psi, labels, favourites (or favourites:NAME,NAME), time, years, or a file of vectors
    through: str = "seeds"
    keyframes: int = Field(6, ge=1, le=1000)  # of a walk through seeds or psi
    first_seed: int = Field(0, ge=0, le=2**32 - 1)
    space: Literal["", "z", "w"] = ""  # "": z where there is one
    curve: Literal["", "circle", "line", "spline"] = ""  # "": great circles in z, lines in w
    seconds: float = Field(12.0, gt=0, le=86_400)  # of the whole walk
    hold: float = Field(0.0, ge=0, le=3600)  # seconds that it stands still at each keyframe
    ease: float = Field(1.0, ge=0, le=1)  # 0: evenly; 1: sets off and arrives softly
    loop: bool = True  # back to the first keyframe
    radius: float = Field(0.5, ge=0, le=1)  # of noise: 0 one picture, 1 nothing stays
    psi: float = Field(0.7, ge=-2, le=2)  # favourites and files have their own
    psi_from: float = Field(0.0, ge=-2, le=2)  # of a walk through psi
    psi_to: float = Field(1.0, ge=-2, le=2)
    label: Label = ""  # of a network with labels; "": the first
    fps: int = Field(24, ge=1, le=120)
    size: FilmSize = 512  # pixels of the longer side; or 720p, 1080p, 4k: of the shorter
    aspect: str = ""  # of the film, such as 16:9 or 9:16; "": the picture's
    pictures: int = Field(1, ge=1, le=64)  # side by side, each on a walk of its own
    captions: bool = True  # the dates of projected photographs below the picture
    preview: bool = False  # fewer frames and pixels, to look at first
    preview_fps: int = Field(6, ge=1, le=120)
    preview_size: int = Field(256, ge=64, le=8192)  # pixels of the longer side


class Film(_Section):
    """The pictures as a film."""

    seconds_per_picture: float = Field(3.0, gt=0, le=600)
    fade: float = Field(1.0, ge=0, le=60)  # seconds of cross-fade
    fps: int = Field(24, ge=1, le=120)
    size: FilmSize = 720  # pixels of the longer side; or 720p, 1080p, 4k: of the shorter
    aspect: str = ""  # of the frame, such as 16:9, 9:16 or 1:1; "": the pictures'
    fill: bool = False  # the frame; else pictures are seen whole
    motion: float = Field(0.06, ge=0, le=0.5)  # share by which a picture grows; 0: it is still
    beside: Literal["none", "fade", "wipe"] = "none"  # each turns into its nearest photograph
    # they tell of your photographs: the nearest one's month, place (album or rounded degrees)
    captions: Literal["none", "date", "place", "both"] = "none"
    texts: FolderPath | None = None  # captions of your own: a text file, a line a picture
    codec: Literal["h264", "hevc", "av1", "prores"] = "h264"  # prores: film.mov, for cutting
    loudness: float = Field(-16.0, ge=-40, le=-8)  # LUFS (EBU R 128)
    music: FolderPath | None = None  # an audio file; none: a bed that the project plays itself


class Gallery(_Section):
    """The exhibition."""

    title: str = "Memories of a machine"
    subtitle: str = ""
    photographer: str = ""  # whose photographs the machine remembers
    publish_near_copies: bool = False  # here and elsewhere; else they wait until you decide
    show_originals: bool = True  # lay the nearest photographs beside the pictures
    noindex: bool = True  # ask search engines to stay away


class Studio(_Section):
    """Machines of a studio: where the photographs are read, which see the same folders."""

    runner: Literal["local", "dask", "ray"] = "local"  # the extras dask and ray
    address: str = ""  # tcp://HOST:8786 or ray://HOST:10001; "": workers on this machine


class Config(_Section):
    """One experiment."""

    name: str = ""  # the folder below outputs; "": the file's name
    outputs: FolderPath = Path("outputs")
    archive: Archive = Archive()
    cull: Cull = Cull()
    dataset: Dataset = Dataset()
    train: TrainConfig = TrainConfig()
    strip: Strip = Strip()
    timelapse: Timelapse = Timelapse()
    curve: Curve = Curve()
    meter: Meter = Meter()
    measure: Measure = Measure()
    sample: Sample = Sample()
    match: Match = Match()
    upscale: Upscale = Upscale()
    project: Project = Project()
    walk: Walk = Walk()
    film: Film = Film()
    gallery: Gallery = Gallery()
    studio: Studio = Studio()

    def workspace(self) -> Workspace:
        """Where this experiment's results lie."""
        return Workspace(self.outputs, self.name)

    def toml(self) -> str:
        """Every knob with its value, as a config file that `load` reads back equal."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))


def load(path: Path | str, overrides: Sequence[str] = ()) -> Config:
    """The checked config of a file, with `a.b=value` overrides laid over it.

    `path` is a TOML file, or the name of a config that comes with the project ("demo").

    Raises:
        ConfigError: the file is missing or not TOML, a key is unknown (the nearest known one is
            named), or a value is out of range.
    """
    file = find(path)
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML ({error}): mend that line.") from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}): check the path.") from error
    return checked(values, overrides, file.stem)


def checked(values: dict[str, Any], overrides: Sequence[str], name: str) -> Config:
    """The config of `values` with overrides, named `name` unless they say otherwise; as `load`."""
    for override in overrides:
        keys.lay_over(values, override)
    keys.check(values, Config)
    values["name"] = values.get("name") or name
    try:
        return Config.model_validate(values)
    except EngineError as error:
        raise ConfigError(f"The [train] section: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
        raise ConfigError(
            f"The setting {key} = {first['input']!r} does not fit: {first['msg']}."
        ) from error


def find(path: Path | str) -> Path:
    """The file that `path` means: itself, or a config that comes with the project.

    Raises:
        ConfigError: there is no such file; the error lists the configs that there are.
    """
    given = Path(path).expanduser()
    if given.is_file():
        return given
    for folder in _config_folders():
        candidate = folder / f"{given.stem}.toml"
        if candidate.is_file() and given.parent in (Path(), Path("configs")):
            return candidate
    names = sorted({p.stem for folder in _config_folders() for p in folder.glob("*.toml")})
    raise ConfigError(
        f"There is no config {given}: give the path of a TOML file, or one of {', '.join(names)}."
    )


def asked(
    argument: str, overrides: Sequence[str], workspace: Path | None = None
) -> tuple[str, list[str]]:
    """(config, overrides) that a command means which takes a config, or a place to read.

    A folder, a ZIP or a URL is read with the demo's settings; the name of a config that comes with
    the project means the config, also where a folder is called so. Results lie in `workspace`.
    """
    words = [f"outputs={json.dumps(str(workspace), ensure_ascii=False)}"] if workspace else []
    given = Path(argument).expanduser()
    named = given.name == argument and any(
        (folder / f"{argument}.toml").is_file() for folder in _config_folders()
    )
    meant = (
        "://" in argument
        or argument.lower().endswith(".zip")
        or given.is_dir()
        or (given.is_absolute() and given.suffix != ".toml")
    )
    if named or not meant:
        return argument, [*words, *overrides]
    place = argument if "://" in argument else str(given.absolute())
    words.append(f"archive.folder={json.dumps(place, ensure_ascii=False)}")
    return "demo", [*words, *overrides]


def known_keys() -> list[str]:
    """Every dotted key a config may hold."""
    return keys.known(Config)


def _config_folders() -> list[Path]:
    beside = Path(__file__).resolve().parents[1] / "configs"
    installed = Path(sysconfig.get_path("data")) / "share" / "merzmory" / "configs"
    return [folder for folder in (beside, installed) if folder.is_dir()]


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return value
