"""The gateway's control plane over HTTP.

Invariant: a refusal names its code and a sentence, and has changed nothing.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Path

from wards.practice.gateway import behaviour
from wards.practice.gateway.book import (
    Kept,
    Refusal,
    create_route,
    lease_json,
    put_lease,
    replace_route,
)
from wards.practice.gateway.control import Control
from wards.practice.gateway.route import Route
from wards.practice.serving import health

Endpoint = Callable[[Request], Awaitable[Response]]


class Admin:
    """Routes, leases, connections and behaviour of one gateway."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def application(self) -> Starlette:
        """The pages."""
        return Starlette(
            routes=[
                Path("/healthz", self._health),
                Path("/behaviour", self._behaviour, methods=["GET", "PUT", "PATCH"]),
                Path("/routes", self._open(self._routes), methods=["GET", "POST"]),
                Path("/routes/{ward}", self._open(self._route), methods=["GET", "PUT"]),
                Path("/leases", self._open(self._leases)),
                Path("/leases/{name}", self._open(self._lease), methods=["GET", "PUT"]),
                Path("/connections", self._open(self._connections)),
            ]
        )

    def _open(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, unless the gateway was asked to be slow or to refuse."""

        async def answer(request: Request) -> Response:
            asked = self._control.behaviour
            if asked.admin_delay_s:
                await asyncio.sleep(asked.admin_delay_s)
            routes = request.url.path.startswith("/routes")
            if asked.refuse_admin or (asked.refuse_routes and routes):
                message = "the control plane does not answer now; the data plane goes on"
                return _refused(Refusal(status=503, code="unavailable", message=message))
            return await endpoint(request)

        return answer

    async def _health(self, _request: Request) -> Response:
        return JSONResponse(health("gateway"))

    async def _behaviour(self, request: Request) -> Response:
        control = self._control
        if request.method != "GET":  # PUT: exactly this; PATCH: this as well
            before = behaviour.USUAL if request.method == "PUT" else control.behaviour
            wanted = behaviour.changed(
                before, await _json_of(request), replicas=len(control.replicas)
            )
            if isinstance(wanted, tuple):
                return _refused(_problems(wanted))
            control.behave(wanted)
        return JSONResponse(behaviour.as_json(control.behaviour))

    async def _routes(self, request: Request) -> Response:
        if request.method == "POST":
            raw = await _json_of(request)
            return self._told(await self._control.change(lambda book: create_route(book, raw)), 201)
        items = [self._control.route_json(route) for route in self._control.book.routes.values()]
        return JSONResponse({"items": items})

    async def _route(self, request: Request) -> Response:
        ward = request.path_params["ward"]
        if request.method == "PUT":
            raw = await _json_of(request)
            if request.query_params.get("dry_run"):
                return self._told(replace_route(self._control.book, ward, raw), 200)
            return self._told(
                await self._control.change(lambda book: replace_route(book, ward, raw)), 200
            )
        route = self._control.book.routes.get(ward)
        if route is None:
            message = f"ward {ward} has no route"
            return _refused(Refusal(status=404, code="no_route", message=message))
        return JSONResponse(self._control.route_json(route))

    async def _leases(self, _request: Request) -> Response:
        items = [lease_json(lease) for lease in self._control.book.leases.values()]
        return JSONResponse({"items": items})

    async def _lease(self, request: Request) -> Response:
        name = request.path_params["name"]
        if request.method == "PUT":
            raw = await _json_of(request)
            return self._told(
                await self._control.change(lambda book: put_lease(book, name, raw)), 200
            )
        lease = self._control.book.leases.get(name)
        if lease is None:
            message = f"there is no lease {name}"
            return _refused(Refusal(status=404, code="no_lease", message=message))
        return JSONResponse(lease_json(lease))

    async def _connections(self, request: Request) -> Response:
        connections, ward = self._control.connections, request.query_params.get("ward")
        if ward is not None:
            return JSONResponse(connections.of(ward))
        wards = sorted({*connections.wards(), *self._control.book.routes})
        return JSONResponse({"items": [connections.of(name) for name in wards]})

    def _told(self, answer: Kept | Refusal, status: int) -> Response:
        if isinstance(answer, Refusal):
            return _refused(answer)
        if isinstance(answer.entry, Route):
            return JSONResponse(self._control.route_json(answer.entry), status_code=status)
        return JSONResponse(lease_json(answer.entry), status_code=status)


def _refused(refusal: Refusal) -> Response:
    body: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    if refusal.problems:
        body["problems"] = list(refusal.problems)
    if refusal.resource_version is not None:
        body["resource_version"] = refusal.resource_version
    return JSONResponse(body, status_code=refusal.status)


def _problems(problems: tuple[str, ...]) -> Refusal:
    return Refusal(status=422, code="invalid", message="; ".join(problems), problems=problems)


async def _json_of(request: Request) -> object:
    try:
        return json.loads(await request.body())
    except ValueError:
        return None
