"""A door to the API server that can be told to misbehave; plain HTTP inside, TLS behind.

It forwards every header, the token with them, and streams watches through.
"""

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.real.kube_server import KubeServer

HOP = {"connection", "transfer-encoding", "content-length", "host"}


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    token: str


@dataclass
class KubeProxy:
    """The door. `lose`: how many of the next writes land without their answer coming back;
    `storm`: statuses for the next writes, which do not reach the server (both only where `only` is
    in the path, and never a write that is merely tried out); `always`: the status of every write;
    `cutting`: no watch stays open; `cut`: how many were cut; `expired`: tokens that are taken no
    more."""

    url: str = ""
    lose: int = 0
    storm: list[int] = field(default_factory=list[int])
    always: int | None = None
    only: str = ""
    cutting: bool = False
    cut: int = 0
    expired: set[str] = field(default_factory=set[str])
    delay_s: float = 0.0
    down: bool = False
    asked: list[Asked] = field(default_factory=list[Asked])
    on_write: Callable[[], None] | None = None
    _watches: set[Any] = field(default_factory=set[Any])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cut_watches(self) -> None:
        """Every watch that is open ends in the middle."""
        with self._lock:
            open_now = list(self._watches)
            self.cut += len(open_now)
        for connection in open_now:
            with suppress(OSError):
                connection.shutdown(2)

    def take_storm(self, path: str) -> int | None:
        """The status of this write, if there is a storm."""
        with self._lock:
            return self.storm.pop(0) if self.storm and self._is_meant(path) else self.always

    def take_loss(self, path: str) -> bool:
        """Whether the answer to this write is lost."""
        with self._lock:
            is_lost = self.lose > 0 and self._is_meant(path)
            self.lose -= is_lost
            return is_lost

    def _is_meant(self, path: str) -> bool:
        return self.only in path and "dryRun" not in path


@contextmanager
def kube_proxy(server: KubeServer) -> Iterator[KubeProxy]:
    """A door to a server, closed at the end."""
    proxy = KubeProxy()
    target = urlsplit(server.url)
    tls = ssl.create_default_context(cafile=str(server.ca_file))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            """Quiet."""

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            is_write = self.command in ("PUT", "POST", "PATCH", "DELETE")
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            token = token.removeprefix("bearer ")
            proxy.asked.append(Asked(self.command, self.path, token))
            if token in proxy.expired:
                self._send(401, {}, b'{"kind":"Status","message":"Unauthorized"}')
                return
            if proxy.down:
                self._send(503, {}, b'{"kind":"Status","message":"down"}')
                return
            if proxy.delay_s:
                threading.Event().wait(proxy.delay_s)
            if is_write and proxy.on_write is not None:
                proxy.on_write()
            status = proxy.take_storm(self.path) if is_write else None
            if status is not None:
                self._send(status, {}, b'{"kind":"Status","message":"storm"}')
                return
            with suppress(OSError, http.client.HTTPException):
                self._forward(body, is_write=is_write)

        def _forward(self, body: bytes, *, is_write: bool) -> None:
            behind = http.client.HTTPSConnection(
                target.hostname or "", target.port, timeout=60, context=tls
            )
            headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP}
            behind.request(self.command, self.path, body=body or None, headers=headers)
            answer = behind.getresponse()
            if "watch=True" in self.path or "watch=true" in self.path:
                self._stream(answer)
                return
            data = answer.read()
            behind.close()
            if is_write and proxy.take_loss(self.path):
                self.close_connection = True
                return
            self._send(answer.status, dict(answer.getheaders()), data)

        def _stream(self, answer: http.client.HTTPResponse) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with proxy._lock:
                proxy._watches.add(self.connection)
            if proxy.cutting:
                proxy.cut_watches()
            with suppress(OSError, http.client.HTTPException):
                while line := answer.readline():
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            with proxy._lock:
                proxy._watches.discard(self.connection)
            self.close_connection = True

        def _send(self, status: int, headers: dict[str, str], data: bytes) -> None:
            self.send_response(status)
            for key, value in headers.items():
                if key.lower() not in HOP | {"date", "server"}:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join(5)
