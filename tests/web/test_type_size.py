"""What is so and what to do can be read from three metres; a phone needs no magnifying glass.

The rule: ISO 9241-303 (as 9241-3 before it, and NUREG-0700 1.3.1-4) wants capitals at least 16
minutes of arc high, 20 to 22 for comfort. At three metres that is 14.0 and 17.5 mm. Assumed: a
screen of 55 inches or more that is 1920 CSS pixels wide at 100 % zoom, so 0.634 mm a pixel; and
capitals of 0.70 of the font's size, the lowest of the fonts that the page asks for (Segoe UI;
Arial and Liberation Sans have 0.716).
"""

import re
from math import hypot, radians, tan

import pytest

from orchestrator.reports.board import board
from tests.reports.sights import sight
from tests.web.test_board import Looker, browser

DISTANCE_MM = 3000.0
DIAGONAL_MM = 55 * 25.4
WALL_PX, WALL_HIGH_PX = 1920, 1080
CAPITALS = 0.70
LEAST, COMFORT = 16.0, 20.0
# What is so: the summary, the clock, the ward and its words.
HEAD = ("h1", ".clock time", "h2", ".title", ".banner strong")
# Which side, what staff do, what is paused; and the heads of the wards that need nobody.
DO = (".staff", ".alarm .staff", ".chips", ".held", ".small .title", ".small h2", ".small .staff")
PHONE_PX, LEAST_ON_A_PHONE_PX = 360, 12.0


def least_px(minutes: float) -> float:
    """The font's size whose capitals are that high at three metres."""
    high_mm = DISTANCE_MM * tan(radians(minutes / 60))
    pixel_mm = DIAGONAL_MM / hypot(WALL_PX, WALL_HIGH_PX)
    return high_mm / pixel_mm / CAPITALS


def sizes(css: str, width_px: int) -> dict[str, float]:
    """Each selector's size in pixels on a screen that wide, the last rule that holds there."""
    css = re.sub(r"/\*.*?\*/", "", css)
    whole = r"@media \((min|max)-width: (\d+)rem\) \{((?:[^{}]*\{[^{}]*\})*)\s*\}"
    rules = re.sub(whole, "", css)
    for end, rem, inside in re.findall(whole, css):
        is_on = width_px >= int(rem) * 16 if end == "min" else width_px <= int(rem) * 16
        rules += inside if is_on else ""
    least, base, slope, most = map(
        float,
        re.findall(r"font-size: clamp\((\d+)px, calc\((\d+)px \+ ([\d.]+)vw\), (\d+)px\)", css)[0],
    )
    root = min(max(least, base + slope * width_px / 100), most)
    found = re.findall(r"([^{}]+)\{[^{}]*?font-size: ([\d.]+)rem", rules)
    return {name.strip(): float(rem) * root for names, rem in found for name in names.split(",")}


@pytest.fixture
def css() -> str:
    return browser(Looker(board(sight()))).get("/").text.split("<style")[1].split("</style>")[0]


@pytest.mark.parametrize(
    ("names", "minutes"), [(HEAD, COMFORT), (DO, LEAST)], ids=["what is so", "what to do"]
)
def test_a_wall_screen_can_be_read_from_three_metres(
    css: str, names: tuple[str, ...], minutes: float
) -> None:
    found = sizes(css, WALL_PX)
    for name in names:
        assert found[name] >= least_px(minutes), name


def test_nothing_on_a_phone_is_smaller_than_a_footnote(css: str) -> None:
    assert min(sizes(css, PHONE_PX).values()) >= LEAST_ON_A_PHONE_PX
