"""Many at the sentinel's door who say nothing, or look all at once, keep nobody else out."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.web import connections
from orchestrator.web.board import Shared
from tests.web.door import CLOCK, Door, door_open, message

pytestmark = pytest.mark.real
MOST_OPEN = 128
CROWD = 4 * MOST_OPEN
HALF_A_HEAD = b"POST /alerts HTTP/1.1\r\nHost: x\r\n"


@contextmanager
def crowd(door: Door, said: bytes) -> Iterator[list[socket.socket]]:
    with ExitStack() as held:
        made: list[socket.socket] = []
        for _ in range(CROWD):
            one = held.enter_context(socket.create_connection(("127.0.0.1", door.port), timeout=10))
            one.sendall(said)
            made.append(one)
        yield made


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("said", [b"", HALF_A_HEAD])
def test_a_crowd_that_says_nothing_holds_no_alert_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connections, "MOST_OPEN", MOST_OPEN)
    with door_open(tmp_path) as door:
        before = open_files()
        with crowd(door, said):
            # The crowd's own ends are files of this process too.
            assert wait_until(
                lambda: open_files() <= before + CROWD + MOST_OPEN + 8, timeout_s=10
            ), open_files() - before - CROWD
            assert door.post(message())[0] == 200
            assert not door.is_exposed()


def test_half_a_head_is_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 0.3)
    with door_open(tmp_path) as door:
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as one:
            one.sendall(HALF_A_HEAD)
            assert _ends(one)
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as one:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one.recv(65536).startswith(b"HTTP/1.1 200")
            one.sendall(HALF_A_HEAD)
            assert _ends(one)


def _ends(one: socket.socket) -> bool:
    """The other side hangs up, whatever it had still to say."""
    try:
        while one.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def test_whoever_waits_for_a_slow_look_shares_it() -> None:
    """While the API server hangs a look takes seconds; a wall of boards must not queue for one
    each, and leave no thread for the stop form."""
    looks: list[int] = []

    def look() -> object:
        looks.append(1)
        CLOCK.sleep(1.0)
        return object()

    shared = Shared(look, CLOCK)  # type: ignore[arg-type]
    with ThreadPoolExecutor(20) as viewers:
        seen = [viewers.submit(shared.get) for _ in range(20)]
        ages = [one.result()[1] for one in seen]
    assert len(looks) <= 2
    assert max(ages) < 3.0
