"""An exchange ends in time, is whole or none, and knows whether anything was sent."""

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest

from orchestrator.adapters.http import Answer, Failure, Http, Trouble
from orchestrator.errors import Indeterminate, Unavailable
from tests.real.servers import Reply, raw_server, refused_url, web_server

pytestmark = pytest.mark.timeout(60)
SHORT_S = 0.3
AMPLE_S = 20.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"

Talk = Callable[[socket.socket, threading.Event], None]


def drip(start: bytes, drop: bytes) -> Talk:
    """Answer with `start`, then one drop after another for ever."""

    def talk(connection: socket.socket, end: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(start)
        while not end.wait(0.02):
            connection.sendall(drop)

    return talk


def silence(connection: socket.socket, end: threading.Event) -> None:
    end.wait(60)


def hang_up(connection: socket.socket, end: threading.Event) -> None:
    connection.recv(65536)


def cut_short(connection: socket.socket, end: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(HEAD + b"half")


def not_http(connection: socket.socket, end: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"SSH-2.0-practice\r\n")


BROKEN: dict[str, tuple[Talk, float]] = {
    "headers_drip": (drip(b"HTTP/1.1 200 OK\r\nx: ", b"a"), SHORT_S),
    "body_drips": (drip(HEAD, b"a"), SHORT_S),
    "silent": (silence, SHORT_S),
    "hangs_up": (hang_up, AMPLE_S),
    "cut_short": (cut_short, AMPLE_S),
    "not_http": (not_http, AMPLE_S),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_was_sent_and_not_answered_whole_is_unanswered(name: str) -> None:
    talk, timeout_s = BROKEN[name]
    with raw_server(talk) as url, Http("port", timeout_s=timeout_s) as http:
        answer = http.ask("PUT", url, json={})
        assert isinstance(answer, Failure)
        assert answer.trouble is Trouble.UNANSWERED
        with pytest.raises(Indeterminate):
            http.write("PUT", url, json={})
        with pytest.raises(Unavailable):
            http.read("GET", url)


def test_refused_connection_is_not_sent_and_may_be_tried_again() -> None:
    with Http("port", timeout_s=AMPLE_S) as http:
        answer = http.ask("PUT", refused_url(), json={})
        assert isinstance(answer, Failure)
        assert answer.trouble is Trouble.NOT_SENT
        with pytest.raises(Unavailable):
            http.write("PUT", refused_url(), json={})


@pytest.mark.parametrize("url", ["http://[", "http://name.invalid:1/"], ids=["no_url", "no_name"])
def test_an_address_that_leads_nowhere_is_our_own_trouble(url: str) -> None:
    with Http("port", timeout_s=AMPLE_S) as http:
        answer = http.ask("GET", url)
        assert isinstance(answer, Failure)
        assert answer.trouble is Trouble.OURS


def test_no_descriptors_left_is_our_own_trouble() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with web_server(lambda _: Reply()) as server, Http("port", timeout_s=AMPLE_S) as http:
        kept: list[socket.socket] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
        try:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(socket.socket())
            answer = http.ask("GET", server.url)
        finally:
            for one in kept:
                one.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(answer, Failure)
    assert answer.trouble is Trouble.OURS


def test_an_answer_that_is_too_large_is_none() -> None:
    with (
        web_server(lambda _: Reply(body=b"x" * 2000)) as server,
        Http("port", timeout_s=AMPLE_S, largest_body=1999) as http,
    ):
        assert isinstance(http.ask("GET", server.url), Failure)
    with (
        web_server(lambda _: Reply(body=b"x" * 2000)) as server,
        Http("port", timeout_s=AMPLE_S, largest_body=2000) as http,
    ):
        assert isinstance(http.ask("GET", server.url), Answer)


@pytest.mark.parametrize("status", [204, 301, 404, 500, 503])
def test_every_status_is_an_answer_and_no_redirect_is_followed(status: int) -> None:
    with (
        web_server(lambda _: Reply(status=status, headers={"Location": "/elsewhere"})) as server,
        Http("port", timeout_s=AMPLE_S) as http,
    ):
        answer = http.read("GET", server.url)
        assert answer.status == status
        assert answer.is_good is (status == 204)
        assert [asked.path for asked in server.asked] == ["/"]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, refused_url())
    with (
        web_server(lambda _: Reply(body=b"direct")) as server,
        Http("port", timeout_s=AMPLE_S) as http,
    ):
        assert http.read("GET", server.url).body == b"direct"


def test_a_kept_connection_that_the_server_ended_meanwhile_is_opened_anew() -> None:
    ended = threading.Event()

    def once(connection: socket.socket, end: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        connection.shutdown(socket.SHUT_WR)
        ended.set()
        connection.recv(1)  # until the other side has closed as well

    with raw_server(once) as url, Http("port", timeout_s=AMPLE_S) as http:
        for _ in range(3):
            ended.clear()
            assert http.write("PUT", url).body == b"ok"
            ended.wait(AMPLE_S)


NO_JSON = {
    "not_a_number": b'{"a": NaN}',
    "html": b"<html>",
    "empty": b"",
    "not_text": b"\xff\xfe\xfa",
    "nested_too_deeply": b"[" * 100_000,
}


@pytest.mark.parametrize("name", NO_JSON)
def test_what_is_not_json_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError):
        Answer(status=200, headers={}, body=NO_JSON[name]).json()


def test_two_exchanges_at_once_have_deadlines_of_their_own() -> None:
    """The short one ends while the long one still waits, and the long one is answered."""
    long: list[Answer | Failure] = []
    with (
        web_server(lambda asked: Reply(body=asked.path)) as server,
        Http("port", timeout_s=600.0) as http,
    ):
        server.gate.clear()
        waiting = threading.Thread(
            target=lambda: long.append(http.ask("GET", f"{server.url}/long"))
        )
        waiting.start()
        short = http.ask("GET", f"{server.url}/short", within_s=SHORT_S)
        assert isinstance(short, Failure)
        assert waiting.is_alive()
        server.gate.set()
        waiting.join()
    (answer,) = long
    assert isinstance(answer, Answer)
    assert answer.body == b"/long"
