"""The docs say what is true: files exist, commands exist, settings exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from merzmory import cli, config
from merzmory.pipeline import STEPS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
COMMANDS = set(typer.main.get_group(cli.app).commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_and_settings_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for command in re.findall(r"`merzmory ([a-z]+)|^    merzmory ([a-z]+)", text, re.M):
        assert "".join(command) in COMMANDS
    for setting in re.findall(r"--set ([a-z_.]+)=", text):  # the engine alone leaves "train." out
        assert {setting, f"train.{setting}"} & set(config.known_keys()), setting


def test_the_readme_shows_every_command() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for step in STEPS:
        assert f"`merzmory {step} CONFIG`" in text
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for command in COMMANDS - {"run", *STEPS}:
        assert f"`merzmory {command}" in page, command
        assert f"`{command}`" in text or f"`merzmory {command} " in text, command
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in text
        assert re.search(rf"^{target}:", makefile, re.M)


def test_the_build_machine_runs_the_readme_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")
