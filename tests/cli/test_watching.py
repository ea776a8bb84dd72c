"""Sentinel and guard as processes: they start whatever is down, say how they are, end cleanly."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from starlette.applications import Starlette

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.processes import free_port
from orchestrator.bootstrap import read_site
from orchestrator.cli.watching import announced, keep_on, local_url
from orchestrator.errors import ConfigError
from orchestrator.service.leases import GUARD, SENTINEL
from orchestrator.web.pages import serve
from tests.cli.conftest import WARD, Home
from tests.real.servers import Reply, web_server
from wards.practice.hospital import Hospital

LIMIT_S = 60.0

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Running:
    """One of our processes, and what it wrote on stderr."""

    process: subprocess.Popen[bytes]
    home: Path
    log: Path

    def address(self) -> str:
        """Where it is to be found, once it says so."""
        file = self.home / "run" / f"sentinel-{self.process.pid}.json"
        assert wait_until(file.exists, timeout_s=LIMIT_S), self.log.read_text()[-2000:]
        return json.loads(file.read_text())["address"]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(LIMIT_S)

    def imported(self) -> set[str]:
        """Every module that was imported, by the interpreter's own account."""
        lines = self.log.read_text(errors="replace").splitlines()
        return {line.rsplit("|", 1)[1].strip() for line in lines if line.startswith("import time:")}


@contextmanager
def running(home: Home, *words: str) -> Iterator[Running]:
    log = home.path / f"{words[0]}.log"
    command = (sys.executable, "-X", "importtime", "-m", "orchestrator.cli.main", *words)
    with log.open("wb") as out:
        process = subprocess.Popen((*command, "--home", str(home.path)), stderr=out)
    try:
        yield Running(process=process, home=home.path, log=log)
    finally:
        process.kill()
        process.wait()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def becomes(url: str, status: int) -> bool:
    return wait_until(lambda: get(url)[0] == status, timeout_s=LIMIT_S)


def leads(address: str) -> bool:
    """Whether the sentinel there comes to lead; the one before it may look alive for a while."""

    def is_active() -> bool:
        status, body = get(f"{address}/healthz")
        return status == 200 and json.loads(body)["active"]

    return wait_until(is_active, timeout_s=LIMIT_S)


def is_led_by(home: Home, name: str, pid: int) -> bool:
    leases = {one.name: one for one in home.installation.leases.all()}
    return name in leases and leases[name].holder.split("-")[-2] == str(pid)


@pytest.fixture
def ready(make_ready: Callable[..., Home]) -> Home:
    return make_ready()


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_sentinel_leads_shows_itself_and_ends_cleanly(
    make_ready: Callable[..., Home], taken_port: int
) -> None:
    ready = make_ready(sentinel_port=str(taken_port))
    with running(ready, "sentinel") as one:
        address = one.address()
        assert not address.endswith(f":{taken_port}")  # a taken port keeps nobody from watching
        assert leads(address), one.log.read_text()[-2000:]
        assert "wardshift_active 1.0" in get(f"{address}/metrics")[1]
        assert wait_until(
            lambda: json.loads(get(f"{address}/board")[1])["ledger_age_s"] is not None,
            timeout_s=LIMIT_S,
        )
        listed = ready.run("list", "--format", "json").json
        assert listed["seen_by"] == f"sentinel {one.process.pid}"
        assert listed["routes_read"] is True
        shown = ready.run("show", WARD, "--format", "json").json
        assert {row["gate"]: row["answer"] for row in shown["gates"]}["sentinel_alive"] == "open"
        assert get(f"{address}/board/nowhere-1")[0] == 404
        status, page = get(f"{address}/")
        assert status == 200
        assert f'id="ward-{WARD}"' in page
        assert one.stop() == 0
        assert list((ready.path / "run").iterdir()) == []
        assert not [name for name in one.imported() if name.split(".")[0] == "prefect"]


def test_without_ledger_and_prefect_both_start_and_watch(ready: Home) -> None:
    (ready.path / "ledger.sqlite").unlink()
    (ready.path / "ledger.sqlite").mkdir()
    with running(ready, "sentinel") as sentinel, running(ready, "guard", "--lease-s", "2") as guard:
        address = sentinel.address()
        assert becomes(f"{address}/healthz", 200), sentinel.log.read_text()[-2000:]
        assert json.loads(get(f"{address}/healthz")[1])["ledger_age_s"] is None
        assert wait_until(lambda: is_led_by(ready, GUARD, guard.process.pid), timeout_s=LIMIT_S), (
            guard.log.read_text()[-2000:]
        )
        assert (guard.stop(), sentinel.stop()) == (0, 0)
        for one in (guard, sentinel):
            assert not [name for name in one.imported() if name.split(".")[0] == "prefect"]


def test_a_sentinel_shows_what_a_return_may_come_to_need(ready: Home, hospital: Hospital) -> None:
    with running(ready, "sentinel") as sentinel, running(ready, "guard", "--lease-s", "2"):
        metrics = f"{sentinel.address()}/metrics"

        def shows(*lines: str) -> bool:
            page = get(metrics)[1].splitlines()
            return all(line in page for line in lines)

        well = (
            'wardshift_fence{state="stands"} 1.0',
            'wardshift_alive{process="guard"} 1.0',
            'wardshift_alive{process="sentinel"} 1.0',
            "wardshift_routes_read 1.0",
            "wardshift_journal_unwritten 0.0",
        )
        assert wait_until(lambda: shows(*well), timeout_s=LIMIT_S), get(metrics)[1]
        hospital.behave(refuse_routes=True)
        assert wait_until(lambda: shows("wardshift_routes_read 0.0"), timeout_s=LIMIT_S)


