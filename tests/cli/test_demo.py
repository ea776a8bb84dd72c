"""The demonstration claims success only for the whole story. How it really goes: tests/e2e."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.clock import SystemClock
from orchestrator.cli.demo import play
from orchestrator.cli.demo.evidence import BreachObserver
from orchestrator.cli.output import Format
from orchestrator.errors import ExitCode, Unavailable
from wards.model import WardId

AT = "2027-03-08T17:00:00.000+00:00"
TOLD: dict[str, Any] = {
    "wards": [
        {"ward": "medicine-52", "outcome": "accepted"},
        {"ward": "surgery-31", "outcome": "rolled_back"},
        {"ward": "children-12", "outcome": "untouched"},
    ],
    "rollback": {
        "ward": "surgery-31",
        "trigger": "breach",
        "signal": "note_text_lost",
        "value": 3.0,
        "threshold": 0.0,
        "actor": "sentinel",
        "breach_visible_at": AT,
        "decided_at": AT,
        "restored_at": AT,
        "proven_at": AT,
        "epoch": 9,
    },
    "requests_to_candidate_after_proof": 0,
    "frozen": True,
    "ledger": "sqlite:///ledger.sqlite",
    "events": 70,
    "chain_ok": True,
    "timeline_svg": "timeline.svg",
    "prefect_ui": "http://127.0.0.1:1",
    "gateway_log": "gateway.jsonl",
    "wall_s": 100.0,
}
NOT_SO = {
    "first not accepted": lambda told: told["wards"][0].update(outcome="at_stage"),
    "second not back": lambda told: told["wards"][1].update(outcome="at_stage"),
    "third touched": lambda told: told["wards"][2].update(outcome="at_stage"),
    "no return": lambda told: told.update(rollback=None),
    "another hand": lambda told: told["rollback"].update(actor="person"),
    "another trigger": lambda told: told["rollback"].update(trigger="lease"),
    "breach not seen": lambda told: told["rollback"].update(breach_visible_at=None),
    "not restored": lambda told: told["rollback"].update(restored_at=None),
    "not proven": lambda told: told["rollback"].update(proven_at=None),
    "answered after the proof": lambda told: told.update(requests_to_candidate_after_proof=1),
    "nothing proven": lambda told: told.update(requests_to_candidate_after_proof=None),
    "not frozen": lambda told: told.update(frozen=False),
    "chain broken": lambda told: told.update(chain_ok=False),
}


class Everything:
    """What would run, and whether it was ended."""

    def __init__(self) -> None:
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> Everything:
    one = Everything()
    monkeypatch.setattr(play, "start_everything", lambda *_: one)
    return one


def run(
    monkeypatch: pytest.MonkeyPatch, home: Path, told: dict[str, Any], *, ended: bool = True
) -> int:
    monkeypatch.setattr(play, "_play", lambda *_: (ended, told))
    return play.demo(format=Format.JSON, home=home)


def test_the_whole_story_is_success_and_one_object(
    everything: Everything,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, tmp_path / "home", TOLD) == ExitCode.DONE
    said = capsys.readouterr()
    assert json.loads(said.out) == TOLD
    assert "What happened" in said.err
    assert everything.stopped


@pytest.mark.parametrize("change", NOT_SO.values(), ids=NOT_SO)
def test_a_story_that_did_not_happen_is_no_success_and_says_what_was_seen(
    everything: Everything,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Any,
) -> None:
    told = deepcopy(TOLD)
    change(told)
    assert run(monkeypatch, tmp_path / "home", told) == ExitCode.UNAVAILABLE
    said = capsys.readouterr()
    assert json.loads(said.out) == told
    assert "did NOT end as it should" in said.err
    assert everything.stopped


def test_a_story_that_did_not_end_in_time_is_no_success(
    everything: Everything, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run(monkeypatch, tmp_path / "home", TOLD, ended=False) == ExitCode.UNAVAILABLE
    assert everything.stopped


def test_a_folder_with_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a letter").write_text("not ours")
    with pytest.raises(Unavailable, match="holds other things"):
        play.demo(home=tmp_path)
    assert (tmp_path / "a letter").exists()


@pytest.mark.parametrize(
    ("visible_s", "unseen_s", "earliest_s"),
    [(-1, -2, -1), (0, -1, 0), (1, -1, -1), (None, -1, None)],
)
def test_a_breach_is_dated_no_later_than_its_decision(visible_s, unseen_s, earliest_s):
    """Else a return that was faster than our looks would have waited for nothing at all."""
    decided_at = datetime(2027, 3, 1, 9, tzinfo=UTC)

    def moment(seconds: int | None) -> datetime | None:
        return None if seconds is None else decided_at + timedelta(seconds=seconds)

    observer = BreachObserver("http://127.0.0.1:9", "lost", WardId("surgery-31"), SystemClock())
    observer.visible_at, observer.unseen_at = moment(visible_s), moment(unseen_s)
    assert observer.visible_by(decided_at) == moment(earliest_s)
