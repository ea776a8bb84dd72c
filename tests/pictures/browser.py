"""A headless Chromium, and a server on a free port whose application can be changed under it."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.processes import free_port

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
PHONE: ViewportSize = {"width": 390, "height": 844}
SMALL_PHONE: ViewportSize = {"width": 360, "height": 640}
WIDE: ViewportSize = {"width": 1280, "height": 800}
WALL: ViewportSize = {"width": 1920, "height": 1080}
SIZES = {"phone": PHONE, "wide": WIDE}
MOST_COLOURS = 16
FLAT, APART_FLAT, APART_EDGE = (
    0.002,
    8,
    40,
)  # a ground covers this much; letters' edges may be rough
HOST = "127.0.0.1"
EVERY_MS = 100.0


@contextmanager
def chromium() -> Iterator[Browser]:
    """Raises: LookupError where there is none."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=where_chromium_is(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def where_chromium_is() -> str:
    """Raises: LookupError where there is none."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        raise LookupError("no Chromium found: name it in CHROMIUM")
    return path


class Served:
    """What listens at `url`; `app` is what it serves now."""

    def __init__(self) -> None:
        self.port = free_port()
        self.app: Any = None
        self._server: uvicorn.Server | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    def begin(self) -> None:
        config = uvicorn.Config(
            self, host=HOST, port=self.port, lifespan="off", log_level="warning", access_log=False
        )
        server = self._server = uvicorn.Server(config)
        threading.Thread(target=server.run, name="web", daemon=True).start()
        assert wait_until(lambda: server.started, timeout_s=30)

    def end(self) -> None:
        """Nothing listens there any more."""
        server = self._server
        if server is not None:
            server.force_exit = server.should_exit = True
            assert wait_until(lambda: not server.servers or not _listens(server), timeout_s=30)


def _listens(server: uvicorn.Server) -> bool:
    return any(one.is_serving() for one in server.servers)


@contextmanager
def served() -> Iterator[Served]:
    one = Served()
    one.begin()
    try:
        yield one
    finally:
        one.end()


def check_fits(page: Page, name: str) -> None:
    """Nothing is cut off at the side, no text is wider than what it stands in. Raises: OddPage."""
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        raise OddPage(f"{name}: {wide} pixels are beyond the right edge")
    cut = page.evaluate(
        "[...document.querySelectorAll('h1,h2,p,li,dd,dt,button,label')]"
        ".filter(e => e.checkVisibility() && !e.closest('.unseen')"
        " && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')"
        ".map(e => e.textContent.trim().slice(0, 40))"
    )
    if cut:
        raise OddPage(f"{name}: does not fit: {cut}")


class OddPage(Exception):
    """A page is not as it must be."""


def until(page: Page, script: str, within_ms: float, problem: str) -> None:
    """Asked again and again from outside: the page's own policy lets no script be made in it."""
    waited_ms = 0.0
    while not page.evaluate(script):
        must(waited_ms <= within_ms, problem)
        page.wait_for_timeout(EVERY_MS)
        waited_ms += EVERY_MS


def must(holds: object, problem: str) -> None:
    if not holds:
        raise OddPage(problem)


def take(page: Page, name: str, *, whole: bool = True) -> None:
    """One picture, the whole page high unless only the screen is asked for."""
    if whole:  # as high as the page, so that what sticks to the screen's edge stands at its end
        size = page.viewport_size
        assert size is not None
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
    keep(Image.open(BytesIO(page.screenshot())), PICTURES / f"{name}.png")


def keep(image: Image.Image, path: Path) -> None:
    """With the few colours that most of the page has: small, and every ground as it is."""
    plain = image.convert("RGB")
    pixels = plain.width * plain.height
    found: Any = sorted(plain.getcolors(pixels) or (), reverse=True)
    colours: list[tuple[int, int, int]] = []
    for count, colour in found:
        apart = APART_FLAT if count > FLAT * pixels else APART_EDGE
        if all(_difference(colour, other) > apart for other in colours):
            colours.append(colour)
        if len(colours) == MOST_COLOURS:
            break
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in colours for part in colour])
    small = plain.quantize(palette=palette, dither=Image.Dither.NONE)
    path.parent.mkdir(parents=True, exist_ok=True)
    small.save(path, optimize=True)


def _difference(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
