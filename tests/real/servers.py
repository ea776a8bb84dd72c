"""Small servers on 127.0.0.1 that do to a client whatever a test wants, and end with it."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request as it came; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What to answer."""

    status: int = 200
    body: str | bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class WebServer:
    """A running server; what it was asked, and how it answers from now on.

    `gate`: while it is cleared, requests wait unanswered.
    """

    url: str
    answer: Callable[[Asked], Reply]
    asked: list[Asked] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """host:port."""
        return self.url.removeprefix("http://")


@contextmanager
def web_server(answer: Callable[[Asked], Reply]) -> Iterator[WebServer]:
    """Serve HTTP/1.1 with kept connections, a thread each."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.web = WebServer(url=f"http://127.0.0.1:{server.server_address[1]}", answer=answer)
    server.web.gate.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.web
    finally:
        server.web.gate.set()
        server.shutdown()
        thread.join()
        server.end_connections()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    request_queue_size = 128
    web: WebServer

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # pyright: ignore[reportArgumentType]
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def _serve(self) -> None:
        length = int(self.headers.get("content-length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, self.rfile.read(length))
        self.server.web.asked.append(asked)
        self.server.web.gate.wait(60)
        reply = self.server.web.answer(asked)
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        self.send_response(reply.status)
        for name, value in {**reply.headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the base class names them so

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Silent."""


@contextmanager
def raw_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Hand each connection to `talk` on a thread of its own, with an event that says "end"."""
    end = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.02)

        def one(connection: socket.socket) -> None:
            with closing(connection), suppress(OSError):
                talk(connection, end)

        def accept() -> None:
            while not end.is_set():
                with suppress(TimeoutError):
                    connection, _ = listener.accept()
                    connection.settimeout(30)
                    threads.append(threading.Thread(target=one, args=(connection,), daemon=True))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            end.set()
            acceptor.join()
            for thread in threads:
                thread.join()


@contextmanager
def losing_answers(target: str) -> Iterator[str]:
    """A way to a server on which every request arrives and every answer is lost."""
    host, _, port = target.removeprefix("http://").partition(":")

    def talk(connection: socket.socket, end: threading.Event) -> None:
        request = connection.recv(65536)
        head, _, body = request.partition(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if b"content-length" in line
            ),
            0,
        )
        while len(body) < length:
            more = connection.recv(65536)
            request, body = request + more, body + more
        with socket.create_connection((host, int(port)), timeout=10) as onward:
            onward.sendall(request)
            onward.recv(65536)  # answered, so it has had its effect

    with raw_server(talk) as url:
        yield url


def refused_url() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
