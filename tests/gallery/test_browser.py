"""The site in a real browser: it opens, is quiet, fits, and listens to keys and fingers."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
PHONE, WALL = (390, 844), (1920, 1080)
SHIFT = """
  window.shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Chromium (chromium is not on the path)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """A page with what went wrong on it."""

    def __init__(self, chromium: Any, size: tuple[int, int], **kept: Any) -> None:
        self.context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", **kept
        )
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.wrong.append(f"failed {request.url}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error {error}"))
        self.page.on("console", lambda message: self.wrong.append(f"{message.type} {message.text}"))
        self.page.on(
            "response",
            lambda r: self.wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None,
        )

    def see(self, script: str) -> Any:
        return self.page.evaluate(script)

    @property
    def number(self) -> str:
        return str(self.page.text_content("#place"))


@pytest.fixture(params=[PHONE, WALL], ids=["phone", "wall"])
def visitor(request: pytest.FixtureRequest, chromium: Any, gallery: Path) -> Iterator[Visitor]:
    on_phone = request.param == PHONE
    found = Visitor(chromium, request.param, is_mobile=on_phone, has_touch=on_phone)
    found.page.add_init_script(SHIFT)
    found.page.goto((gallery / "index.html").as_uri())
    yield found
    found.context.close()


def scroll_through(page: Any) -> None:
    page.evaluate(
        """async () => {
          for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {
            scrollTo(0, y);
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          }
          await Promise.all([...document.images].filter((i) => i.checkVisibility())
            .map((i) => i.decode()));
        }"""
    )


def test_it_is_quiet_fits_and_does_not_jump(visitor: Visitor, gallery: Path) -> None:
    scroll_through(visitor.page)
    assert visitor.see("document.documentElement.scrollWidth <= innerWidth")
    assert visitor.see("window.shift") == 0
    visitor.page.keyboard.press("a")
    scroll_through(visitor.page)
    assert visitor.see("document.documentElement.scrollWidth <= innerWidth")
    loaded = "[...document.images].filter((i) => i.checkVisibility() && !i.naturalWidth).length"
    assert visitor.see(loaded) == 0
    assert visitor.wrong == []
    assert visitor.requests
    assert all(url.startswith(gallery.as_uri()) for url in visitor.requests)


def test_labels_can_be_read(visitor: Visitor) -> None:
    """No text is smaller than 12 px, and what a finger should hit is at least 40 px high."""
    visitor.page.keyboard.press("a")
    smallest = """Math.min(...[...document.querySelectorAll("p, span, h1, h2, h3, a, button, label")]
      .filter((e) => e.checkVisibility() && e.textContent.trim())
      .map((e) => parseFloat(getComputedStyle(e).fontSize)))"""
    assert visitor.see(smallest) >= 12
    visitor.page.click("#picture-2 .frame")
    targets = """Math.min(...[...document.querySelectorAll(".controls button, .tools > *")]
      .filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect().height))"""
    assert visitor.see(targets) >= 40


def test_archaeology_lays_the_nearest_beside(visitor: Visitor) -> None:
    shown = "[...document.querySelectorAll('.work .nearest')].filter((e) => e.checkVisibility())"
    assert visitor.see(f"{shown}.length") == 0
    visitor.page.keyboard.press("a")
    assert visitor.see(f"{shown}.length") == 7
    visitor.page.click("label.switch")
    assert visitor.see(f"{shown}.length") == 0
    visitor.page.click("#picture-3 .frame")
    beside = "document.querySelector('#beside').checkVisibility()"
    assert visitor.see(beside) is False
    visitor.page.click("#viewer-dig")
    assert visitor.see(beside) is True
    assert visitor.page.locator("#beside li").count() == 3
    boxes = """[...document.querySelectorAll("#stage img, #beside img")].map((e) => {
      const box = e.getBoundingClientRect();
      return [box.left, box.top, box.right, box.bottom]; })"""
    for left, top, right, bottom in visitor.see(boxes):
        assert left >= 0
        assert top >= 0
        assert right <= visitor.see("innerWidth") + 0.5
        assert bottom <= visitor.see("innerHeight") + 0.5


