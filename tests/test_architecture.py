"""The house keeps to its plan: floors, the sealed engine, small files, no drawers."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*(ROOT / "merzmory").rglob("*.py"), *(ROOT / "flows").rglob("*.py")]


def test_imports_run_downhill() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.skip("import-linter is not installed (make setup-dev)")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_files_are_small() -> None:
    long = {str(p): n for p in SOURCES if (n := len(p.read_text("utf-8").splitlines())) > 400}
    assert not long


def test_there_is_no_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert not [p for p in SOURCES if p.stem in drawers]


def test_package_inits_hold_only_a_docstring() -> None:
    for path in SOURCES:
        if path.name == "__init__.py" and path.parent.name != "versions":
            text = path.read_text("utf-8").strip()
            assert re.fullmatch(r'"""(?:(?!""").)+"""', text, re.DOTALL), path


def _closure(names: list[str]) -> set[str]:
    """Distributions that `names` need here, themselves among them."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = re.split(r"[\s;<>=!~\[(]", todo.pop(), maxsplit=1)[0].lower().replace("_", "-")
        if name in found:
            continue
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        todo += [r for r in requires if "extra ==" not in r]
    return found


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with torch, numpy, pillow, safetensors, their needs and the engine."""
    home = tmp_path_factory.mktemp("sealed")
    venv.create(home, symlinks=True, with_pip=False)
    site = next(home.glob("lib/python3*/site-packages"), home / "Lib" / "site-packages")
    for name in _closure(["torch", "numpy", "pillow", "safetensors"]):
        distribution = importlib.metadata.distribution(name)
        base = Path(str(distribution.locate_file("")))
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if (base / top).exists() and not (site / top).exists():
                (site / top).symlink_to(base / top)
    engine = site / "merzmory"
    engine.mkdir()
    shutil.copy(ROOT / "merzmory" / "__init__.py", engine)
    shutil.copytree(ROOT / "merzmory" / "gan", engine / "gan")
    return home / "bin" / "python"


def test_the_engine_trains_with_four_packages(sealed: Path, tmp_path: Path) -> None:
    data = tmp_path / "dataset"
    (data / "images").mkdir(parents=True)
    lines = []
    for number in range(8):
        file = f"images/{number:06d}.png"
        Image.new("RGB", (16, 16), (number * 30, 90, 200 - number * 20)).save(data / file)
        lines.append(f'{{"file": "{file}", "photo": "{number}", "box": [0, 0, 16, 16]}}\n')
    (data / "manifest.jsonl").write_text("".join(lines))
    (data / "settings.json").write_text(
        '{"format": 1, "kind": "dataset", "settings": {"resolution": 16}}'
    )
    tiny = "base= steps=2 batch=4 channel_base=128 channel_max=8 z_dim=8 w_dim=8 mapping_layers=2"
    knobs = [part for knob in tiny.split() for part in ("--set", knob)]
    train = [sealed, "-I", "-m", "merzmory.gan", "train", tmp_path / "run", "--dataset", data]
    done = subprocess.run([*train, *knobs], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    refused = subprocess.run(
        [sealed, "-I", "-c", "import cv2"], capture_output=True, text=True, timeout=60
    )
    assert "No module named 'cv2'" in refused.stderr
