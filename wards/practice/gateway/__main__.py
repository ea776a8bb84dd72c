"""Run the practice gateway: `python -m wards.practice.gateway --port N --admin-port M ...`."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from socket import socket
from typing import Any

import structlog

from orchestrator.adapters.clock import PracticeClock
from wards.practice import logs
from wards.practice.gateway.admin import Admin, Pages
from wards.practice.gateway.backend import Backend
from wards.practice.gateway.control import Control
from wards.practice.gateway.dataplane import DataPlane
from wards.practice.gateway.requestlog import RequestLog
from wards.practice.gateway.served import Served
from wards.practice.serving import (
    PORT_TAKEN,
    PortTaken,
    Site,
    common_arguments,
    listen,
    serve,
)
from wards.practice.tied import tie_to_parent
from wards.practice.wire import CANDIDATE, LEGACY

log = structlog.get_logger()
CLUSTER_TIMEOUT_S = 2.0


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
    control = parser.add_mutually_exclusive_group(required=True)
    control.add_argument(
        "--state", type=Path, help="its own control plane: routes and leases, kept"
    )
    control.add_argument("--kubeconfig", type=Path, help="follow the HTTPRoutes of a cluster")
    parser.add_argument("--namespace", default="wardshift", help="with --kubeconfig")
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
    served, admin, following = _plane(args, clock, replicas=len(listeners) - 1)
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
            replica, control=served, backends=backends, mirrors=mirrors, log=requests, clock=clock
        )
        for replica in served.replicas
    ]
    apps = [admin.application(), *planes]
    beside = asyncio.create_task(following) if following else None
    await serve(
        tuple(
            Site(app=app, listener=listener) for app, listener in zip(apps, listeners, strict=True)
        )
    )
    if beside is not None:
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
    for backend in (*backends.values(), *mirrors.values()):
        await backend.close()
    requests.close()


def _plane(
    args: argparse.Namespace, clock: PracticeClock, *, replicas: int
) -> tuple[Served, Pages, Coroutine[Any, Any, None] | None]:
    """What is served, its pages, and what has to go on beside them."""
    if args.kubeconfig is None:
        control = Control(path=args.state, clock=clock, replicas=replicas)
        return control, Admin(control), None
    # Only here: the library costs half a second, and most gateways follow nobody.
    from orchestrator.adapters.kubernetes.client import Cluster  # noqa: PLC0415
    from wards.practice.gateway.cluster import Followed  # noqa: PLC0415

    cluster = Cluster(args.kubeconfig, timeout_s=CLUSTER_TIMEOUT_S)
    followed = Followed(cluster, namespace=args.namespace, clock=clock, replicas=replicas)
    return followed, Pages(followed), followed.follow()


if __name__ == "__main__":
    sys.exit(main())
