"""Contact sheets: every picture once, on pages of the paper's size, tagged with their dpi."""

from __future__ import annotations

import pytest
from PIL import Image

from merzmory import provenance
from merzmory.errors import ConfigError
from merzmory.manifest import do, lay_out, read_manifest
from merzmory.prints import contact


@pytest.fixture
def pictures(tmp_path):
    def make(part, index, announce):
        for seed in range(30):
            Image.new("RGB", (16, 16), (250, seed, 0)).save(part / f"{seed}.png")
            yield {"file": f"{seed}.png", "seed": seed, "psi": 0.7, "step": 500}

    return do(lay_out("samples", tmp_path / "samples", {}, 1, make))


def planned(pictures, tmp_path, **changes):
    knobs = {"paper": "A6", "dpi": 100, "columns": 3, "settings": {"samples": "s"}, **changes}
    return contact.plan(pictures=pictures, folder=tmp_path / "contact", **knobs)


def test_pages(pictures, tmp_path):
    folder = do(planned(pictures, tmp_path))
    lines = read_manifest(folder)
    assert [file for line in lines for file in line["pictures"]] == [f"{n}.png" for n in range(30)]
    assert len(lines) > 1
    for line in lines:
        with Image.open(folder / line["file"]) as page:
            assert page.size == (413, 583) == (line["width"], line["height"])
            assert page.info["dpi"] == pytest.approx((100, 100), abs=0.1)
            shown = {colour for _, colour in page.getcolors(10**6) if colour[0] == 250}
        assert {(250, int(file.removesuffix(".png")), 0) for file in line["pictures"]} <= shown
    assert provenance.read_png(folder / "page-00.png")["pages"] == len(lines)
    assert planned(pictures, tmp_path).shards == 0


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_rows_fill_the_page_and_end_above_its_margin(columns):
    width, height = 2480, 3508
    grid = contact._grid(width, height, 300, columns)
    assert width - columns < grid.size[0] <= width
    assert height - (grid.cell_height + grid.gap) < grid.size[1] <= height


def test_what_has_no_room(pictures, tmp_path):
    for columns in (0, 50):
        with pytest.raises(ConfigError, match="columns do not fit"):
            planned(pictures, tmp_path, columns=columns)
    with pytest.raises(ConfigError, match="fewer dpi"):
        planned(pictures, tmp_path, paper="A0", dpi=1200)
