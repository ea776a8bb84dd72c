"""The record under attack: other hands in the database, kills, hangs, bad files."""

import os
import re
import signal
import sqlite3
import subprocess
import sys

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from orchestrator.core import event as ev
from orchestrator.errors import ConfigError, Corrupt, Unavailable
from orchestrator.ledger import (
    FileReplica,
    drain,
    migrate,
    open_ledger,
    pending_in,
    unreadable_in,
    verify,
)
from orchestrator.ledger.lines import encode
from orchestrator.ledger.mapping import KINDS, body_of, draft_row, happening_from
from orchestrator.ledger.store import SqlLedger
from tests.core.test_state import SAMPLES
from tests.ledger.stage import held, url_of
from tests.postgres import server

pytestmark = pytest.mark.real
COLUMNS = (
    "id", "at", "ward", "actor_kind", "actor_name", "plan_hash", "code_version", "kind", "body",
    "prev_hash", "hash",
)  # fmt: skip
TRIGGERS = ("event_no_update", "event_no_delete", "event_in_order", "anchor_forward",
            "anchor_no_delete")  # fmt: skip


def filled(folder, count=6):
    url = f"sqlite:///{folder / 'ledger.sqlite'}"
    migrate(url)
    ledger = open_ledger(url, timeout_s=3.0)
    ledger.append([held(number) for number in range(count)])
    return ledger


def journal_in(folder, *lines):
    journal = folder / "journal"
    journal.mkdir()
    (journal / "one.jsonl").write_bytes(b"".join(lines))
    return journal


def test_a_journal_line_of_another_version_stays_and_the_others_are_drained(tmp_path):
    ledger = filled(tmp_path, 0)
    strange = encode({**draft_row(held(1)), "kind": "rollback_paused"})
    journal = journal_in(tmp_path, strange, encode(draft_row(held(2))))
    report = drain(journal, ledger)
    assert (report.settled, report.unreadable) == (1, 1)
    assert [line.number for line in unreadable_in(journal)] == [1]
    assert len(pending_in(journal)) == 0


def test_a_whole_last_line_that_was_changed_is_damage_and_not_a_torn_end(tmp_path):
    line = bytearray(encode(draft_row(held(1))))
    line[40] ^= 1
    assert len(unreadable_in(journal_in(tmp_path, bytes(line)))) == 1


def test_a_line_without_an_end_is_a_torn_end(tmp_path):
    journal = journal_in(tmp_path, encode(draft_row(held(1)))[:-5])
    assert unreadable_in(journal) == ()


def test_whoever_follows_notices_that_the_ledger_was_cut_back(tmp_path):
    ledger = filled(tmp_path)
    assert len(ledger.entries()) == 6
    by_hand(
        tmp_path,
        ("DELETE FROM event WHERE seq = 6",),
        ("UPDATE anchor SET seq = 5, hash = (SELECT hash FROM event WHERE seq = 5)",),
    )
    with pytest.raises(Corrupt, match="event 6"):
        ledger.entries(after=6)


def test_a_copy_that_says_something_else_is_a_copy_of_nothing(tmp_path):
    path = tmp_path / "copy.jsonl"
    path.write_bytes(encode({"kind": "ward_started"}))
    assert FileReplica(path).load() == ()


def by_hand(folder, *statements):
    """Somebody with rights on the file, who takes the guards away first."""
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        for name in TRIGGERS:
            connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        for statement, *values in statements:
            connection.execute(statement, values)
    connection.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET ward = 'x' WHERE seq = 1",
        "DELETE FROM event WHERE seq = 2",
        "UPDATE anchor SET seq = 1",
        "DELETE FROM anchor",
        "INSERT INTO event SELECT 9, 'z', at, ward, actor_kind, actor_name, plan_hash, "
        "code_version, kind, body, hash, prev_hash FROM event WHERE seq = 2",
    ],
)
def test_the_database_itself_refuses_change(kind, statement, tmp_path):
    with url_of(kind, tmp_path) as url:
        open_ledger(url, timeout_s=3.0).append([held(1), held(2)])
        if kind == "sqlite":
            with (
                pytest.raises(sqlite3.IntegrityError),
                sqlite3.connect(tmp_path / "ledger.sqlite") as connection,
            ):
                connection.execute(statement)
        else:
            with pytest.raises(psycopg.Error), psycopg.connect(url) as connection:
                connection.execute(statement)


