"""How a practice process listens, stops, and ends with the process that started it.

Invariant: a port that is taken ends the process at once with a code of its own, so that
the starter can choose another; it never serves on a port that nobody asked for.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

PORT_TAKEN = 98
GRACE_S = 1
KEEP_ALIVE_S = 75  # longer than any pool of ours keeps an idle connection


class PortTaken(Exception):
    """Somebody else listens there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One application on one listening socket."""

    app: ASGIApp
    listener: socket.socket


class _Server(uvicorn.Server):
    """A server among several of one loop: `serve` below handles the signals for all of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def common_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that every practice process has."""
    parser.add_argument("--clock", type=Path, required=True, help="clock file")
    parser.add_argument("--parent-pid", type=int, default=0, help="end when this process ends")


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1. Raises: PortTaken."""
    # With its protocol named, asyncio sends small answers at once; without, they wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise PortTaken(f"port {port} on 127.0.0.1 is taken") from error
    return listener


def health(process: str) -> dict[str, str | int]:
    """What a process says on /healthz; the id tells whoever started it that it is the one."""
    return {"status": "ok", "process": process, "pid": os.getpid()}


async def serve(sites: Sequence[Site]) -> None:
    """Serve until SIGTERM or SIGINT, then stop within `GRACE_S` seconds."""
    servers = [_Server(_config(site.app)) for site in sites]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, servers)
    await asyncio.gather(
        *(
            server.serve(sockets=[site.listener])
            for server, site in zip(servers, sites, strict=True)
        )
    )


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def _stop(servers: Sequence[uvicorn.Server]) -> None:
    for server in servers:
        server.should_exit = True
