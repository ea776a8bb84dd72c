"""The journal's contract, on the fake and on disk; and what happens to its files."""

import errno
import os
import subprocess
import sys
import threading

import pytest

from orchestrator.errors import Unavailable
from orchestrator.ledger import (
    BoundedJournal,
    FileJournal,
    FileReplica,
    drain,
    pending_in,
    unreadable_in,
)
from orchestrator.ledger.lines import LineFile
from orchestrator.ledger.mapping import entry_row
from orchestrator.service.follow import Follower
from tests.fakes import FakeClock
from tests.fakes_ledger import FakeJournal, FakeLedger, HangingJournal
from tests.ledger.stage import held


@pytest.fixture(params=["fake", "file", "bounded"])
def journal(request, tmp_path):
    match request.param:
        case "fake":
            return FakeJournal()
        case "file":
            return FileJournal(tmp_path, "sentinel-1")
        case _:
            return BoundedJournal(FileJournal(tmp_path, "sentinel-1"), patience_s=30.0)


def put(journal, draft):
    """Write as often as it takes, each time once the writer that was left behind has ended."""
    while True:
        try:
            return journal.write(draft)
        except Unavailable:
            for thread in threading.enumerate():
                if thread.name == "journal":
                    thread.join(timeout=60.0)


def test_a_hung_disk_is_given_up_and_nothing_is_written_twice_once_it_is_back():
    first, second = held(1), held(2)
    with HangingJournal() as disk:
        journal = BoundedJournal(disk, patience_s=0.01)
        for one in (first, first, second):
            with pytest.raises(Unavailable, match="does not answer"):
                journal.write(one)
    for one in (first, second):
        put(journal, one)
    assert disk.pending() == (first, second)


def test_what_is_written_is_pending_until_it_is_settled(journal):
    drafts = [held(number) for number in range(3)]
    for one in drafts:
        journal.write(one)
    assert journal.pending() == tuple(drafts)
    journal.settle([drafts[0].id, drafts[2].id])
    journal.settle([drafts[0].id])
    assert journal.pending() == (drafts[1],)


def test_every_writers_file_is_drained_once(tmp_path):
    ledger = FakeLedger()
    first, second = FileJournal(tmp_path, "a"), FileJournal(tmp_path, "b")
    first.write(held(1))
    second.write(held(2))
    assert drain(tmp_path, ledger).settled == 2
    assert drain(tmp_path, ledger).settled == 0
    first.write(held(3))
    drain(tmp_path, ledger)
    assert len(ledger.kept()) == 3


def test_the_ledger_down_loses_nothing(tmp_path):
    ledger = FakeLedger()
    journal = FileJournal(tmp_path, "a")
    journal.write(held(1))
    ledger.down = True
    with pytest.raises(Unavailable):
        drain(tmp_path, ledger)
    ledger.down = False
    drain(tmp_path, ledger)
    assert len(ledger.kept()) == 1


def test_an_answer_lost_between_append_and_settle_drains_again_without_harm(tmp_path):
    ledger = FakeLedger()
    FileJournal(tmp_path, "a").write(held(1))
    ledger.lose_answer_next()
    with pytest.raises(Exception, match="unknown"):
        drain(tmp_path, ledger)
    assert drain(tmp_path, ledger).settled == 1
    assert len(ledger.kept()) == 1


def lines_of(folder):
    (path,) = folder.glob("*.jsonl")
    return path


def test_a_torn_last_line_costs_only_itself(tmp_path):
    journal = FileJournal(tmp_path, "a")
    kept = held(1)
    journal.write(kept)
    journal.write(held(2))
    path = lines_of(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert pending_in(tmp_path) == (kept,)
    assert unreadable_in(tmp_path) == ()


def test_a_damaged_line_in_the_middle_is_reported_and_its_neighbours_are_kept(tmp_path):
    journal = FileJournal(tmp_path, "a")
    drafts = [held(number) for number in range(3)]
    for one in drafts:
        journal.write(one)
    path = lines_of(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"reason 1")] ^= 1
    path.write_bytes(data)
    assert pending_in(tmp_path) == (drafts[0], drafts[2])
    assert [line.number for line in unreadable_in(tmp_path)] == [2]