@settings(max_examples=60)
@given(
    seq=st.integers(1, 6), column=st.sampled_from(COLUMNS), place=st.integers(0, 200),
    bit=st.integers(0, 6),
)  # fmt: skip
def test_a_single_flipped_bit_is_found_and_named(tmp_path_factory, seq, column, place, bit):
    folder = tmp_path_factory.mktemp("flip")
    ledger = filled(folder)
    row = next(one for one in ledger.rows() if one["seq"] == seq)
    data = bytearray(row[column].encode())
    data[place % len(data)] ^= 1 << bit
    changed = data.decode("utf-8", errors="replace")
    try:
        by_hand(folder, (f"UPDATE event SET {column} = ? WHERE seq = ?", changed, seq))
    except sqlite3.IntegrityError:
        return  # it would be the id of another event: the database refuses even without guards
    assert_named(seq, verify(ledger).problem)


def assert_named(seq, problem):
    """The problem speaks of that event and of no other."""
    assert re.findall(r"event (\d+)", problem or "") == [str(seq)], problem


@pytest.mark.parametrize("column", COLUMNS)
def test_a_single_flipped_bit_is_found_and_named_on_postgresql_too(column, tmp_path):
    with url_of("postgres", tmp_path) as url:
        ledger = open_ledger(url, timeout_s=3.0)
        ledger.append([held(number) for number in range(6)])
        row = next(one for one in ledger.rows() if one["seq"] == 4)
        changed = row[column][:-1] + chr(ord(row[column][-1]) ^ 64)
        with psycopg.connect(url) as connection:
            connection.execute("ALTER TABLE event DISABLE TRIGGER USER")
            connection.execute(
                sql.SQL("UPDATE event SET {} = %s WHERE seq = 4").format(sql.Identifier(column)),
                [changed],
            )
        assert_named(4, verify(ledger).problem)


class Growing(SqlLedger):
    """Somebody appends whenever all rows have just been read."""

    def rows(self, **bounds):
        yield from super().rows(**bounds)
        self.append([held(100 + self.head()), held(200 + self.head())])


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_is_appended_while_it_is_checked_is_no_removed_tail(kind, tmp_path):
    with url_of(kind, tmp_path) as url:
        growing = Growing(url, timeout_s=3.0)
        growing.append([held(1)])
        copies = ((growing.entries()) for _ in range(1))  # read when it is asked for
        checked = verify(growing, witnesses=copies)
        assert (checked.problem, checked.events) == (None, 3)
        assert verify(open_ledger(url, timeout_s=3.0)).events == 5


def test_a_removed_tail_is_found(tmp_path):
    ledger = filled(tmp_path)
    by_hand(tmp_path, ("DELETE FROM event WHERE seq > 4",))
    assert "5 to 6" in str(verify(ledger).problem)


def test_a_removed_tail_with_a_mended_anchor_is_found_by_a_witness(tmp_path):
    ledger = filled(tmp_path)
    replica = FileReplica(tmp_path / "replica.jsonl")
    replica.extend(ledger.entries())
    fourth = ledger.entries()[3].hash
    by_hand(
        tmp_path,
        ("DELETE FROM event WHERE seq > 4",),
        ("UPDATE anchor SET seq = 4, hash = ?", fourth),
    )
    assert verify(ledger).is_sound
    witness = FileReplica(tmp_path / "replica.jsonl").load()
    assert "5 to 6" in str(verify(ledger, witnesses=(witness,)).problem)


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        pytest.param([("DELETE FROM event WHERE seq = 3",)], "event 3", id="removed"),
        pytest.param(
            [("UPDATE event SET seq = 99 WHERE seq = 3",),
             ("UPDATE event SET seq = 3 WHERE seq = 4",),
             ("UPDATE event SET seq = 4 WHERE seq = 99",)],
            "event 3", id="a swapped pair",
        ),
        pytest.param(
            [("INSERT INTO event SELECT 7, 'z', at, ward, actor_kind, actor_name, plan_hash, "
              "code_version, kind, body, hash, substr(hash, 2) || 'f' FROM event WHERE seq = 6",)],
            "event 7", id="inserted",
        ),
    ],
)  # fmt: skip
def test_a_changed_order_is_found(statements, named, tmp_path):
    ledger = filled(tmp_path)
    by_hand(tmp_path, *statements)
    assert named in str(verify(ledger).problem)
    with pytest.raises(Corrupt):
        ledger.entries()


