import ast
import errno
import io
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import logs
from orchestrator.core.text import DROPPED
from orchestrator.logs import Outlet, drop_identifiers

# Synthetic on purpose: the shape of Swedish identity numbers, with dates that never were.
dates = st.tuples(st.integers(1900, 2099), st.integers(1, 12), st.integers(1, 91))
tails = st.from_regex(r"[0-9A-Z][0-9]{2}[0-9A-Z]", fullmatch=True)
signs = st.sampled_from(["", "-", "+"])


def shaped(date, sign, tail, *, short):
    year, month, day = date
    text = f"{year:04}{month:02}{day:02}"
    return f"{text[2:] if short else text}{sign}{tail}"


@given(
    dates, signs, tails, st.booleans(), st.sampled_from(["patient {}", "{}", "[{}] read", "x {}."])
)
def test_what_looks_like_an_identity_number_does_not_pass(date, sign, tail, short, around):
    number = shaped(date, sign, tail, short=short)
    line = drop_identifiers(None, "info", {"event": "note.read", "detail": around.format(number)})
    assert number not in line["detail"]
    assert DROPPED in line["detail"]


@given(dates, tails)
def test_nested_values_are_cleaned_too(date, tail):
    number = shaped(date, "-", tail, short=False)
    line = drop_identifiers(None, "info", {"event": "x", "found": [{"who": (number,)}]})
    assert number not in str(line)


def test_ordinary_values_stay():
    line = {"event": "tick.finished", "ward": "medicine-52", "took_s": 0.12, "epoch": 7}
    assert drop_identifiers(None, "info", dict(line)) == line


@pytest.fixture
def said(monkeypatch) -> Iterator[Callable[..., list[dict]]]:
    """What is written of three lines by a process that was configured so."""
    before = structlog.get_config()

    def configured(asked: str, **ours) -> list[dict]:
        out = io.StringIO()
        monkeypatch.setattr(sys, "stderr", out)
        monkeypatch.setenv("WARDSHIFT_LOG_LEVEL", asked)
        logs.configure("sentinel", **ours)
        log = structlog.get_logger()
        for speak in (log.debug, log.info, log.warning):
            speak("something.done")
        assert logs.outlet.drain(within_s=60)
        return [json.loads(line) for line in out.getvalue().splitlines()]

    yield configured
    structlog.contextvars.clear_contextvars()
    structlog.configure(**before)


@pytest.mark.parametrize(
    ("asked", "ours", "levels"),
    [
        ("", {}, ["info", "warning"]),
        ("debug", {}, ["debug", "info", "warning"]),
        ("DEBUG", {"level": "WARNING"}, ["debug", "info", "warning"]),
        ("ERROR", {}, []),
    ],
)
def test_a_process_says_as_much_as_the_environment_asks(said, asked, ours, levels):
    assert [line["level"] for line in said(asked, **ours)] == levels


def test_a_level_that_is_none_stops_no_process_and_is_told(said):
    told, *others = said("loud")
    assert (told["event"], told["asked"], told["used"]) == ("log.level_unknown", "LOUD", "INFO")
    assert [line["level"] for line in others] == ["info", "warning"]


class Stuck(io.TextIOBase):
    """A stream whose reader has stopped reading."""

    def __init__(self):
        self.go_on = threading.Event()
        self.text = ""

    def write(self, text):
        self.go_on.wait()
        self.text += text
        return len(text)


class Broken(io.TextIOBase):
    def write(self, _text):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_reader_that_stopped_reading_holds_nobody_up(monkeypatch):
    stuck = Stuck()
    monkeypatch.setattr(sys, "stderr", stuck)
    outlet = Outlet(most=3)
    for number in range(10):
        outlet.msg(f"line {number}")
    assert not outlet.drain(within_s=0.01)
    assert outlet.dropped >= 10 - 3 - 1
    stuck.go_on.set()
    assert outlet.drain(within_s=60)
    assert stuck.text.startswith("line 0\n")
    assert '"log.dropped"' in stuck.text


@pytest.mark.parametrize("trouble", [Broken, "closed"])
def test_a_stream_that_cannot_be_written_stops_nobody(monkeypatch, trouble):
    bad = io.StringIO()
    bad.close()
    monkeypatch.setattr(sys, "stderr", bad if trouble == "closed" else trouble())
    outlet = Outlet()
    outlet.msg("lost")
    assert outlet.drain(within_s=60)
    good = io.StringIO()
    monkeypatch.setattr(sys, "stderr", good)
    outlet.msg("kept")
    assert outlet.drain(within_s=60)
    assert good.getvalue() == "kept\n"


def events_in_code():
    """The first argument of every call of a log's methods: static, or None."""
    root = Path(__file__).parents[2]
    for path in (*root.glob("orchestrator/**/*.py"), *root.glob("flows/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=[event, *_]
                ) if level != "bind":
                    yield path.name, event.value if isinstance(event, ast.Constant) else None


def test_every_event_has_a_static_name_and_a_line_in_the_reference():
    used = list(events_in_code())
    assert all(name is not None for _, name in used), used
    text = (Path(__file__).parents[2] / "docs/reference/events.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", text, re.MULTILINE))
    assert told == {name for _, name in used} | {"log.dropped"}