def test_a_torn_line_that_could_not_be_cut_is_ended_before_the_next(tmp_path, monkeypatch):
    """A full disk writes a line in part, and refuses to cut it too; then there is room again."""
    journal = FileJournal(tmp_path, "a")
    drafts = [held(number) for number in range(3)]
    journal.write(drafts[0])
    real = os.write

    def part(fd, data):
        monkeypatch.setattr(os, "write", refuse)
        return real(fd, bytes(data)[:20])

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", part)
    monkeypatch.setattr(os, "ftruncate", refuse)
    for _ in range(2):  # the second time not even the torn line can be ended
        with pytest.raises(Unavailable, match="No space"):
            journal.write(drafts[1])
    monkeypatch.undo()
    for one in drafts[1:]:
        journal.write(one)
    assert pending_in(tmp_path) == tuple(drafts)
    assert [line.number for line in unreadable_in(tmp_path)] == [2]


FULL = """
import resource, signal, sys
from pathlib import Path
from orchestrator.errors import Unavailable
from orchestrator.ledger import FileJournal
from tests.ledger.stage import held
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = FileJournal(Path(sys.argv[1]), "a")
journal.write(held(0))
resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY))
written = 1
try:
    while True:
        journal.write(held(written))
        written += 1
except Unavailable as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.write(held(99))
    print(written + 1)
"""


def test_a_full_disk_is_unavailable_and_leaves_no_half_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert len(pending_in(tmp_path)) == int(done.stdout)
    assert unreadable_in(tmp_path) == ()


WRITER = """
import sys
from pathlib import Path
from orchestrator.ledger import FileJournal
from tests.ledger.stage import held
journal = FileJournal(Path(sys.argv[1]), "a")
for number in range(100000):
    draft = held(number)
    journal.write(draft)
    print(number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(50):
        process.stdout.readline()
    process.kill()
    rest, _ = process.communicate()
    acknowledged = 50 + len(rest.split())
    assert len(pending_in(tmp_path)) >= acknowledged


def test_a_replica_goes_on_after_a_restart_and_a_torn_end(tmp_path):
    ledger = FakeLedger()
    ledger.append([held(number) for number in range(5)])
    path = tmp_path / "replica.jsonl"
    FileReplica(path).extend(ledger.kept()[:3])
    path.write_bytes(path.read_bytes()[:-10])
    again = FileReplica(path)
    assert again.load() == ledger.kept()[:2]
    again.extend(ledger.kept()[2:])
    assert FileReplica(path).load() == ledger.kept()


class FullFor(FileReplica):
    """A disk that is full for some rounds."""

    refusals = 0

    def extend(self, entries):
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("journal", "No space left on device")
        super().extend(entries)


def test_a_disk_that_was_full_for_a_moment_leaves_no_gap_in_the_copy(tmp_path):
    path, ledger = tmp_path / "replica.jsonl", FakeLedger()
    replica = FullFor(path)
    follower = Follower(ledger, FakeClock(), replica=replica, drain=lambda: None, every_s=1.0)
    for number in range(6):
        ledger.append([held(number)])
        replica.refusals = 1 if number in (2, 3, 5) else 0
        assert follower.round()
        assert follower.state().head == number + 1
    assert FileReplica(path).load() == ledger.kept()[:5]
    assert follower.round()  # nothing new to read, and still something to copy
    assert FileReplica(path).load() == ledger.kept()


def test_a_copy_never_skips_over_what_it_was_not_offered(tmp_path):
    ledger = FakeLedger()
    ledger.append([held(number) for number in range(5)])
    replica = FileReplica(tmp_path / "replica.jsonl")
    replica.extend(ledger.kept()[:2])
    replica.extend(ledger.kept()[3:])
    replica.extend(ledger.kept()[2:])
    assert FileReplica(tmp_path / "replica.jsonl").load() == ledger.kept()


def test_a_copy_with_a_gap_heals_when_the_ledger_is_followed_again(tmp_path):
    """As an older version left it: lines behind the gap, and the missing ones after them."""
    path, ledger = tmp_path / "replica.jsonl", FakeLedger()
    ledger.append([held(number) for number in range(6)])
    kept = ledger.kept()
    LineFile(path).append([entry_row(one) for one in (*kept[:2], *kept[3:5])])
    replica = FileReplica(path)
    assert replica.load() == kept[:2]
    replica.extend(kept[2:])
    assert FileReplica(path).load() == kept
