"""The ward board in every state and the stop form in every view, at a phone's and a desk's size."""

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from httpx2 import Response as Answer
from playwright.sync_api import Browser, Page, ViewportSize
from starlette.responses import Response

from tests.pictures.browser import (
    SIZES,
    SMALL_PHONE,
    WALL,
    Served,
    check_fits,
    take,
    until,
)
from tests.pictures.listing import ON_THE_WALL, picture
from tests.web.bedside import Bedside
from tests.web.shown import shown_plan
from tests.web.stage import Stage
from tests.web.states import STATES
from tests.web.views import VIEWS


def take_boards(browser: Browser, served: Served) -> None:
    """Every state of the board."""
    for name, state in STATES.items():
        with numbered(name):
            state.come(lambda one, name=name: _take_board(browser, served, one, name))


def _take_board(browser: Browser, served: Served, one: Stage, name: str) -> None:
    one.page()  # past what was kept for viewers
    served.app = one.client.app
    sizes = {**SIZES, "wall": WALL} if name in ON_THE_WALL else SIZES
    for label, size in sizes.items():
        with opened(browser, f"{served.url}/", size) as page:
            until(page, "document.getElementById('age').textContent", 10_000, "no script")
            check_fits(page, f"{name} {label}")
            take(page, picture("board", name, label), whole=label != "wall")


def take_forms(browser: Browser, served: Served) -> None:
    """Every view of the form and its receipts, as the door answered."""
    for name, view in VIEWS.items():
        with tempfile.TemporaryDirectory() as folder, numbered(name):
            answer = view.come(Bedside(Path(folder), shown_plan()))
        served.app = again(answer)
        for label, size in SIZES.items():
            with opened(browser, f"{served.url}/", size) as page:
                check_fits(page, f"{name} {label}")
                take(page, picture("stop", name, label))
        if name == "form":
            with opened(browser, f"{served.url}/", SMALL_PHONE) as page:
                take(page, picture("stop", name, "small"), whole=False)


@contextmanager
def opened(browser: Browser, url: str, size: ViewportSize) -> Iterator[Page]:
    page = browser.new_page(viewport=size, locale="sv-SE")
    page.goto(url)
    yield page
    page.close()


@contextmanager
def numbered(name: str) -> Iterator[None]:
    """The same numbers each time, so that a picture changes only when its page does."""
    process = SimpleNamespace(getpid=lambda: 4711)
    with (
        patch("orchestrator.service.stopping.secrets", random.Random(name)),
        patch("orchestrator.cli.sight.os", process),
    ):
        yield


def again(answer: Answer) -> Response:
    """What was answered, byte for byte and under its own policy."""
    kept = {"content-type", "content-security-policy"}
    headers = {name: value for name, value in answer.headers.items() if name.lower() in kept}
    return Response(answer.content, headers=headers)
