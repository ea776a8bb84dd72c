"""What only a browser can tell of the pages: they live without being loaded anew, they say when
they are old, they can be read and pressed. A check raises what is not as it must be."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as NotYet
from starlette.applications import Starlette

from orchestrator.core.receipt import Became
from orchestrator.web.board import OLD_AFTER_S, POLL_S
from orchestrator.web.stop import stop_routes
from orchestrator.web.stop_sv import SWEDISH
from tests.pictures.browser import (
    PHONE,
    SIZES,
    SMALL_PHONE,
    WALL,
    WIDE,
    OddPage,
    Served,
    must,
    take,
    until,
)
from tests.pictures.listing import OLD, picture
from tests.pictures.pages import numbered, opened
from tests.plans import FIRST, HEAD
from tests.stops import NURSE
from tests.web.bedside import Bedside
from tests.web.shown import shown_plan
from tests.web.stage import Stage
from tests.web.states import STATES
from tests.web.test_type_size import CAPITALS, COMFORT, DO, LEAST, least_px
from tests.web.test_type_size import HEAD as HEADINGS

SOON_MS = 1000.0 * (POLL_S * 2 + 3)
OLD_MS = 1000.0 * (OLD_AFTER_S + 3)
COVERED = "getComputedStyle(document.querySelector('.cover')).visibility === 'visible'"
TITLE = "document.querySelector('.card .title').textContent === {!r}"
STUCK = "window.fetch = () => new Promise(() => {}); window.setInterval = () => 0;"


def the_board_changes_without_being_loaded_anew(browser: Browser, served: Served) -> None:
    one = _exposed(served)
    with opened(browser, f"{served.url}/", WIDE) as page:
        page.evaluate("window.sameDocument = true")
        until(page, TITLE.format("I NYA SYSTEMET"), SOON_MS, "the board does not come")
        _warn(one)
        until(page, TITLE.format("NÄRA GRÄNSEN"), SOON_MS, "the board does not change")
        must(page.evaluate("window.sameDocument === true"), "the page was loaded anew")
        must("Var uppmärksam" in page.title(), "the window's title does not change")
        page.wait_for_timeout(OLD_MS)
        must(not page.evaluate(COVERED), "a living board covers itself")


def a_board_whose_sentinel_is_gone_says_so_and_mends(browser: Browser, served: Served) -> None:
    with numbered(OLD):
        _exposed(served).page()
        pages = {name: browser.new_page(viewport=size) for name, size in SIZES.items()}
        for page in pages.values():
            page.goto(f"{served.url}/")
            until(page, "document.getElementById('age').textContent", SOON_MS, "no script")
        served.end()
        for name, page in pages.items():
            until(page, COVERED, OLD_MS, "an old board does not say so")
            until(page, "document.title.startsWith('⚠')", SOON_MS, "its title does not say so")
            take(page, picture("board", OLD, name))
        served.begin()
        for page in pages.values():
            until(page, f"!({COVERED})", SOON_MS, "the board does not mend itself")
            page.close()


def a_board_whose_script_hangs_says_so_by_style_alone(browser: Browser, served: Served) -> None:
    _exposed(served)
    page = browser.new_page(viewport=PHONE)
    page.add_init_script(STUCK)
    page.goto(f"{served.url}/")
    must(not page.evaluate(COVERED), "a new board covers itself")
    until(page, COVERED, OLD_MS, "a board whose script hangs does not say so")
    page.close()


def a_board_without_scripts_loads_itself_anew(browser: Browser, served: Served) -> None:
    one = _exposed(served)
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto(f"{served.url}/")
    _warn(one)
    try:
        page.get_by_text("NÄRA GRÄNSEN", exact=True).wait_for(timeout=OLD_MS)
    except NotYet as error:
        raise OddPage("without scripts the board stays as it was") from error
    context.close()


def the_wall_is_read_from_three_metres(browser: Browser, served: Served) -> None:
    """With the fonts as they are computed; their capitals are at least as high as assumed."""
    _exposed(served)
    with opened(browser, f"{served.url}/", WALL) as page:
        for names, minutes in ((HEADINGS, COMFORT), (DO, LEAST)):
            for name in names:
                found = page.evaluate(
                    "n => [...document.querySelectorAll(n)]"
                    ".filter(e => n.startsWith('.small') || !e.closest('.small')).map(e => {"
                    " const s = getComputedStyle(e), c = document.createElement('canvas')"
                    ".getContext('2d'); c.font = `${s.fontWeight} ${s.fontSize} ${s.fontFamily}`;"
                    " return c.measureText('H').actualBoundingBoxAscent; })",
                    name,
                )
                least = least_px(minutes) * CAPITALS
                must(all(one >= least for one in found), f"{name}: {found} below {least:.1f}")


def a_stop_is_pressed_on_a_small_phone(browser: Browser, served: Served) -> None:
    """The button is on the first screen, covers no field that is typed in, and its receipt follows
    what becomes of the ward."""
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(browser, "about:blank", SMALL_PHONE) as page,
    ):
        at = Bedside(Path(folder), shown_plan())
        served.app = Starlette(routes=stop_routes(at.door()))
        page.goto(f"{served.url}/stop/{FIRST}")
        button = page.get_by_role("button", name=SWEDISH.stop)
        box = button.bounding_box()
        must(box is not None and box["y"] + box["height"] <= 640, "the button is off the screen")
        page.get_by_label(SWEDISH.role_name(NURSE)).check()
        for field, text in (("code", at.code[NURSE]), ("staff_code", "A12"), ("words", "fel")):
            page.focus(f"#{field}")
            page.keyboard.type(text)
            must(_is_clear_of(page, f"#{field}"), f"the button covers {field}")
        button.click()
        _shown(page, SWEDISH.told[Became.FROZEN].title)
        at.line.report(FIRST, HEAD)
        at.world.sentinels[0].turn()
        _shown(page, SWEDISH.told[Became.RETURNED].title)


CHECKS = (
    the_board_changes_without_being_loaded_anew,
    a_board_whose_sentinel_is_gone_says_so_and_mends,
    a_board_whose_script_hangs_says_so_by_style_alone,
    a_board_without_scripts_loads_itself_anew,
    the_wall_is_read_from_three_metres,
    a_stop_is_pressed_on_a_small_phone,
)


def _exposed(served: Served) -> Stage:
    found: list[Stage] = []
    STATES["exposed-pass"].come(found.append)
    served.app = found[0].client.app
    return found[0]


def _warn(one: Stage) -> None:
    one.reads(slow=1.5)
    one.tick(2)


def _is_clear_of(page: Page, field: str) -> bool:
    return page.evaluate(
        "f => document.querySelector(f).getBoundingClientRect().bottom"
        " <= document.querySelector('button').getBoundingClientRect().top",
        field,
    )


def _shown(page: Page, title: str) -> None:
    try:
        page.get_by_role("heading", name=title, exact=True).wait_for(timeout=SOON_MS)
    except NotYet as error:
        raise OddPage(f"the receipt does not come to say: {title}") from error
