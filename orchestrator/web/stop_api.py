"""The JSON door for stops in OpenAPI, for whoever builds a button into another system."""

from typing import Any, Final

from orchestrator.core.plan import Plan
from orchestrator.core.receipt import Became

PATH: Final = "/api/stop"
DESCRIPTION: Final = "/api/stop/openapi.json"
MEDIA: Final = "application/json"
REFUSED: Final = {
    "403": "no role has a stop code: stopping over HTTP is closed",
    "408": "the body took too long",
    "413": "the body is too large",
    "422": "no JSON object, a ward that the plan does not know, or a ward or role left out",
    "429": "too many stops without a right code; one with a right code is never turned away",
}


def description(plan: Plan) -> dict[str, Any]:
    """`POST /api/stop` and its receipt, for this plan's wards, slices and roles.

    Nothing but ward and role has a type: what is not a text counts as left out, because a stop
    is not turned away for how it was written.
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": "Wardshift stop the line", "version": "1"},
        "paths": {
            PATH: {"post": _stop(plan)},
            PATH + "/{number}": {"get": _look()},
        },
    }


def _stop(plan: Plan) -> dict[str, Any]:
    wards = [ward.id for ward in plan.wards]
    stop = {
        "type": "object",
        "required": ["ward", "role"],
        "properties": {
            "ward": {"enum": wards},
            "role": {
                "type": "string",
                "pattern": r"^[a-z_]+$",
                "description": f"with a code: {', '.join(plan.policy.stop.roles)}",
            },
            "code": {"description": "that role's stop code; without it people are paged only"},
            "slice": {"description": ", ".join(one.name for one in plan.slices)},
            "staff_code": {"description": "tells two reporters apart; kept as a digest only"},
            "words": {"description": "what was seen; no patient's name or number"},
        },
    }
    return {
        "operationId": "stopTheLine",
        "requestBody": {"required": True, "content": {MEDIA: {"schema": stop}}},
        "responses": {
            "201": _answer("recorded; nothing moves forward any more", _RECEIPT),
            "202": _answer("recorded without a right code: people are paged", _RECEIPT),
            **{code: _answer(why, _PROBLEM) for code, why in REFUSED.items()},
        },
    }


def _look() -> dict[str, Any]:
    number = {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "operationId": "receiptAsItStands",
        "parameters": [number],
        "responses": {
            "200": _answer("the receipt", _RECEIPT),
            "404": _answer("no such receipt", _PROBLEM),
        },
    }


def _answer(why: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": why, "content": {MEDIA: {"schema": schema}}}


_RECEIPT: Final = {
    "type": "object",
    "required": ["received", "report", "ward", "role", "became", "frozen", "made_at", "receipt"],
    "properties": {
        "received": {"const": True},
        "became": {"enum": [one.value for one in Became]},
        "frozen": {"type": "boolean"},
    },
}
_PROBLEM: Final = {
    "type": "object",
    "required": ["problem", "code"],
    "properties": {"problem": {"type": "string"}, "code": {"type": "string"}},
}