def test_keys_turn_the_pictures(visitor: Visitor) -> None:
    visitor.page.click("#picture-2 .frame")
    assert visitor.number == "2 / 7"
    for key, number in [("ArrowRight", 3), ("ArrowLeft", 2), ("End", 7), ("ArrowRight", 1),
                        ("ArrowLeft", 7), ("Home", 1)]:  # fmt: skip
        visitor.page.keyboard.press(key)
        visitor.page.wait_for_function(
            "n => document.querySelector('#place').textContent === n", arg=f"{number} / 7"
        )
        visitor.page.wait_for_function(
            "file => document.querySelector('#stage img.shown')?.src.includes(file) === true",
            arg=f"/{number:04d}-",
        )
        assert visitor.page.url.endswith(f"#picture-{number}")
    visitor.page.keyboard.press("Escape")
    visitor.page.wait_for_function("!document.querySelector('#viewer').open")
    assert "#picture-1" not in visitor.page.url
    visitor.page.wait_for_function("document.activeElement.dataset.number === '1'")
    assert visitor.wrong == []


def test_back_closes_and_an_address_opens(visitor: Visitor) -> None:
    visitor.page.click("#picture-2 .frame")
    visitor.page.go_back()
    visitor.page.wait_for_function("!document.querySelector('#viewer').open")
    visitor.page.goto(visitor.page.url.split("#")[0] + "#picture-5")
    visitor.page.wait_for_function("document.querySelector('#viewer').open")
    assert visitor.number == "5 / 7"
    visitor.page.click("#close")
    visitor.page.wait_for_function("!document.querySelector('#viewer').open")


@pytest.mark.parametrize(("by", "number"), [(-160, 4), (160, 2), (-20, 3)])
def test_a_swipe_turns_the_picture(visitor: Visitor, by: int, number: int) -> None:
    visitor.page.click("#picture-3 .frame")
    visitor.page.wait_for_function("document.querySelectorAll('#stage img.shown').length === 1")
    width, height = visitor.see("[innerWidth, innerHeight]")
    visitor.page.mouse.move(width / 2, height / 2)
    visitor.page.mouse.down()
    visitor.page.mouse.move(width / 2 + by, height / 2 + 5, steps=4)
    visitor.page.mouse.up()
    visitor.page.wait_for_function(
        "n => document.querySelector('#place').textContent === n", arg=f"{number} / 7"
    )


def test_the_wall_shows_picture_after_picture(chromium: Any, gallery: Path) -> None:
    visitor = Visitor(chromium, WALL)
    visitor.page.clock.install()
    visitor.page.goto((gallery / "index.html").as_uri())
    visitor.page.click("#wall")
    assert visitor.number == "1 / 7"
    visitor.page.clock.run_for(4_000)
    assert "still" in visitor.page.get_attribute("#viewer", "class")
    visitor.page.clock.run_for(9_000)
    visitor.page.wait_for_function("document.querySelector('#place').textContent === '2 / 7'")
    visitor.page.keyboard.press("w")
    assert "wall" not in visitor.page.get_attribute("#viewer", "class")
    assert visitor.wrong == []
    visitor.context.close()


def test_the_film_plays(chromium: Any, gallery: Path) -> None:
    visitor = Visitor(chromium, WALL)
    visitor.page.goto((gallery / "index.html").as_uri())
    seen = visitor.see(
        """async () => {
          const film = document.querySelector("video");
          film.muted = true;
          await film.play();
          return [film.videoWidth, film.videoHeight, film.duration];
        }"""
    )
    assert seen == [128, 128, pytest.approx(1.0, abs=0.05)]
    assert visitor.wrong == []
    visitor.context.close()


def test_it_works_without_script(chromium: Any, gallery: Path) -> None:
    visitor = Visitor(chromium, PHONE, java_script_enabled=False)
    visitor.page.goto((gallery / "index.html").as_uri())
    assert visitor.page.locator("#picture-1 .nearest").is_visible() is False
    visitor.page.click("label.switch")
    assert visitor.page.locator("#picture-1 .nearest").is_visible() is True
    visitor.page.click("#picture-1 .frame")
    visitor.page.wait_for_url("**/pictures/0001-700.webp")
    visitor.context.close()


def test_any_static_server_will_do(chromium: Any, gallery: Path) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(gallery))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        visitor = Visitor(chromium, PHONE)
        visitor.page.goto(address)
        scroll_through(visitor.page)
        visitor.page.wait_for_load_state("networkidle")
        visitor.context.close()
        server.shutdown()
    assert visitor.wrong == []
    assert all(url.startswith(address) for url in visitor.requests)
