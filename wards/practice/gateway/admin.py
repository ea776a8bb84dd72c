"""The gateway's admin pages over HTTP, and its own control plane where it has one.

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
from wards.practice.gateway.served import Served
from wards.practice.serving import health

Endpoint = Callable[[Request], Awaitable[Response]]


class Pages:
    """Connections, behaviour and health of one gateway, wherever its routes come from."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def application(self) -> Starlette:
        """The pages."""
        return Starlette(routes=self.paths())

    def paths(self) -> list[Path]:
        """Where they are."""
        return [
            Path("/healthz", self._health),
            Path("/behaviour", self._behaviour, methods=["GET", "PUT", "PATCH"]),
            Path("/connections", self.opened(self._connections)),
        ]

    def opened(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, unless the gateway was asked to be slow or to refuse."""

        async def answer(request: Request) -> Response:
            asked = self._served.behaviour
            if asked.admin_delay_s:
                await asyncio.sleep(asked.admin_delay_s)
            routes = request.url.path.startswith("/routes")
            if asked.refuse_admin or (asked.refuse_routes and routes):
                message = "the control plane does not answer now; the data plane goes on"
                return _refused(Refusal(status=503, code="unavailable", message=message))
            return await endpoint(request)

        return answer

    def known_wards(self) -> set[str]:
        """Every ward that may be connected."""
        return set(self._served.connections.wards())

    async def _health(self, _request: Request) -> Response:
        return JSONResponse(health("gateway"))

    async def _behaviour(self, request: Request) -> Response:
        served = self._served
        if request.method != "GET":  # PUT: exactly this; PATCH: this as well
            before = behaviour.USUAL if request.method == "PUT" else served.behaviour
            wanted = behaviour.changed(
                before, await _json_of(request), replicas=len(served.replicas)
            )
            if isinstance(wanted, tuple):
                return _refused(_problems(wanted))
            served.behave(wanted)
        return JSONResponse(behaviour.as_json(served.behaviour))

    async def _connections(self, request: Request) -> Response:
        connections, ward = self._served.connections, request.query_params.get("ward")
        if ward is not None:
            return JSONResponse(connections.of(ward))
        return JSONResponse(
            {"items": [connections.of(name) for name in sorted(self.known_wards())]}
        )


class Admin(Pages):
    """The pages of a gateway that is its own control plane: routes and leases as well."""

    def __init__(self, control: Control) -> None:
        super().__init__(control)
        self._control = control

    def paths(self) -> list[Path]:
        """Where they are."""
        return [
            *super().paths(),
            Path("/routes", self.opened(self._routes), methods=["GET", "POST"]),
            Path("/routes/{ward}", self.opened(self._route), methods=["GET", "PUT"]),
            Path("/leases", self.opened(self._leases)),
            Path("/leases/{name}", self.opened(self._lease), methods=["GET", "PUT"]),
        ]

    def known_wards(self) -> set[str]:
        """Those with a route too."""
        return {*super().known_wards(), *self._control.book.routes}

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
