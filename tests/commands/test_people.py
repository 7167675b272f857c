"""Who is left out is nowhere, who is blurred is nowhere to be recognised: through the whole story."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from merzmory.archive import faces
from merzmory.archive import people as who
from merzmory.archive.looking import People, eyes
from merzmory.cli import app
from merzmory.config import Config, load
from merzmory.errors import ArchiveError
from merzmory.gallery import site
from merzmory.manifest import do, read_manifest
from merzmory.pipeline import STEPS
from merzmory.story import archives, lineage
from tests.archive.portraits import photograph

ANNA, BEN, CLEO = 0, 5, 11
_TINY = [
    "train.base=", "dataset.resolution=64", "train.steps=2", "train.batch=4", "train.z_dim=16",
    "train.w_dim=16", "train.mapping_layers=2", "train.channel_base=256", "train.channel_max=16",
    "train.preview_count=4", "train.metric_pictures=0", "train.threads=1", "train.device=cpu",
    "sample.count=4", "match.nearest=6",
]  # fmt: skip

pytestmark = pytest.mark.skipif(not faces.can_find_faces(), reason="this OpenCV has no cascades")


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photographs each of Anna, Ben and Cleo, and six of nobody: read and looked at."""
    place = tmp_path_factory.mktemp("people")
    folder = place / "photos"
    folder.mkdir()
    for name, number in (("anna", ANNA), ("ben", BEN), ("cleo", CLEO)):
        for frame in range(4):
            picture = photograph(10 * number + frame, number, frame=frame)
            picture.save(folder / f"{name}-{frame}.jpg", quality=92)
    for seed in range(6):
        photograph(500 + seed).save(folder / f"nobody-{seed}.jpg", quality=92)
    made = _config(place)
    STEPS["ingest"](made, made.workspace())
    _people(made).look(eyes(None, None))
    return place


@pytest.fixture
def place(read: Path, tmp_path: Path) -> Path:
    """A copy of them, to say something of."""
    shutil.copytree(read, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "photos")
    (tmp_path / "copy" / "where").write_text(str(read / "photos"))
    return tmp_path / "copy"


def _config(place: Path) -> Config:
    photos = place / "photos"
    if (place / "where").is_file():
        photos = Path((place / "where").read_text())
    own = [f"outputs={place / 'out'}", f"archive.folder={photos}", "name=tiny"]
    return load("demo", [*own, *_TINY])


def _people(made: Config) -> People:
    return archives.people(made, made.workspace())


def _number(made: Config, name: str) -> int:
    """The person on the photographs of this name."""
    paths = {row.sha256: row.path for row in archives.found(made, made.workspace())}
    for person in _people(made).persons():
        if all(Path(paths[seen.sha256]).name.startswith(name) for seen in person.seen):
            return person.number
    raise AssertionError(name)


def _done(made: Config, *steps: str) -> None:
    for step in steps:
        STEPS[step](made, made.workspace())


def _names(lines: list[dict[str, object]]) -> set[str]:
    return {Path(str(line["path"])).stem.split("-")[0] for line in lines}


def _likeness(square: Image.Image, other: Image.Image) -> float:
    """Correlation of the fine structure of two squares."""
    fine = []
    for picture in (square, other):
        grey = np.asarray(picture.convert("L"), np.float64)
        fine.append((grey[:, 1:] - grey[:, :-1]).ravel())
    return float(np.corrcoef(fine[0], fine[1])[0, 1])


def test_each_is_one_person_and_nobody_is_none(read: Path) -> None:
    made = _config(read)
    counts = sorted(len(person.seen) for person in _people(made).persons())
    assert counts == [4, 4, 4]
    assert len({_number(made, name) for name in ("anna", "ben", "cleo")}) == 3


def test_a_choice_holds_in_squares_matches_and_gallery(place: Path) -> None:
    made = _config(place)
    workspace = made.workspace()
    _done(made, "cull", "build")
    plain = lineage.dataset(made, workspace).finished()
    assert _names(read_manifest(plain)) == {"anna", "ben", "cleo", "nobody"}
    with _people(made).saying() as said:
        who.name(said, _number(made, "anna"), "Anna")
        who.choose(said, _number(made, "anna"), "exclude")
        who.choose(said, _number(made, "ben"), "blur")
    rows = {Path(row.path).name: row for row in archives.photographs(made, workspace)}
    assert rows["anna-1.jpg"].verdict == "rejected"  # at once
    assert rows["anna-1.jpg"].reason == "It shows Anna, whom you left out."
    _done(made, "cull", "build", "train", "sample", "match")
    dataset = lineage.dataset(made, workspace).finished()
    squares = read_manifest(dataset)
    assert dataset != plain and _names(squares) == {"ben", "cleo", "nobody"}
    before = {line["path"]: line for line in read_manifest(plain)}
    for line in squares:
        square = Image.open(dataset / line["file"])
        old = before[line["path"]]
        name = Path(line["path"]).name
        if name.startswith("ben"):
            with Image.open(line["path"]) as whole:
                clear = whole.crop(line["box"]).resize(square.size)
            assert not faces.faces(np.asarray(square.resize((512, 512)).convert("L")))
            assert faces.faces(np.asarray(clear.resize((512, 512)).convert("L")))
        else:
            same = Image.open(plain / old["file"])
            assert square.tobytes() == same.tobytes()  # nobody else is touched
    matches = lineage.matches(made, workspace).finished()
    assert _names(read_manifest(matches)) <= {"ben", "cleo", "nobody"}
    gallery = do(
        site.plan(
            pictures=lineage.samples(made, workspace).finished(), matches=matches,
            originals=dataset, folder=place / "gallery", title="Nobody", settings={},
        )
    )  # fmt: skip
    shown = [Image.open(file) for file in sorted((gallery / "nearest").glob("*.webp"))]
    assert shown
    anna = [Image.open(plain / line["file"]) for path, line in before.items() if "anna-" in path]
    ben = [Image.open(plain / line["file"]) for path, line in before.items() if "ben-" in path]
    for picture in shown:
        assert all(_likeness(picture.resize((64, 64)), clear) < 0.9 for clear in anna + ben)


