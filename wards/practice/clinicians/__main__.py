"""Run the practice staff: `python -m wards.practice.clinicians --gateway URL ...`."""

import argparse
import asyncio
import json
import secrets
import sys
from pathlib import Path
from random import Random
from socket import socket

import httpx2
import structlog
from prometheus_client import disable_created_metrics
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from orchestrator.adapters.clock import PracticeClock
from wards.practice import logs
from wards.practice.clinicians.errand import Desk
from wards.practice.clinicians.telemetry import Telemetry
from wards.practice.clinicians.ward import WardAtWork
from wards.practice.serving import (
    PORT_TAKEN,
    PortTaken,
    Site,
    common_arguments,
    health,
    listen,
    serve,
)
from wards.practice.staffing import PracticeWard, Staffing, staffing_from
from wards.practice.tied import tie_to_parent

REQUEST_TIMEOUT_S = 15.0  # longer than the gateway waits for a system
RUN_LETTERS = "abcdefghjkmnpqrstuvwxyz"  # no digits: a key must not look like a personal number

log = structlog.get_logger()


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="wards.practice.clinicians", description=__doc__)
    parser.add_argument("--gateway", required=True, help="address of the gateway's data plane")
    parser.add_argument("--plan-wards", type=Path, required=True, help="wards file")
    parser.add_argument("--metrics-port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--real-rate", type=float, default=6.0, help="requests per real second and ward, at most"
    )
    common_arguments(parser)
    return parser.parse_args()


def main() -> int:
    """Work until told to stop."""
    args = arguments()
    tie_to_parent(args.parent_pid)
    logs.configure("clinicians")
    disable_created_metrics()
    try:
        listener = listen(args.metrics_port)
    except PortTaken as taken:
        log.warning("port.taken", problem=str(taken))
        return PORT_TAKEN
    staffing = staffing_from(json.loads(args.plan_wards.read_text(encoding="utf-8")))
    log.info("clinicians.started", wards=len(staffing.wards), port=args.metrics_port)
    asyncio.run(run(args, staffing, listener))
    log.info("clinicians.stopped")
    return 0


async def run(args: argparse.Namespace, staffing: Staffing, listener: socket) -> None:
    """Have every ward work, and serve the telemetry."""
    clock = PracticeClock(args.clock)
    telemetry = Telemetry([ward.ward for ward in staffing.wards])
    run_name = "".join(secrets.choice(RUN_LETTERS) for _ in range(6))
    async with httpx2.AsyncClient(
        base_url=args.gateway,
        timeout=REQUEST_TIMEOUT_S,
        trust_env=False,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
    ) as client:

        def at_work(ward: PracticeWard) -> WardAtWork:
            desk = Desk(
                ward=ward.ward,
                beds=ward.beds,
                client=client,
                clock=clock,
                telemetry=telemetry,
                rng=Random(f"{args.seed}-{ward.ward}"),  # noqa: S311 - repeatable, not secret
                run=run_name,
            )
            return WardAtWork(ward, staffing=staffing, desk=desk, rate_per_s=args.real_rate)

        working = [asyncio.create_task(at_work(ward).work()) for ward in staffing.wards]
        await serve((Site(app=Page(telemetry, clock), listener=listener),))
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


class Page:
    """The staff's own /metrics and health, as an ASGI application."""

    def __init__(self, telemetry: Telemetry, clock: PracticeClock) -> None:
        self._telemetry = telemetry
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = self._answer(Request(scope).url.path)
        await response(scope, receive, send)

    def _answer(self, path: str) -> Response:
        match path:
            case "/healthz":
                return JSONResponse(health("clinicians"))
            case "/metrics":
                page = self._telemetry.page(self._clock.monotonic())
                return Response(page, media_type="text/plain; version=0.0.4")
            case _:
                return JSONResponse({"problem": "there are /metrics and /healthz"}, 404)


if __name__ == "__main__":
    sys.exit(main())
