"""A person's way back whose terminal is closed, halted, full or gone: the ward returns."""

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.errors import ExitCode
from tests.cli.conftest import WARD, Home
from tests.cli.test_rollback import BACK, TOLD, is_home
from wards.practice.hospital import Hospital

STOP_ALL = ("stop", "--programme", "--role", "ward_head", "--reason", "wrong dose on screen")
COMMAND = (sys.executable, "-m", "orchestrator.cli.main")

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@contextmanager
def full_disk() -> Iterator[int]:
    sink = os.open("/dev/full", os.O_WRONLY)
    yield sink
    os.close(sink)


@contextmanager
def gone() -> Iterator[int]:
    """Its reader has ended."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def halted() -> Iterator[int]:
    """Its reader is there, and reads nothing more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"." * 1024)
    os.set_blocking(writer, True)
    yield writer
    os.close(writer)
    os.close(reader)


def ended(*words: str, home: Path, **streams: int) -> int:
    """The exit code of a command with those streams."""
    whole = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
    done = subprocess.run([*COMMAND, *words, "--home", str(home)], **whole, timeout=90, check=False)
    return done.returncode


def returned(home: Home) -> bool:
    """At home, and on record."""
    return is_home(home) and set(TOLD) <= {type(one) for one in home.events()}


@pytest.mark.parametrize("words", [BACK, STOP_ALL], ids=["rollback", "stop"])
@pytest.mark.parametrize(
    ("terminal", "streams"),
    [
        (full_disk, ("stderr",)),
        (full_disk, ("stdout", "stderr")),
        (gone, ("stderr",)),
        (gone, ("stdout", "stderr")),
        (halted, ("stderr",)),
    ],
)
def test_a_return_that_nobody_hears_of_is_made_all_the_same(
    exposed: Home, words: tuple[str, ...], terminal: Callable, streams: tuple[str, ...]
) -> None:
    """A sentence that could not be written ended the command before it had done anything; where
    the reader was gone with 0, which says proven."""
    with terminal() as sink:
        code = ended(*words, "--yes", home=exposed.path, **dict.fromkeys(streams, sink))
    assert returned(exposed)
    assert code == ExitCode.DONE


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", [BACK, STOP_ALL], ids=["rollback", "stop"])
def test_streams_that_were_closed_before_it_began_end_no_return(
    exposed: Home, words: tuple[str, ...], closed: str
) -> None:
    command = shlex.join([*COMMAND, *words, "--yes", "--home", str(exposed.path)])
    done = subprocess.run(["sh", "-c", f"exec {command} {closed}"], timeout=90, check=False)
    assert returned(exposed)
    assert done.returncode == ExitCode.DONE


def test_a_terminal_that_is_closed_meanwhile_ends_no_return(
    exposed: Home, hospital: Hospital, tmp_path: Path
) -> None:
    hospital.behave(refuse_routes=True)
    said = tmp_path / "said"
    with said.open("wb") as err:
        process = subprocess.Popen(
            [*COMMAND, *BACK, "--yes", "--home", str(exposed.path)], stderr=err
        )
    try:
        assert wait_until(lambda: "not written yet" in said.read_text(), timeout_s=30.0)
        process.send_signal(signal.SIGHUP)
        hospital.behave(refuse_routes=False)
        assert process.wait(timeout=30) == ExitCode.DONE
    finally:
        process.kill()
    assert returned(exposed)


@pytest.mark.parametrize("terminal", [full_disk, gone])
def test_a_wrong_word_is_never_taken_for_a_proven_return(exposed: Home, terminal: Callable) -> None:
    with terminal() as sink:
        code = ended("rollback", WARD, "--resaon", "x", "--yes", home=exposed.path, stderr=sink)
    assert code == ExitCode.USAGE
    assert not is_home(exposed)


@pytest.mark.parametrize("terminal", [full_disk, gone])
@pytest.mark.parametrize("words", [("list",), ("history", WARD), ("verify", "--format", "json")])
def test_a_result_that_did_not_arrive_is_not_called_done(
    home: Home, words: tuple[str, ...], terminal: Callable
) -> None:
    with terminal() as sink:
        assert ended(*words, home=home.path, stdout=sink) == ExitCode.UNKNOWN


def test_a_question_that_is_hung_up_on_is_not_answered(exposed: Home) -> None:
    """At the prompt the terminal goes away: nothing was confirmed."""
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, *BACK, "--home", str(exposed.path)],
        stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it is hung up on
    )  # fmt: skip
    os.close(terminal)
    heard = b""
    while b"Type " not in heard:
        heard += os.read(controller, 4096)
    os.close(controller)
    assert process.wait(timeout=60) == ExitCode.REFUSED
    assert not is_home(exposed)
