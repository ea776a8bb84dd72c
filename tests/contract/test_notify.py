"""Telling people: every page reaches every way that works; nobody waits for one that hangs."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orchestrator.adapters.notify import FanOut, FileNotifier, LogNotifier
from orchestrator.adapters.pager import pager
from orchestrator.ports import Notifier, Page
from tests.fakes import FakeNotifier
from tests.real.alertmanager_server import AlertmanagerServer, alertmanager_running
from wards.model import WardId

pytestmark = pytest.mark.timeout(60)
AMPLE_S = 30.0


def page(code: str = "legacy_not_ready") -> Page:
    return Page(
        ward=WardId("ava-1"),
        code=code,
        message="AVA 1 bör återgå, men det gamla systemet svarar inte.",
        next_action="Rutin för driftstopp: röda pärmen.",
    )


class Failing:
    def __init__(self) -> None:
        self.tried = 0

    def page(self, page: Page) -> None:
        self.tried += 1
        raise OSError("disk full")


class Hanging:
    def __init__(self) -> None:
        self.taken = threading.Event()
        self.go = threading.Event()

    def page(self, page: Page) -> None:
        self.taken.set()
        self.go.wait(60)


@dataclass(frozen=True)
class Kind:
    """A notifier, and a way to read which pages people have been told, by their codes."""

    notifier: Notifier
    codes: Callable[[], list[str]]


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertmanagerServer]:
    folder = tmp_path_factory.mktemp("alertmanager")
    with alertmanager_running(folder, "{route: {receiver: no}, receivers: [{name: no}]}") as server:
        yield server


def paged_through(server: AlertmanagerServer) -> Kind:
    """On-call's Alertmanager, with what it has been told since now."""
    old = {one["fingerprint"] for one in server.alerts()}
    fan_out = FanOut((pager(server.url, timeout_s=5.0, token_file=None),))

    def codes() -> list[str]:
        assert fan_out.close(timeout_s=AMPLE_S)
        new = [one for one in server.alerts() if one["fingerprint"] not in old]
        new.sort(key=lambda one: datetime.fromisoformat(one["startsAt"]))
        return [one["labels"]["code"] for one in new]

    return Kind(fan_out, codes)


@pytest.fixture(params=["fake", "real", pytest.param("alertmanager", marks=pytest.mark.real)])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """The fake, and what every process really pages with: a file, and the pager."""
    if request.param == "fake":
        fake = FakeNotifier()
        return Kind(fake, lambda: [page.code for page in fake.pages])
    if request.param == "alertmanager":
        return paged_through(request.getfixturevalue("alertmanager"))
    path = tmp_path / "pages.jsonl"
    fan_out = FanOut((LogNotifier(), FileNotifier(path)))

    def codes() -> list[str]:
        assert fan_out.close(timeout_s=AMPLE_S)
        return [json.loads(line)["code"] for line in path.read_text("utf-8").splitlines()]

    return Kind(fan_out, codes)


def test_each_page_is_told_once_and_in_order(kind: Kind) -> None:
    for number in range(20):
        kind.notifier.page(page(f"code_{number}"))
    assert kind.codes() == [f"code_{number}" for number in range(20)]


@pytest.mark.parametrize(
    "odd", ["", "\ud800", "\x00\n", "å" * 100_000], ids=["empty", "a surrogate", "controls", "long"]
)
def test_no_text_keeps_a_page_from_being_told(kind: Kind, odd: str) -> None:
    kind.notifier.page(replace(page("odd"), message=odd, next_action=odd))
    kind.notifier.page(page("next"))
    assert kind.codes() == ["odd", "next"]


def test_a_page_about_no_ward_is_told(kind: Kind) -> None:
    kind.notifier.page(replace(page("programme"), ward=None))
    assert kind.codes() == ["programme"]


def told(*notifiers: Notifier, pages: int = 1) -> bool:
    fan_out = FanOut(notifiers)
    for number in range(pages):
        fan_out.page(page(f"code_{number}"))
    return fan_out.close(timeout_s=AMPLE_S)


def test_every_page_reaches_every_way_in_order() -> None:
    one, other = FakeNotifier(), FakeNotifier()
    assert told(one, other, pages=20)
    assert [item.code for item in one.pages] == [f"code_{number}" for number in range(20)]
    assert one.pages == other.pages


def test_a_way_that_fails_is_tried_for_every_page_and_disturbs_no_other() -> None:
    failing, sound = Failing(), FakeNotifier()
    with capture_logs() as lines:
        assert told(failing, sound, pages=3)
    assert (failing.tried, len(sound.pages)) == (3, 3)
    assert [line["event"] for line in lines] == ["page.failed"] * 3


def test_a_way_that_hangs_delays_neither_the_caller_nor_the_others() -> None:
    """This would not come to its end if `page` waited."""
    hanging, sound = Hanging(), FakeNotifier()
    fan_out = FanOut((hanging, sound))
    for number in range(5):
        fan_out.page(page(f"code_{number}"))
    hanging.taken.wait(AMPLE_S)
    assert not fan_out.close(timeout_s=0.2)
    assert len(sound.pages) == 5
    hanging.go.set()


def test_pages_that_find_no_room_are_said_to_be_dropped() -> None:
    hanging = Hanging()
    fan_out = FanOut((hanging,), waiting=2)
    fan_out.page(page())
    hanging.taken.wait(AMPLE_S)
    with capture_logs() as lines:
        for _ in range(5):
            fan_out.page(page())
    assert [line["event"] for line in lines] == ["page.dropped"] * 3
    hanging.go.set()
    assert fan_out.close(timeout_s=AMPLE_S)


def test_what_was_handed_over_is_told_before_a_process_ends_and_it_may_go_on() -> None:
    hanging, sound = Hanging(), FakeNotifier()
    fan_out = FanOut((hanging, sound))
    fan_out.page(page("first"))
    hanging.taken.wait(AMPLE_S)
    assert not fan_out.settle(timeout_s=0.2)
    hanging.go.set()
    fan_out.page(page("second"))
    assert fan_out.settle(timeout_s=AMPLE_S)
    assert [item.code for item in sound.pages] == ["first", "second"]


def test_one_that_finds_no_room_is_not_settled() -> None:
    hanging = Hanging()
    fan_out = FanOut((hanging,), waiting=1)
    fan_out.page(page())
    hanging.taken.wait(AMPLE_S)
    fan_out.page(page())
    assert not fan_out.settle(timeout_s=0.2)
    hanging.go.set()


def test_a_page_in_the_log_is_an_error_that_says_what_to_do() -> None:
    with capture_logs() as lines:
        LogNotifier().page(page())
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("page.sent", "error")
    assert (line["ward"], line["code"]) == ("ava-1", "legacy_not_ready")
    assert line["next_action"] == page().next_action


def test_pages_are_appended_to_the_file_one_line_each(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pages.jsonl"
    FileNotifier(path).page(page("first"))
    FileNotifier(path).page(page("second"))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["code"] for line in lines] == ["first", "second"]
    assert lines[0]["message"] == page().message
    assert datetime.fromisoformat(lines[0]["at"]).tzinfo is not None