def post(url: str, body: object) -> int:
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_a_stop_at_the_bedside_reaches_the_pager_and_is_shown_until_it_is_in_hand(
    make_ready: Callable[..., Home],
) -> None:
    """The first try fails, and the process is ended before the next: the page is told all the
    same. Whoever has no pager set is told so at the start."""
    is_up = threading.Event()
    with web_server(lambda _: Reply(200 if is_up.is_set() else 503)) as server:
        ready = make_ready(pager=server.url)
        assert ready.run("stop-code", "nurse").code == 0  # else the form is closed
        with running(ready, "sentinel") as one:
            address = one.address()
            stop = {"ward": WARD, "role": "nurse", "code": "wrong"}
            assert wait_until(lambda: post(f"{address}/api/stop", stop) == 202, timeout_s=LIMIT_S)
            shown = "wardshift_reports_unanswered 1.0"
            assert wait_until(lambda: shown in get(f"{address}/metrics")[1], timeout_s=LIMIT_S)
            assert wait_until(lambda: bool(server.asked), timeout_s=LIMIT_S)
            one.process.terminate()
            assert wait_until(lambda: "process.stopped" in one.log.read_text(), timeout_s=LIMIT_S)
            tried = len(server.asked)
            is_up.set()
            assert one.process.wait(LIMIT_S) == 0
            assert "pager.unset" not in one.log.read_text()
        pages = [json.loads(asked.body)[0]["labels"] for asked in server.asked]
        assert {page["code"] for page in pages} == {"stop_unproven"}
        assert len(pages) > tried


def test_who_has_no_pager_is_told_so_once_at_the_start(ready: Home) -> None:
    with running(ready, "sentinel") as one, running(ready, "guard", "--lease-s", "2") as guard:
        assert leads(one.address())
        assert wait_until(lambda: is_led_by(ready, GUARD, guard.process.pid), timeout_s=LIMIT_S)
        for each in (one, guard):
            assert each.log.read_text(errors="replace").count('"pager.unset"') == 1


def test_a_second_sentinel_stands_by_healthy_and_takes_over(ready: Home) -> None:
    with running(ready, "sentinel") as first:
        assert leads(first.address())
        with running(ready, "sentinel") as second:
            address = second.address()
            assert becomes(f"{address}/healthz", 200)
            assert json.loads(get(f"{address}/healthz")[1])["active"] is False
            first.process.kill()
            assert wait_until(
                lambda: is_led_by(ready, SENTINEL, second.process.pid), timeout_s=LIMIT_S
            )


def test_a_sentinel_that_was_stopped_is_not_healthy_and_one_without_routes_says_so(
    ready: Home, hospital: Hospital
) -> None:
    with running(ready, "sentinel") as one:
        address = one.address()
        assert becomes(f"{address}/healthz", 200)
        os.kill(one.process.pid, signal.SIGSTOP)
        assert becomes(f"{address}/healthz", 0)
        os.kill(one.process.pid, signal.SIGCONT)
        assert becomes(f"{address}/healthz", 200)
        hospital.behave(refuse_routes=True)
        assert json.loads(get(f"{address}/board")[1])["routes_read"] is False
        assert wait_until(lambda: "OKÄNT" in get(f"{address}/now")[1], timeout_s=LIMIT_S)


def test_a_site_without_a_gateway_is_said(home: Home) -> None:
    site = home.path / "site.env"
    kept = [line for line in site.read_text().splitlines() if "GATEWAY_ADMIN" not in line]
    site.write_text("\n".join(kept))
    for verb in ("sentinel", "guard"):
        ran = home.run(verb)
        assert ran.code == 2
        assert "WARDSHIFT_GATEWAY_ADMIN" in ran.err


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signal handlers that a loop sets are put back."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_a_turn_that_fails_is_followed_by_the_next_until_sigterm() -> None:
    turns: list[int] = []

    def turn() -> None:
        turns.append(1)
        if len(turns) == 3:
            signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("a fault of ours")

    keep_on(turn, every_s=0.0, clock=SystemClock())
    assert len(turns) == 3


def test_the_pages_listen_on_this_machine_alone_unless_the_site_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WARDSHIFT_LISTEN_HOST", raising=False)
    assert str(read_site(tmp_path).listen_host) == "127.0.0.1"
    monkeypatch.setenv("WARDSHIFT_LISTEN_HOST", "0.0.0.0")
    assert read_site(tmp_path).listen_host.is_unspecified
    monkeypatch.setenv("WARDSHIFT_LISTEN_HOST", "everywhere")
    with pytest.raises(ConfigError, match="WARDSHIFT_LISTEN_HOST"):
        read_site(tmp_path)


def test_the_pages_listen_where_they_are_told_and_nowhere_else() -> None:
    port = free_port()
    server = serve(Starlette(), port, host="127.0.0.2")
    try:
        assert wait_until(lambda: server.started, timeout_s=LIMIT_S)
        assert get(f"http://127.0.0.2:{port}/")[0] == 404
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2)
    finally:
        server.should_exit = True


def test_a_disk_that_takes_no_more_keeps_nobody_from_watching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with announced(tmp_path, "guard", None):
        assert not list((tmp_path / "run").glob("*.json"))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9701"),
        ("0.0.0.0", "http://127.0.0.1:9701"),
        ("::", "http://[::1]:9701"),
        ("10.1.2.3", "http://10.1.2.3:9701"),
        ("fd00::7", "http://[fd00::7]:9701"),
    ],
)
def test_a_process_is_announced_where_this_machine_finds_it(host: str, url: str) -> None:
    assert local_url(ip_address(host), 9701) == url
