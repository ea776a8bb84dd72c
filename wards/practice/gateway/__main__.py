"""Run the practice gateway: `python -m wards.practice.gateway --port N --admin-port M ...`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from socket import socket

import structlog

from orchestrator.adapters.clock import PracticeClock
from wards.practice import logs
from wards.practice.gateway.admin import Admin
from wards.practice.gateway.backend import Backend
from wards.practice.gateway.control import Control
from wards.practice.gateway.dataplane import DataPlane
from wards.practice.gateway.requestlog import RequestLog
from wards.practice.serving import (
    PORT_TAKEN,
    PortTaken,
    Site,
    common_arguments,
    listen,
    serve,
    tie_to_parent,
)
from wards.practice.wire import CANDIDATE, LEGACY

log = structlog.get_logger()


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="wards.practice.gateway", description=__doc__)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--port", type=int, help="of the first replica; the others follow")
    data.add_argument("--ports", type=int, nargs="+", help="one for each replica")
    parser.add_argument("--replicas", type=int, default=1, help="with --port: how many")
    parser.add_argument("--admin-port", type=int, required=True)
    parser.add_argument("--legacy", required=True, help="address of the legacy EHR")
    parser.add_argument("--candidate", required=True, help="address of the candidate EHR")
    parser.add_argument("--state", type=Path, required=True, help="routes and leases, kept")
    parser.add_argument("--log", type=Path, required=True, help="one line a request")
    parser.add_argument("--backend-timeout-s", type=float, default=10.0)
    common_arguments(parser)
    return parser.parse_args()


def main() -> int:
    """Serve until told to stop."""
    args = arguments()
    tie_to_parent(args.parent_pid)
    logs.configure("gateway")
    ports = args.ports or [args.port + number for number in range(args.replicas)]
    try:
        listeners = [listen(port) for port in (args.admin_port, *ports)]
    except PortTaken as taken:
        log.warning("port.taken", problem=str(taken))
        return PORT_TAKEN
    log.info("gateway.started", ports=ports, admin_port=args.admin_port)
    asyncio.run(run(args, listeners))
    log.info("gateway.stopped")
    return 0


async def run(args: argparse.Namespace, listeners: Sequence[socket]) -> None:
    """Serve the control plane and every replica from one loop."""
    clock = PracticeClock(args.clock)
    control = Control(path=args.state, clock=clock, replicas=len(listeners) - 1)
    addresses = {LEGACY: args.legacy, CANDIDATE: args.candidate}
    backends, mirrors = (
        {
            side: Backend(address, timeout_s=args.backend_timeout_s)
            for side, address in addresses.items()
        }
        for _ in range(2)
    )
    requests = RequestLog(args.log, clock)
    planes = [
        DataPlane(
            replica, control=control, backends=backends, mirrors=mirrors, log=requests, clock=clock
        )
        for replica in control.replicas
    ]
    apps = [Admin(control).application(), *planes]
    await serve(
        tuple(
            Site(app=app, listener=listener) for app, listener in zip(apps, listeners, strict=True)
        )
    )
    for backend in (*backends.values(), *mirrors.values()):
        await backend.close()
    requests.close()


if __name__ == "__main__":
    sys.exit(main())
