"""What people and machines read: shapes, and what is shown when something does not answer."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from orchestrator.cli.schema import ready_ledger
from orchestrator.core.event import Actor, DrillDone, HoldPlaced
from orchestrator.core.ids import ActorKind
from orchestrator.errors import Corrupt, ExitCode, NoTables
from orchestrator.ledger import FileReplica, open_ledger
from tests.cli.conftest import PLAN, SECOND, WARD, Home, empty_ledger
from tests.cli.running import wardshift

ROW = {
    "ward", "beds", "phase", "stage", "in the candidate", "verdict", "soak", "epoch", "seq", "next",
}  # fmt: skip
ABOVE = {
    "programme", "plan_hash", "is_started", "at", "seen_by", "head", "frozen", "frozen_seq",
    "ledger_problem", "ledger_damaged", "events_remembered", "routes_read", "routes_kept_by",
}  # fmt: skip


def test_the_list_has_a_line_for_every_ward_in_order(home: Home) -> None:
    found = home.run("list", "--format", "json").json
    assert set(found) == ABOVE | {"wards"}
    assert [row["ward"] for row in found["wards"]] == [WARD, SECOND]
    assert all(set(row) == ROW | {"last drill"} for row in found["wards"])
    first, second = found["wards"]
    assert (first["phase"], first["stage"], first["soak"]) == ("at_stage", "shadow", "0/3 shifts")
    assert (second["phase"], second["stage"], second["soak"]) == ("waiting", "-", "-")
    assert WARD in second["next"]  # it waits for the first one
    assert found["head"] == 5


def test_the_last_drill_is_in_the_json_and_shown(home: Home) -> None:
    assert home.run("list", "--format", "json").json["wards"][0]["last drill"] is None
    home.happen(DrillDone(rounds=3, restore_s=0.02, prove_s=0.31, passed=True))
    first, second = home.run("list", "--format", "json").json["wards"]
    assert first["last drill"].pop("at")
    assert first["last drill"] == {
        "passed": True, "rounds": 3, "restore_s": 0.02, "prove_s": 0.31, "problem": "",
    }  # fmt: skip
    assert second["last drill"] is None
    shown = home.run("show", WARD, "--quick")
    assert "passed: 3 rounds, restored in 0.02 s, proven in 0.31 s" in shown.out
    home.happen(DrillDone(rounds=1, restore_s=2.5, prove_s=2.6, passed=False, problem="too slow"))
    assert "FAILED: too slow" in home.run("show", WARD, "--quick").out
    assert "FAILED" not in home.run("list").out  # the table has no room for it


def test_the_table_says_the_same_as_the_json(home: Home) -> None:
    ran = home.run("list")
    assert ran.code == ExitCode.DONE
    assert all(name in ran.out for name in (WARD, SECOND, "shadow", "0/3 shifts"))


def test_a_gateway_that_does_not_answer_is_said_and_nothing_is_claimed(home: Home) -> None:
    ran = home.run("list", "--format", "json")
    assert ran.code == ExitCode.DONE
    assert ran.json["routes_read"] is False
    assert ran.json["wards"][0]["in the candidate"].startswith("?")


def test_a_ward_is_shown_with_its_gates_signals_and_what_to_do(home: Home) -> None:
    found = home.run("show", WARD, "--format", "json", "--quick").json
    gates = {row["gate"]: row for row in found["gates"]}
    assert gates["soaked"]["answer"] == "closed"
    assert gates["approved"]["todo"].startswith(f"wardshift approve {WARD} notes --role")
    assert gates["not_frozen"]["answer"] == "open"
    assert [row["signal"] for row in found["signals"]] == ["legacy_ready"]
    assert (
        found["signals"][0] | {"value": 1.0, "limit": 1.0, "verdict": "PASS"} == found["signals"][0]
    )
    assert found["returned"] is None
    assert found["ward"]["downtime"].startswith("Red binder")


@pytest.mark.parametrize("more", [(), ("--quick",)], ids=["watched", "quick"])
def test_without_signs_of_life_a_gate_is_not_open(home: Home, more) -> None:
    found = home.run("show", WARD, "--format", "json", *more).json
    gates = {row["gate"]: row["answer"] for row in found["gates"]}
    assert gates["sentinel_alive"] == gates["guard_alive"] == "unknown"


def test_a_ward_that_waits_is_shown_with_what_it_waits_for(home: Home) -> None:
    found = home.run("show", SECOND, "--format", "json").json
    assert [row["gate"] for row in found["gates"]] == ["not_frozen", "ward_in_turn", "not_held"]


def test_history_tells_every_happening_in_words(home: Home) -> None:
    lines = home.run("history", WARD, "--format", "json").json
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["kind"] for line in lines][:2] == ["ProgrammeStarted", "WardStarted"]
    assert all(line["text"] and line["by"] == "flow:test" for line in lines)
    assert [
        line["seq"] for line in home.run("history", WARD, "--last", "2", "--format", "json").json
    ] == [4, 5]


def test_a_sentinel_that_starts_knows_what_this_machines_journals_hold(home: Home) -> None:
    before = home.installation.scribe(Actor(kind=ActorKind.PERSON, name="cso"))
    before.note(WARD, HoldPlaced(reason="look first"))
    follower = home.installation.follower(name="sentinel", every_s=1.0)
    assert follower.state().ward(WARD).held == "look first"


def test_with_the_ledger_down_the_local_copy_is_shown_and_said(home: Home) -> None:
    entries = home.installation.ledger.entries()
    FileReplica(home.path / "replica" / "sentinel.jsonl").extend(entries)
    (home.path / "ledger.sqlite").unlink()
    (home.path / "ledger.sqlite").mkdir()
    ran = home.run("show", WARD, "--format", "json", "--quick")
    assert ran.code == ExitCode.DONE
    assert ran.json["ledger_problem"]
    assert ran.json["events_remembered"] == len(entries)
    assert ran.json["ward"]["stage"] == "shadow"
    assert "this machine remembers" in "".join(home.run("show", WARD, "--quick").err.split("\n"))


def test_a_damaged_ledger_shows_what_this_machine_remembers_and_is_no_success(home: Home) -> None:
    entries = home.installation.ledger.entries()
    FileReplica(home.path / "replica" / "sentinel.jsonl").extend(entries)
    (home.path / "ledger.sqlite").write_bytes(b"this is no database" * 1000)
    shown = home.run("show", WARD, "--format", "json", "--quick")
    assert shown.code == ExitCode.CORRUPT
    assert (shown.json["ledger_damaged"], shown.json["ward"]["stage"]) == (True, "shadow")
    listed = home.run("list")
    assert listed.code == ExitCode.CORRUPT
    assert "cannot be trusted" in listed.err
    assert "shadow" in listed.out
    changed = home.run("hold", WARD, "--reason", "x", "--yes", "--expect-seq", "5")
    assert changed.code == ExitCode.CORRUPT


@pytest.mark.parametrize(
    "verb",
    [
        ("history", WARD),
        ("history", WARD, "--format", "json"),
        ("timeline", WARD, "--out", "OUT"),
        ("watch", "--times", "1"),
    ],
    ids=" ".join,
)
def test_whatever_looks_at_a_damaged_ledger_says_so(home: Home, verb: tuple[str, ...]) -> None:
    entries = home.installation.ledger.entries()
    FileReplica(home.path / "replica" / "sentinel.jsonl").extend(entries)
    (home.path / "ledger.sqlite").write_bytes(b"this is no database" * 1000)
    ran = home.run(*(one.replace("OUT", str(home.path / "way.svg")) for one in verb))
    assert ran.code == ExitCode.CORRUPT
    assert "cannot be trusted" in ran.err


@pytest.mark.parametrize(
    ("verb", "code", "says"),
    [
        (("list",), ExitCode.DONE, "5 events are missing from it"),
        (("history", WARD), ExitCode.DONE, "5 events are missing from it"),
        (("verify",), ExitCode.CORRUPT, "events 1 to 5 were seen here and are gone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_ledger_that_is_gone_is_not_taken_for_a_new_one(home: Home, verb, code, says) -> None:
    FileReplica(home.path / "replica" / "sentinel.jsonl").extend(home.installation.ledger.entries())
    for path in home.path.glob("ledger.sqlite*"):
        path.unlink()
    ran = home.run(*verb)
    assert (ran.code, says in ran.err) == (code, True), ran.err
    assert "wardshift run" not in ran.err


@pytest.mark.parametrize(
    "verb",
    [("run", "--yes"), ("hold", WARD, "--reason", "x", "--yes", "--expect-seq", "1")],
    ids=lambda verb: verb[0],
)
def test_nothing_new_is_made_in_place_of_a_ledger_that_is_gone(home: Home, verb) -> None:
    """What journals would bring into a new one is in no backup of the old one."""
    FileReplica(home.path / "replica" / "sentinel.jsonl").extend(home.installation.ledger.entries())
    for path in home.path.glob("ledger.sqlite*"):
        path.unlink()
    ran = home.run(*verb)
    assert ran.code == ExitCode.CORRUPT, ran.err
    assert "5 events are missing" in ran.err
    with pytest.raises(Corrupt, match="restore the ledger from its backup"):
        ready_ledger(home.installation.site)  # as `up` does
    with pytest.raises(NoTables):
        open_ledger(home.installation.site.ledger, timeout_s=5.0).head()


def test_a_copy_without_its_beginning_still_says_that_there_was_a_ledger(home: Home) -> None:
    copy = home.path / "replica" / "sentinel.jsonl"
    FileReplica(copy).extend(home.installation.ledger.entries())
    copy.write_bytes(b"rubbish\n" + copy.read_bytes().partition(b"\n")[2])
    for path in home.path.glob("ledger.sqlite*"):
        path.unlink()
    ran = home.run("verify")
    assert (ran.code, "5 events are missing" in ran.err) == (ExitCode.CORRUPT, True), ran.err


def test_a_ledger_that_lost_only_its_version_is_not_called_gone(home: Home) -> None:
    import sqlite3

    FileReplica(home.path / "replica" / "sentinel.jsonl").extend(home.installation.ledger.entries())
    with sqlite3.connect(home.path / "ledger.sqlite") as database:
        database.execute("DROP TABLE alembic_version")
    database.close()
    ran = home.run("verify")
    assert ran.code == ExitCode.USAGE
    assert "gone" not in ran.err


def test_what_is_only_journalled_is_shown_too(home: Home) -> None:
    from orchestrator.core.event import Actor, HoldPlaced
    from orchestrator.core.ids import ActorKind

    scribe = home.installation.scribe(Actor(kind=ActorKind.SENTINEL, name="test"))
    scribe.note(WARD, HoldPlaced(reason="only journalled"))
    lines = home.run("history", WARD, "--format", "json").json
    assert (lines[-1]["seq"], lines[-1]["kind"]) == (None, "HoldPlaced")
    assert (
        home.run("show", WARD, "--format", "json", "--quick").json["ward"]["on hold"]
        == "only journalled"
    )


def test_a_sound_record_is_verified(home: Home) -> None:
    found = home.run("verify", "--format", "json").json
    assert found | {"ok": True, "events": 5, "problem": None, "journal_pending": 0} == found


def test_a_changed_event_is_named(home: Home) -> None:
    import sqlite3

    with sqlite3.connect(home.path / "ledger.sqlite") as database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type='trigger'"):
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("UPDATE event SET body = replace(body, 'readiness', 'readinesS')")
    database.close()
    ran = home.run("verify")
    assert ran.code == ExitCode.CORRUPT
    assert "event 2" in ran.err


def test_a_removed_end_is_seen_by_the_local_copy(home: Home) -> None:
    FileReplica(home.path / "replica" / "sentinel.jsonl").extend(home.installation.ledger.entries())
    (home.path / "ledger.sqlite").write_bytes(empty_ledger())
    for leftover in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (home.path / leftover).unlink(missing_ok=True)
    ran = home.run("verify")
    assert ran.code == ExitCode.CORRUPT
    assert "are gone" in ran.err


def test_a_lost_ledger_is_not_taken_for_a_new_programme(home: Home) -> None:
    entries = home.installation.ledger.entries()
    FileReplica(home.path / "replica" / "sentinel.jsonl").extend(entries)
    (home.path / "ledger.sqlite").write_bytes(empty_ledger())
    for leftover in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (home.path / leftover).unlink(missing_ok=True)
    shown = home.run("show", WARD, "--quick", "--format", "json").json
    assert shown["ward"]["stage"] == "shadow"
    assert f"{len(entries)} events are missing" in shown["ledger_problem"]
    for words in (("run", "--yes"), ("hold", WARD, "--reason", "x", "--yes", "--expect-seq", "1")):
        ran = home.run(*words)
        assert ran.code == ExitCode.CORRUPT, ran.err
        assert "run nothing" in ran.err


def test_a_copy_that_cannot_be_read_proves_nothing(home: Home) -> None:
    (home.path / "replica").mkdir()
    (home.path / "replica" / "sentinel.jsonl").write_text("rubbish\n")
    ran = home.run("verify")
    assert "0 local copies agree" in ran.out
    assert "1 local copies hold nothing" in ran.out


def test_a_plan_is_checked_with_its_time_budget_in_parts(tmp_path: Path) -> None:
    found = wardshift("plan", "check", str(PLAN), "--format", "json", home=tmp_path).json
    slowest = found["budgets"][0]
    parts = [value for name, value in slowest.items() if name.endswith("_s") and name != "total_s"]
    assert slowest["total_s"] == pytest.approx(sum(parts))
    assert slowest["total_s"] <= found["max_harm_window_s"]
    assert found["lease_needed_s"] <= found["lease_s"]


def test_a_loosened_plan_is_said_to_be_looser(tmp_path: Path) -> None:
    looser = tmp_path / "looser.yaml"
    text = PLAN.read_text(encoding="utf-8").replace("at_most: 5", "at_most: 50")
    looser.write_text(text, encoding="utf-8")
    changes = wardshift(
        "plan", "diff", str(PLAN), str(looser), "--format", "json", home=tmp_path
    ).json
    assert [(one["where"], one["looser"]) for one in changes] == [
        ("signals.lockups.threshold.limit", True)
    ]


def test_the_timeline_is_written_where_it_was_asked_for(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "picture.svg"
    ran = home.run("timeline", WARD, "--out", str(out))
    assert (ran.code, ran.out.strip()) == (ExitCode.DONE, str(out))
    assert "Medicine 52" in out.read_text(encoding="utf-8")


def test_watch_looks_as_often_as_it_is_told(home: Home) -> None:
    assert home.run("watch", "--times", "2").out.count("practice at") == 2


class _Board(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


ASKED = {
    "fresh": ((200, {"ledger_age_s": 0.2, "seen_by": "sentinel"}), "sentinel"),
    "its ledger is old": ((200, {"ledger_age_s": 60, "seen_by": "sentinel"}), "command line"),
    "it never read the ledger": ((200, {"ledger_age_s": None}), "command line"),
    "it refuses": ((503, {"ledger_age_s": 0.2}), "command line"),
    "it talks nonsense": ((200, [1]), "command line"),
}


@pytest.mark.parametrize(("answer", "seen_by"), ASKED.values(), ids=ASKED.keys())
def test_a_sentinel_is_believed_only_while_it_sees_the_ledger(home: Home, answer, seen_by) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Board) as server:
        server.answer = answer  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        run = home.path / "run"
        run.mkdir()
        address = f"http://127.0.0.1:{server.server_port}"
        (run / "sentinel-1.json").write_text(json.dumps({"pid": 1, "address": address}))
        found = home.run("list", "--format", "json").json
        server.shutdown()
    assert found["seen_by"] == seen_by


def test_a_sentinel_that_is_gone_is_not_waited_for(home: Home) -> None:
    (home.path / "run").mkdir()
    (home.path / "run" / "sentinel-1.json").write_text(
        '{"pid": 1, "address": "http://127.0.0.1:1"}'
    )
    assert home.run("list", "--format", "json").json["seen_by"] == "command line"