APPENDER = """
import sys
from orchestrator.ledger import open_ledger
from tests.ledger.stage import held
from dataclasses import replace
ledger = open_ledger(sys.argv[1], timeout_s=20.0)
for number in range(int(sys.argv[3])):
    (entry,) = ledger.append([replace(held(number), id=f"{sys.argv[2]}-{number}")])
    print(entry.draft.id, flush=True)
"""


def appender(url, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", APPENDER, url, name, str(count)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_four_processes_leave_one_whole_chain(kind, tmp_path):
    with url_of(kind, tmp_path) as url:
        workers = [appender(url, f"w{number}", 25) for number in range(4)]
        for worker in workers:
            worker.communicate(timeout=120)
        assert [worker.returncode for worker in workers] == [0] * 4
        checked = verify(open_ledger(url, timeout_s=3.0))
        assert (checked.events, checked.problem) == (100, None)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_kill_9_loses_nothing_that_was_acknowledged(kind, tmp_path):
    with url_of(kind, tmp_path) as url:
        told = []
        for attempt in range(3):
            worker = appender(url, f"k{attempt}", 1000)
            assert worker.stdout is not None
            told += [worker.stdout.readline().strip() for _ in range(7)]
            worker.kill()
            rest, _ = worker.communicate()
            told += rest.split()
        ledger = open_ledger(url, timeout_s=3.0)
        assert verify(ledger).is_sound
        assert set(told) <= {entry.draft.id for entry in ledger.entries()}


def test_a_hung_postgres_is_unavailable_and_comes_back(tmp_path):
    with url_of("postgres", tmp_path) as url:
        ledger = open_ledger(url, timeout_s=1.0)
        ledger.append([held(1)])
        pid = server().get_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable):
                ledger.append([held(2)])
        finally:
            os.kill(pid, signal.SIGCONT)
        ledger.append([held(3)])
        assert verify(ledger).is_sound


def test_no_ledger_there_yet_is_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match="schema is empty"):
        open_ledger(f"sqlite:///{tmp_path / 'none.sqlite'}", timeout_s=1.0).head()
    with pytest.raises(Unavailable):
        open_ledger(f"sqlite:///{tmp_path / 'no' / 'folder.sqlite'}", timeout_s=1.0).head()
    (tmp_path / "text.sqlite").write_text("this is no database, but it is long enough " * 50)
    with pytest.raises(Corrupt):
        open_ledger(f"sqlite:///{tmp_path / 'text.sqlite'}", timeout_s=1.0).head()
    with pytest.raises(ConfigError, match="mysql"):
        open_ledger("mysql://x/y", timeout_s=1.0)


def test_migrating_twice_and_at_once(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    code = f"from orchestrator.ledger import migrate; migrate({url!r})"
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0, 0]
    migrate(url)
    assert open_ledger(url, timeout_s=1.0).head() == 0


@pytest.mark.parametrize("happening", SAMPLES.values(), ids=lambda one: type(one).__name__)
def test_every_happening_reads_back_as_it_was(happening):
    kind = next(name for name, one in KINDS.items() if one is type(happening))
    assert happening_from(kind, body_of(happening)) == happening


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("unheard_of", "{}"),
        ("hold_placed", "{}"),
        ("hold_placed", '{"reason":"x","more":1}'),
        ("hold_placed", '{"reason": "x"}'),
        ("hold_placed", "[]"),
    ],
)
def test_a_body_that_is_not_as_written_is_refused(kind, body):
    with pytest.raises((ValueError, TypeError)):
        happening_from(kind, body)


def test_a_number_that_is_not_finite_cannot_be_written():
    nan = ev.Cause(trigger=ev.Trigger.BREACH, reason="x", value=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        body_of(ev.RollbackRepeated(cause=nan))
