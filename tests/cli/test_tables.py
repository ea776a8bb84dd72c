"""Tables that can be read at any width: no ward's name and no command is ever broken."""

import pytest

from orchestrator.cli import output
from orchestrator.cli.look import list_wards, show
from orchestrator.core.event import HoldPlaced
from tests.cli.conftest import SECOND, WARD, Home

WIDTHS = (60, 80, 100, 160)
NEXT = (
    "find the cause; two of clinical_safety_officer, programme_lead: "
    "wardshift resume medicine-52 --role ROLE --reason TEXT"
)
COMMAND = "wardshift resume medicine-52 --role ROLE --reason TEXT"
COLUMNS = ("ward", "beds", "phase", "stage", "in the candidate", "verdict", "soak", "seq", "next")
ROWS = (
    (WARD, 24, "rolled_back", "notes", "-", "PASS", "0/3 shifts", 27, NEXT),
    ("intensive-care-and-burns-3", 8, "waiting", "-", "-", "-", "-", 0, "its turn"),
)


def look_at(monkeypatch: pytest.MonkeyPatch, width: int | None) -> None:
    """A screen of that width; None: nobody looks."""
    monkeypatch.setattr(output, "screen_width", lambda: width)


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    look_at(monkeypatch, request.param)
    return request.param


def test_names_and_commands_are_whole(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    output.show_table(f"one at noon\nFROZEN by {WARD}: slow; {NEXT}", COLUMNS, ROWS)
    out = capsys.readouterr().out
    assert out.count(COMMAND) == 2
    assert "intensive-care-and-burns-3" in out
    assert all(len(line) <= width for line in out.splitlines())
    assert all(name in out for name in COLUMNS)


def test_facts_about_one_thing_are_whole(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    output.show_table("one", ("", ""), (("ward", WARD), ("next", NEXT), ("hold", None)))
    out = capsys.readouterr().out
    assert COMMAND in out
    assert all(len(line) <= width for line in out.splitlines())


def test_a_narrow_screen_gets_a_block_for_each_ward(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at(monkeypatch, 60)
    output.show_table("one", COLUMNS, ROWS)
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("ward:")] == [
        f"ward:              {WARD}",
        "ward:              intensive-care-and-burns-3",
    ]


def test_a_command_longer_than_the_screen_stands_on_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at(monkeypatch, 40)
    output.show_table("one", COLUMNS, ROWS)
    assert f"  {COMMAND}" in capsys.readouterr().out.splitlines()


def test_where_nobody_looks_a_table_is_as_wide_as_its_content(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at(monkeypatch, None)
    output.show_table("one", COLUMNS, ROWS)
    assert NEXT in capsys.readouterr().out


def test_brackets_in_a_reason_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_table("one", ("a",), (("[red]no[/red] [1]",),))
    assert "[red]no[/red] [1]" in capsys.readouterr().out


@pytest.mark.parametrize("wide", WIDTHS)
def test_the_list_and_a_ward_can_be_read(
    home: Home,
    wide: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    look_at(monkeypatch, wide)
    home.happen(HoldPlaced(reason="short of staff tonight on this ward and its neighbours"))
    list_wards(home=home.path)
    out = capsys.readouterr().out
    assert WARD in out
    assert SECOND in out
    assert f"wardshift resume {WARD} --reason TEXT" in out
    show(WARD, home=home.path, quick=True)
    out = capsys.readouterr().out
    assert f"wardshift resume {WARD} --reason TEXT" in out
