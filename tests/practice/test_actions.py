"""What may be done to the hospital, as JSON and in a schedule."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from wards.practice.actions import (
    Behave,
    ClearFaults,
    Handle,
    SetFaults,
    SetSpeed,
    action_from,
    schedule_from,
)

START = datetime(2026, 11, 24, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "action"),
    [
        (
            {"system": "legacy", "faults": {"latency_s": 1}},
            SetFaults(system="legacy", faults={"latency_s": 1}),
        ),
        ({"action": "clear"}, ClearFaults()),
        ({"action": "clear", "system": "candidate"}, ClearFaults(systems=("candidate",))),
        ({"gateway": {"status": "stale"}}, Behave(settings={"status": "stale"})),
        ({"speed": 60}, SetSpeed(rate=60.0)),
        ({"action": "hang", "process": "gateway"}, Handle(verb="hang", process="gateway")),
    ],
    ids=str,
)
def test_an_action_is_understood(raw: object, action: object) -> None:
    assert action_from(raw) == action


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {},
        {"system": "other", "faults": {}},
        {"speed": 0},
        {"speed": True},
        {"action": "explode", "process": "gateway"},
        {"action": "hang", "process": "sentinel"},
    ],
    ids=str,
)
def test_anything_else_is_refused(raw: object) -> None:
    with pytest.raises(ConfigError):
        action_from(raw)


def test_a_schedule_is_read_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(
        """
- {at: +2h30m, system: candidate, faults: {drop_text_rate: 0.5}}
- {at: "2026-11-24T06:15:00Z", action: outage, process: candidate}
- at: 2026-11-24T07:20:00+01:00
  speed: 10
""",
        encoding="utf-8",
    )
    assert schedule_from(path, starts_at=START) == (
        (START.replace(minute=15), Handle(verb="outage", process="candidate")),
        (START.replace(minute=20), SetSpeed(rate=10.0)),
        (
            START.replace(hour=8, minute=30),
            SetFaults(system="candidate", faults={"drop_text_rate": 0.5}),
        ),
    )


def test_every_wrong_entry_of_a_schedule_is_told(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(
        '[{"at": "+"}, {"at": "+1h", "speed": -1}, {"at": "2026-11-24T06:00:00", "speed": 1},'
        ' {"speed": 1}, {"at": "+1m", "speed": 1}]',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        schedule_from(path, starts_at=START)
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("text", ["{", "a: 1"], ids=["not-yaml", "not-a-list"])
def test_a_file_that_is_no_schedule_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        schedule_from(path, starts_at=START)


def test_a_schedule_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        schedule_from(tmp_path / "missing.yaml", starts_at=START)