def test_new_photographs_are_looked_at_before_they_are_kept(read: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(read / "photos", folder)
    made = _config(tmp_path)
    _done(made, "ingest")
    _people(made).look(eyes(None, None))
    anna = _number(made, "anna")
    with _people(made).saying() as said:
        who.name(said, anna, "Anna")
        who.choose(said, anna, "exclude")
    _done(made, "cull")
    photograph(900, ANNA, frame=1).save(folder / "anna-new.jpg", quality=92)
    _done(made, "ingest")
    with pytest.raises(ArchiveError, match="1 photographs have not been looked at"):
        archives.keepers(made, made.workspace())
    _done(made, "cull")
    rows = {Path(row.path).name: row for row in archives.photographs(made, made.workspace())}
    assert rows["anna-new.jpg"].reason == "It shows Anna, whom you left out."
    (found,) = [p for p in _people(made).persons() if p.name == "Anna"]
    assert (found.number, found.choice, len(found.seen)) == (anna, "exclude", 5)
    assert not any("anna" in photo.path for photo in archives.keepers(made, made.workspace()))


@pytest.fixture
def merzmory(place: Path) -> Callable[..., str]:
    """The command on the copy: what it says."""

    def run(*words: object, code: int = 0) -> str:
        made = _config(place)
        settings = [
            f"outputs={place / 'out'}",
            f"archive.folder={made.archive.folder}",
            "name=tiny",
        ]
        flags = [part for setting in [*settings, *_TINY] for part in ("--set", setting)]
        done = CliRunner().invoke(app, ["people", "demo", *map(str, words), *flags])
        assert done.exit_code == code, done.output
        return done.output

    return run


def test_people_are_named_merged_split_and_taken_back(
    merzmory: Callable[..., str], place: Path
) -> None:
    made = _config(place)
    anna, ben = _number(made, "anna"), _number(made, "ben")
    assert "Anna" in merzmory("--name", anna, "Anna")
    assert "exclude" in merzmory("--exclude", anna)
    said = merzmory("--merge", ben, anna)
    (both,) = [p for p in _people(made).persons() if p.number == ben]
    assert (len(both.seen), both.name, both.choice) == (8, "Anna", "exclude")  # the stricter holds
    assert "keep" not in said
    assert "Taken back: into" in merzmory("--undo")
    assert len(_people(made).persons()) == 3
    said = merzmory("--split", anna, "anna-2.jpg", "anna-3.jpg")
    assert "They are person 4 now" in said
    assert sorted(len(p.seen) for p in _people(made).persons()) == [2, 2, 4, 4]
    merzmory("--keep", anna)
    assert not _people(made).left_out()
    for _ in range(2):
        merzmory("--undo")
    assert len(_people(made).left_out()) == 4
    assert "There is no person 99" in merzmory("--blur", 99, code=2)
    assert "Say one thing" in merzmory("--blur", anna, "--undo", code=2)
    assert "Say one thing" in merzmory("--name", anna, code=2)


def test_sheets_are_drawn_and_all_is_forgotten(merzmory: Callable[..., str], place: Path) -> None:
    made = _config(place)
    anna = _number(made, "anna")
    folder = Path(merzmory().splitlines()[-2].strip())
    assert {"people-00.png", f"person-{anna:03d}.png"} <= {file.name for file in folder.iterdir()}
    books = archives.archive(made, made.workspace()) / "catalogue.sqlite"
    with _people(made).saying() as said:
        who.name(said, anna, "Anna Unforgettable")
        prints = list(said.exec_driver_sql("select print from face"))
    held = b"".join(file.read_bytes() for file in books.parent.glob("catalogue.sqlite*"))
    assert all(row[0][:64] in held for row in prints) and b"Unforgettable" in held
    merzmory("--exclude", anna)
    assert "nobody is left out now" in merzmory("--forget")
    held = b"".join(file.read_bytes() for file in books.parent.glob("catalogue.sqlite*"))
    assert not any(row[0][:64] in held for row in prints) and b"Unforgettable" not in held
    assert not _people(made).persons() and not _people(made).left_out()
    assert not list((place / "out" / "tiny").glob("people-*"))
