"""The guard-memory port, on the fake and on a real disk with a guard's process that is killed."""

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.guard_memory import FileGuardMemory
from orchestrator.ports import GuardMemory, Remembered, Standstill
from tests.fakes import FakeGuardMemory

FILE = "memory.json"
FIRST = Remembered(holder="a", leases={"ward-1": Standstill(version="7", for_s=1.5)})
LATER = Remembered(holder="a", leases={"ward-1": Standstill(version="8", for_s=0.25)})
PROCESSES = multiprocessing.get_context("spawn")
Life = Callable[..., GuardMemory]


def _live_and_die(path: Path, words: tuple[Remembered, ...], is_kept: object) -> None:
    memory = FileGuardMemory(path)
    for known in words:
        memory.save(known)
    last = words[-1].leases["ward-1"].version if words else ""
    wait_until(lambda: not words or last in _text(path), timeout_s=60)
    is_kept.set()  # type: ignore[attr-defined]
    wait_until(lambda: False, timeout_s=60)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.fixture(params=["fake", "disk"])
def after(request: pytest.FixtureRequest, tmp_path: Path) -> Life:
    """The memory of a guard that is started after one that said this and was killed."""
    fake = FakeGuardMemory()

    def by_fake(*words: Remembered) -> GuardMemory:
        for known in words:
            fake.save(known)
        return fake

    def on_disk(*words: Remembered) -> GuardMemory:
        is_kept = PROCESSES.Event()
        path = tmp_path / FILE
        process = PROCESSES.Process(target=_live_and_die, args=(path, words, is_kept))
        process.start()
        assert is_kept.wait(60)
        process.kill()
        process.join(30)
        return FileGuardMemory(path)

    return by_fake if request.param == "fake" else on_disk


def test_who_comes_after_a_guard_that_was_killed_knows_what_it_knew_last(after: Life) -> None:
    assert after(FIRST, LATER).load() == LATER


def test_the_first_guard_of_all_knows_nothing(after: Life) -> None:
    assert after().load() is None


def test_beside_a_living_guard_another_one_remembers_nothing_and_takes_nothing(tmp_path: Path):
    first = FileGuardMemory(tmp_path / FILE)
    first.save(FIRST)
    assert wait_until(lambda: "ward-1" in _text(tmp_path / FILE), timeout_s=30)
    second = FileGuardMemory(tmp_path / FILE)
    assert second.load() is None
    second.save(LATER)
    assert first.load() == FIRST


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"holder": "a"}', '{"holder": "a", "leases": {"ward-1": ["7"]}}',
     '{"holder": "a", "leases": {"ward-1": ["7", "long"]}}',
     '{"holder": "a", "leases": {"ward-1": ["7", Infinity]}}',
     '{"holder": "a", "leases": {"ward-1": ["7", 1' + "0" * 400 + "]}}"],
)  # fmt: skip
def test_what_makes_no_sense_is_no_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert FileGuardMemory(tmp_path / FILE).load() is None


def test_a_time_from_the_future_counts_for_nothing(tmp_path: Path) -> None:
    raw = {"holder": "a", "leases": {"ward-1": ["7", -5.0]}}
    (tmp_path / FILE).write_text(json.dumps(raw))
    known = FileGuardMemory(tmp_path / FILE).load()
    assert known is not None
    assert known.leases["ward-1"].for_s == 0.0


def test_without_a_disk_a_guard_guards_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    memory = FileGuardMemory(tmp_path / "file" / FILE)
    memory.save(FIRST)
    assert memory.load() is None


def test_a_disk_that_hangs_holds_no_look_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    hangs, goes_on = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> None:
        hangs.set()
        goes_on.wait(30)

    monkeypatch.setattr(Path, "write_text", hang)
    memory = FileGuardMemory(tmp_path / FILE)
    memory.save(FIRST)
    assert hangs.wait(30)
    memory.save(LATER)  # returns while the first is being written
    assert not goes_on.is_set()
    goes_on.set()
