"""Whether the sentinel does its work, for people, probes and Prometheus.

Healthy means: active with a fresh tick, or standing by while another one leads. Anything
else is 503. Source: design section 4.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the sentinel says of itself; seconds are real, None means never."""

    healthy: bool
    active: bool
    tick_age_s: float | None
    ledger_age_s: float | None
    ledger_pending: int
    ledger_corrupt: str | None


def app(health: Callable[[], Health], metrics: Callable[[], bytes]) -> Starlette:
    """Two pages: /healthz and /metrics."""

    def healthz(_request: Request) -> Response:
        now = health()
        return JSONResponse(asdict(now), status_code=200 if now.healthy else 503)

    def page(_request: Request) -> Response:
        return Response(metrics(), media_type=METRICS_TYPE)

    return Starlette(routes=[Route("/healthz", healthz), Route("/metrics", page)])


def serve(application: Starlette, port: int) -> uvicorn.Server:
    """Listen on 127.0.0.1 in a thread of its own; signals stay with the process's own loop."""
    config = uvicorn.Config(
        application, host="127.0.0.1", port=port, log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, name="web", daemon=True).start()
    return server
