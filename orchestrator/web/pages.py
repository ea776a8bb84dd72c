"""What a sentinel shows over HTTP: whether it does its work, its numbers, the ward board.

Healthy means: active with a fresh tick, or standing by while another one leads. Anything
else is 503. Only for looking: nothing here changes anything. Source: design section 4.
"""

import threading
from asyncio import get_running_loop
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from orchestrator.adapters.metrics import CONTENT_TYPE
from orchestrator.web.connections import Connection, room


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the sentinel says of itself; seconds are real, None means never."""

    healthy: bool
    active: bool
    tick_age_s: float | None
    ledger_age_s: float | None
    ledger_pending: int
    ledger_corrupt: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Where each page comes from. `ward`: None for a ward that nobody knows.

    `ledger_age_s`: real seconds since the ledger was read, said on every board.
    """

    health: Callable[[], Health]
    metrics: Callable[[], bytes]
    board: Callable[[], dict[str, Any]]
    ward: Callable[[str], dict[str, Any] | None]
    ledger_age_s: Callable[[], float | None]


def app(pages: Pages, more: Sequence[BaseRoute] = ()) -> Starlette:
    """/healthz, /metrics, /board and /board/WARD, and the routes of the pages beside this one."""
    # A thread of its own: a crowd that waits for its boards must not look like our death.
    asked = ThreadPoolExecutor(1, thread_name_prefix="health")

    async def healthz(_request: Request) -> Response:
        now = await get_running_loop().run_in_executor(asked, pages.health)
        return JSONResponse(asdict(now), status_code=200 if now.healthy else 503)

    def metrics(_request: Request) -> Response:
        return Response(pages.metrics(), media_type=CONTENT_TYPE)

    def board(_request: Request) -> Response:
        return JSONResponse({**pages.board(), "ledger_age_s": pages.ledger_age_s()})

    def ward(request: Request) -> Response:
        page = pages.ward(request.path_params["ward"])
        if page is None:
            return JSONResponse({"problem": "no such ward"}, status_code=404)
        return JSONResponse({**page, "ledger_age_s": pages.ledger_age_s()})

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/metrics", metrics),
            Route("/board", board),
            Route("/board/{ward}", ward),
            *more,
        ]
    )


def serve(application: Starlette, port: int, *, host: str) -> uvicorn.Server:
    """Listen in a thread of its own; signals stay with the process's own loop."""
    Connection.most_open = room()
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        http=Connection,
        # Also how many are taken at once, before any can be sent away.
        backlog=Connection.most_open // 2,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, name="web", daemon=True).start()
    return server
