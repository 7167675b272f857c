"""The command line: instant help, one sentence for each thing that can go wrong, the next command."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from merzmory import cli
from merzmory.archive.assets import Row
from merzmory.commands import status
from merzmory.config import load

ROOT = Path(__file__).resolve().parents[1]
MAIN = "from merzmory.cli import main; main()"


def merzmory(*words: str | Path, code: str = MAIN) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    [line] = done.stderr.strip().splitlines()
    return line


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import atexit, sys\n"
        "heavy = {'torch', 'prefect', 'pydantic', 'numpy', 'PIL', 'sqlalchemy'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n"
    )
    done = merzmory("--help", code=code + MAIN)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout
    for word in ("run", "status", "config", "weights", *cli.STEPS):
        assert word in done.stdout


def test_the_steps_are_the_pipelines() -> None:
    from merzmory.pipeline import STORY

    assert list(cli.STEPS) == [step.name for step in STORY]


def test_version_is_the_projects() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    code = (
        "import importlib.metadata as m\n"
        f"known = m.version\nm.version = lambda n: {version!r} if n == 'merzmory' else known(n)\n"
    )
    done = merzmory("--version", code=code + MAIN)
    assert done.stdout.strip() == f"merzmory {version}"


def test_config_prints_every_setting() -> None:
    done = merzmory("config", "demo", "--set", "train.steps=7", "--set", 'gallery.title=Us: "we"')
    assert done.returncode == 0, done.stderr
    values = tomllib.loads(done.stdout)
    assert values["train"]["steps"] == 7 and values["gallery"]["title"] == 'Us: "we"'
    assert values["film"]["fps"] == load("demo").film.fps


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nowhere.toml"], "There is no config nowhere.toml"),
        (["train", "demo", "--set", "train.stpes=5"], "did you mean train.steps?"),
        (["config", "demo", "--set", "train.steps=-5"], "steps is -5"),
        (["status", "demo", "--set", "nonsense"], "--set nonsense has no value"),
        (["weights", "import", "nobody", "x.pkl"], "There are no weights named nobody"),
        (["export", "nowhere", "x.safetensors"], "There is no config nowhere"),
        (["export", "none.pkl", "x.safetensors"], "give a run folder or a network file"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], said: str) -> None:
    done = merzmory(*words)
    assert done.returncode == 2
    assert said in one_sentence(done)


def test_export_says_size_and_licence(tmp_path: Path) -> None:
    base = ROOT / "merzmory" / "bases" / "starter-garments-64.safetensors"
    out = tmp_path / "small.safetensors"
    done = merzmory("export", base, out, "--format", "slim")
    assert done.returncode == 0, done.stderr
    written, what, licence, opens = done.stdout.splitlines()
    assert written.strip() == str(out) and out.is_file()
    assert what == "G_ema of step 36000, 3.0 MB."
    assert "CC0 1.0: public domain, sales allowed" in licence and opens.startswith("MERZmory opens")


def test_outputs_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am a file")
    done = merzmory("run", "demo", "--set", f"outputs={tmp_path / 'file'}")
    assert done.returncode == 2
    assert "--set outputs=FOLDER" in one_sentence(done)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sets = ["--set", f"archive.folder={tmp_path / 'empty'}", "--set", f"outputs={tmp_path / 'out'}"]
    done = merzmory("run", "demo", *sets, "--set", "train.base=", "--set", "dataset.resolution=32")
    assert done.returncode == 2
    assert "empty" in one_sentence(done)


def test_a_step_without_prefect_and_found_again(tmp_path: Path) -> None:
    story = [sys.executable, ROOT / "tests/flows/story.py", "build", "demo"]
    words = [*story, "--set", f"outputs={tmp_path}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    outs = [
        subprocess.run(words, capture_output=True, text=True, env=environment, check=True).stdout
        for _ in range(2)
    ]
    assert "300 pictures" in outs[0] and "found, nothing to do" in outs[1]
    assert not (tmp_path / "prefect").exists()


def test_status_before_and_after(tmp_path: Path) -> None:
    before = merzmory("status", "--set", f"outputs={tmp_path / 'none'}")
    assert before.stdout.startswith("Nothing yet")
    assert not (tmp_path / "none").exists()
    story = [sys.executable, ROOT / "tests/flows/story.py"]
    sets = ["--set", f"outputs={tmp_path}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*story, "build", "demo", *sets], env=environment, check=True)
    (tmp_path / "demo" / "train-0000.part").mkdir()
    shown = merzmory("status", *sets).stdout
    assert "ok build-" in shown and ".. train-0000.part" in shown
    detailed = subprocess.run(
        [*story, "status", "demo", *sets], env=environment, capture_output=True, text=True
    ).stdout
    assert ".. Reading the photographs" in detailed and "to do" in detailed
    assert "ok Cutting the training squares" in detailed
    assert "server is not running" in detailed


def test_the_next_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from merzmory import pipeline

    monkeypatch.setattr(pipeline, "summary", lambda c, w: [("Gallery", tmp_path / "index.html")])
    sample = "\n".join(status.ending("demo", [], load("demo"), "3 s", []))
    assert str(tmp_path / "index.html") in sample
    assert "merzmory run demo --set archive.folder=~/Pictures --set train.steps=500" in sample
    words = ["archive.folder=/my photos", "train.steps=500"]
    own = "\n".join(status.ending("demo", words, load("demo", words), "3 s", []))
    assert "merzmory run demo --set 'archive.folder=/my photos' --set train.steps=4000" in own


def test_what_was_set_aside_is_listed_with_its_reason() -> None:
    rows = [
        Row("a.jpg", "1", "kept", "It is sound."),
        Row("b.jpg", "2", "duplicate", "It shows the same as a.jpg."),
        Row("c.txt", None, "skipped", "It is not a picture."),
    ]
    some = list(status.photo_lines(rows, every=False))
    assert [line.split()[1] for line in some[:-1]] == ["b.jpg", "c.txt"]
    assert "It is not a picture." in some[1]
    assert some[-1] == "3 files (1 kept, 1 duplicate, 1 skipped)"
    assert len(list(status.photo_lines(rows, every=True))) == 4


def test_the_program_is_called_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / ".venv" / "bin" / "merzmory"), "run"])
    assert status.command() == os.path.join(".venv", "bin", "merzmory")  # noqa: PTH118
    (tmp_path / "merzmory").touch(mode=0o755)
    assert status.command() == "merzmory"
