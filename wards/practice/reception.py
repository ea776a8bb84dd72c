"""Where other processes of this machine ask the hospital to do something: one small HTTP page.

Invariant: it answers on 127.0.0.1 only, and with a sentence, whatever was asked.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from orchestrator.errors import WardshiftError
from wards.practice.actions import Action, action_from


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, do: Callable[[Action], str], addresses: Callable[[], str]) -> None:
        super().__init__(("127.0.0.1", 0), _Desk)
        self.do = do
        self.addresses = addresses


class Reception:
    """A thread that takes actions as JSON (POST /do) and tells the addresses (GET /)."""

    def __init__(self, do: Callable[[Action], str], addresses: Callable[[], str]) -> None:
        self._server = _Server(do, addresses)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="practice-reception",
            daemon=True,
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Take no more actions."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Desk(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Tell the addresses."""
        self._say(200, self._hospital.addresses())

    def do_POST(self) -> None:
        """Do what is asked."""
        try:
            length = int(self.headers.get("content-length", "0"))
            sentence = self._hospital.do(action_from(json.loads(self.rfile.read(length))))
        except (WardshiftError, ValueError) as error:
            self._say(422, json.dumps({"problem": str(error)}))
        else:
            self._say(200, json.dumps({"done": sentence}))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing: what was done shows in the processes."""

    @property
    def _hospital(self) -> _Server:
        return cast(_Server, self.server)

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
