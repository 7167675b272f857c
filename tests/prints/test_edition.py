"""An order becomes files that a lab takes and certificates that a buyer reads."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, PdfParser

from merzmory import provenance
from merzmory.errors import ConfigError, FormatError, SettingsDifferError
from merzmory.frame import Frame
from merzmory.manifest import do, lay_out, read_manifest
from merzmory.prints import certificate, edition
from merzmory.prints.certificate import Certificate
from merzmory.prints.colour import srgb
from merzmory.prints.edition import Order
from merzmory.prints.pdf import write_pdf


@pytest.fixture
def pictures(tmp_path):
    def make(part, index, announce):
        for seed in range(4):
            noise = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)
            mode = "RGBA" if seed == 3 else "RGB"
            Image.fromarray(noise).convert(mode).save(part / f"seed{seed}.png")
            line = {"file": f"seed{seed}.png", "source_file": f"s{seed}.png", "scale": 4}
            yield {**line, "seed": seed, "psi": 0.7, "step": 500}

    return do(lay_out("upscaled", tmp_path / "upscaled", {}, 1, make))


def planned(pictures, tmp_path, order, **changes):
    knobs = {"settings": {"pictures": "u", "order": str(order)}, "sale": "May be sold.", **changes}
    return edition.plan(pictures=pictures, folder=tmp_path / "prints", order=order, **knobs)


def pdf_pages(path):
    with PdfParser.PdfParser(path) as found:
        return len(found.pages)


@pytest.mark.parametrize("format", ["tiff", "png", "jpeg"])
def test_prints_and_certificates(format, pictures, tmp_path):
    order = Order((2, 0), paper="10x15", dpi=72, format=format, edition=3, title="Rauch")
    heard = []
    folder = do(planned(pictures, tmp_path, order, may_sell="no"), heard.append)
    lines = read_manifest(folder)
    assert [line["seed"] for line in lines] == [2, 0]
    assert [(p.done, p.total) for p in heard] == [(1, 2), (2, 2)]
    line = lines[0]
    assert (line["paper"], line["grade"], line["may_sell"]) == ("10x15", "too small", "no")
    assert (line["width_mm"], line["height_mm"]) == (149.9, 99.8)  # whole dots
    assert line["sharp_scale"] == 29  # 425 of 60 dots, at four times
    assert line["sharp_mm"] == [21.2, 14.1]
    with Image.open(folder / line["file"]) as opened:
        assert opened.format == format.upper()
        assert opened.size == (425, 283)
        assert opened.info["dpi"] == pytest.approx((72, 72), abs=0.1)
        assert opened.info["icc_profile"] == srgb()
    record, source = provenance.told(folder / line["file"])
    assert (record["seed"], record["step"], record["edition"]) == (2, 500, 3)
    assert source == "trainedAlgorithmicMedia"
    assert pdf_pages(folder / line["certificate"]) == 3
    assert planned(pictures, tmp_path, order).shards == 0
    with pytest.raises(SettingsDifferError, match="order"):
        planned(pictures, tmp_path, Order((1,)))


def test_a_picture_without_a_paper_keeps_its_pixels(pictures, tmp_path):
    folder = do(planned(pictures, tmp_path, Order((1, 3), format="png")))
    for line in read_manifest(folder):
        with Image.open(folder / line["file"]) as made:
            with Image.open(pictures / f"seed{line['seed']}.png") as own:
                assert made.tobytes() == own.convert("RGB").tobytes()
            assert made.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_a_profile_of_a_lab(pictures, tmp_path):
    file = tmp_path / "lab.icc"
    file.write_bytes(srgb()[:36] + b"acsp" + srgb()[40:])
    folder = do(planned(pictures, tmp_path, Order((0,), format="jpeg", profile=file)))
    with Image.open(folder / "seed0.jpg") as made:
        assert made.info["icc_profile"] == file.read_bytes()


def test_what_cannot_be_ordered_is_said_before_work_begins(pictures, tmp_path):
    for order, said in (
        (Order((7, 0)), r"no picture of seed 7: choose from 0 to 3"),
        (Order(()), "Nothing is picked"),
        (Order((0,), format="gif"), "no format gif"),  # type: ignore[arg-type]
        (Order((0,), edition=0), "1 to 500"),
        (Order((0,), bleed=3), "need a paper"),
        (Order((0,), profile=tmp_path / "no.icc"), "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=said):
            planned(pictures, tmp_path, order)
    (pictures / "seed0.png").write_bytes(b"no")
    with pytest.raises(FormatError, match=r"seed0\.png"):
        do(planned(pictures, tmp_path, Order((0,))))


def test_the_nearest_photographs_are_shown_in_their_shape(pictures, tmp_path, monkeypatch):
    square = tmp_path / "square.png"
    Image.new("RGB", (60, 60), (0, 90, 200)).save(square)
    shown = []
    real = certificate.page

    def page(*args, **kwargs):
        shown.append((args[1], [(near.size, said) for near, said in args[3]]))
        return real(*args, **kwargs)

    monkeypatch.setattr(certificate, "page", page)
    near = {"s2.png": [(square, "May 2014")]}
    do(planned(pictures, tmp_path, Order((2, 1)), nearest=near, shape=Frame("3:2")))
    assert shown == [(1, [((90, 60), "May 2014")]), (1, [])]


def test_a_full_certificate_keeps_clear_of_its_foot():
    long = "word " * 60
    rows = tuple((name, long) for name in ("Size", "Picture", "Base"))
    said = Certificate("A title of some length, longer than a line " * 2, "", rows, long, 12)
    near = [(Image.new("RGB", (64, 64), "blue"), "November 2015")] * 5
    page = certificate.page(said, 12, Image.new("RGB", (80, 80), "red"), near, dpi=100)
    assert page.size == (827, 1169)
    foot = np.asarray(page.crop((0, 1169 - 160, 827, 1169 - 140)))
    assert (foot == 255).all()  # between the text and the line to sign on
    colours = {colour for _, colour in page.getcolors(10**6)}
    assert {(255, 0, 0), (0, 0, 255)} <= colours


def test_the_number_is_on_the_page():
    said = Certificate("t", "", (), "", 9)
    one, two = (certificate.page(said, n, Image.new("RGB", (9, 9), "red"), dpi=60) for n in (1, 2))
    assert one.tobytes() != two.tobytes()
    assert (
        one.tobytes()
        == certificate.page(said, 1, Image.new("RGB", (9, 9), "red"), dpi=60).tobytes()
    )


def test_a_pdf_of_equal_pages_is_equal(tmp_path):
    pages = [Image.new("RGB", (50, 70), colour) for colour in ("red", "green", "blue")]
    for name in ("a.pdf", "b.pdf"):
        assert write_pdf(iter(pages), tmp_path / name, dpi=100, title="Ä") == 3
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert pdf_pages(tmp_path / "a.pdf") == 3
