"""Routes and leases at the practice gateway's control plane.

One object a ward, compare-and-set by `resource_version`, fenced by epoch at the gateway.
Invariant: every route written here ends with a fallback to legacy, which the core never
sees. A fallback that somebody else pointed elsewhere is shown as a rule of that name, so
that it counts as exposure and the next write mends it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import structlog

from orchestrator.adapters.http import Answer, Http
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.route import (
    DRILL,
    DRILL_WORD,
    Annotation,
    ObservedRoute,
    Route,
    Rule,
    is_drill_name,
)
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.ports import LeaseRecord
from wards.model import WardId

log = structlog.get_logger()
ROUTES = "routes"
LEASES = "leases"
FALLBACK = "fallback"
GRANTED = "granted"
FALLBACK_RULE = {"name": FALLBACK, "path_prefix": "/", "backend": Side.LEGACY, "mirror": None}

_NOT_FOUND = 404
_CONFLICT = 409
_TOO_MANY = 429
_UNREADY = 503


class PracticeRoutes:
    """The routes port. Each call is one exchange of at most `timeout_s`. Thread-safe."""

    def __init__(self, admin_url: str, *, timeout_s: float) -> None:
        self._url = f"{admin_url.rstrip('/')}/routes"
        self._http = Http(ROUTES, timeout_s=timeout_s)

    def all(self) -> tuple[ObservedRoute, ...]:
        """Every ward's route that can be understood: a foreign one that cannot is said, and hides
        no other ward. Raises: Unavailable, also when none of several is understood."""
        answer = _understood(ROUTES, self._http.read("GET", self._url))
        items = _items(ROUTES, answer)
        understood = tuple(one for one in map(_observed_or_said, items) if one is not None)
        if items and not understood:
            raise Unavailable(ROUTES, "none of its routes makes sense")
        return understood

    def get(self, ward: WardId) -> ObservedRoute:
        """One ward's route. Raises: Unavailable; Refused("no_route")."""
        answer = self._http.read("GET", self._of(ward))
        if answer.status == _NOT_FOUND:
            raise _no_route(ward)
        return _observed(_json(ROUTES, _understood(ROUTES, answer)))

    def replace(self, route: Route, *, resource_version: str) -> ObservedRoute:
        """Replace the whole route at once.

        Raises: Conflict, Refused("stale_epoch", "no_route" or the gateway's own code),
            Unavailable when nothing was sent or taken, Indeterminate.
        """
        return self._put(route.ward, _document(route, resource_version), resource_version)

    def grant(self, ward: WardId, epoch: int, *, resource_version: str) -> ObservedRoute:
        """Allow one forward write under that epoch. Raises: as `replace`."""
        observed = self.get(ward)
        if observed.resource_version != resource_version:
            found = observed.resource_version
            raise Conflict(f"route {ward}", expected=resource_version, found=found)
        body = _document(observed.route, resource_version)
        body["metadata"]["annotations"][GRANTED] = str(epoch)
        return self._put(ward, body, resource_version)

    def try_out(self, route: Route, *, resource_version: str) -> None:
        """See ports.Fence: the gateway answers as if it were meant, and keeps what it has."""
        body = _document(route, resource_version)
        answer = self._http.write("PUT", f"{self._of(route.ward)}?dry_run=true", json=body)
        _raise_unless_taken(ROUTES, f"route {route.ward}", answer, expected=resource_version)

    def missing_rules(self) -> tuple[str, ...]:
        """See ports.Fence: the gateway's rules are in its code, and none can be taken away."""
        return ()

    def _put(self, ward: WardId, body: dict[str, Any], resource_version: str) -> ObservedRoute:
        answer = self._http.write("PUT", self._of(ward), json=body)
        if answer.status == _NOT_FOUND:
            raise _no_route(ward)
        what = f"route {ward}"
        _raise_unless_taken(ROUTES, what, answer, expected=resource_version)
        try:
            return _observed(_json(ROUTES, answer))
        except Unavailable as error:
            raise Indeterminate(ROUTES, "PUT (the answer makes no sense)") from error

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _of(self, ward: WardId) -> str:
        return f"{self._url}/{quote(ward, safe='')}"


class PracticeLeases:
    """The leases port. Each call is one exchange of at most `timeout_s`. Thread-safe."""

    def __init__(self, admin_url: str, *, timeout_s: float) -> None:
        self._url = f"{admin_url.rstrip('/')}/leases"
        self._http = Http(LEASES, timeout_s=timeout_s)

    def all(self) -> tuple[LeaseRecord, ...]:
        """Every lease. Raises: Unavailable."""
        answer = _understood(LEASES, self._http.read("GET", self._url))
        return tuple(_lease(item) for item in _items(LEASES, answer))

    def put(
        self,
        name: str,
        *,
        holder: str,
        duration_s: float,
        transitions: int,
        notes: Mapping[str, str],
        resource_version: str,
    ) -> LeaseRecord:
        """Take or renew; version "" creates. Raises: Conflict, Unavailable, Indeterminate."""
        body = {
            "holder": holder,
            "duration_s": duration_s,
            "transitions": transitions,
            "annotations": dict(notes),
            "resource_version": resource_version,
        }
        url = f"{self._url}/{quote(name, safe='')}"
        answer = self._http.write("PUT", url, json=body)
        _raise_unless_taken(LEASES, f"lease {name}", answer, expected=resource_version)
        try:
            return _lease(_json(LEASES, answer))
        except Unavailable as error:
            raise Indeterminate(LEASES, "PUT (the answer makes no sense)") from error

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()


def _observed_or_said(item: Any) -> ObservedRoute | None:
    try:
        return _observed(item)
    except Unavailable as error:
        log.error("route.not_understood", route=_name(item), problem=str(error))
        return None


def _document(route: Route, resource_version: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"ward-{route.ward}",
            "resource_version": resource_version,
            "annotations": {
                "who": route.annotation.who,
                "why": route.annotation.why,
                "run": route.annotation.run,
                "epoch": str(route.epoch),
            },
        },
        "spec": {
            "ward": route.ward,
            "epoch": route.epoch,
            "rules": [
                *(_written(rule) for rule in _slices(route)),
                *(_drill_rule(rule, route.drill) for rule in _slices(route) if route.drill),
                FALLBACK_RULE,
            ],
        },
    }


def _slices(route: Route) -> tuple[Rule, ...]:
    """Without what is somebody else's: the fallback is always written, and a drill only by its
    word."""
    return tuple(
        rule
        for rule in route.rules
        if rule.slice_name != FALLBACK and not is_drill_name(rule.slice_name)
    )


def _drill_rule(rule: Rule, word: str) -> dict[str, Any]:
    return {
        "name": f"{DRILL}.{rule.slice_name}",
        "path_prefix": rule.path_prefix,
        "backend": Side.CANDIDATE,
        "mirror": None,
        "drill": word,
    }


def _written(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.slice_name,
        "path_prefix": rule.path_prefix,
        "backend": rule.side,
        "mirror": Side.CANDIDATE if rule.mirrored else None,
    }


def _observed(item: Any) -> ObservedRoute:
    try:
        metadata, spec = item["metadata"], item["spec"]
        notes = metadata.get("annotations") or {}
        return ObservedRoute(
            route=Route(
                ward=WardId(_text(spec["ward"])),
                epoch=_whole(spec["epoch"]),
                rules=_observed_slices(spec["rules"]),
                drill=_word(spec["rules"]),
                annotation=Annotation(
                    who=str(notes.get("who", "")),
                    why=str(notes.get("why", "")),
                    run=str(notes.get("run", "")),
                ),
            ),
            resource_version=_text(metadata["resource_version"]),
            granted=_granted(notes),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"the route {_name(item)} was not understood ({type(error).__name__})"
        raise Unavailable(ROUTES, problem) from error


def _granted(notes: Mapping[str, Any]) -> int | None:
    said = str(notes.get(GRANTED, ""))
    return int(said) if said.isascii() and said.isdigit() else None


def _name(item: Any) -> str:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return str(metadata.get("name", "?")) if isinstance(metadata, dict) else "?"


def _observed_slices(rules: Sequence[Any]) -> tuple[Rule, ...]:
    word = _word(rules)
    return tuple(
        _rule(rule)
        for rule in rules
        if dict(rule) != FALLBACK_RULE and not (word and rule.get("drill") == word)
    )


def _word(rules: Sequence[Any]) -> str:
    """The drill's word, if there is exactly one; whatever else asks for a word is exposure."""
    words = {str(rule["drill"]) for rule in rules if rule.get("drill")}
    word = words.pop() if len(words) == 1 else ""
    return word if DRILL_WORD.fullmatch(word) else ""


def _rule(rule: Any) -> Rule:
    return Rule(
        slice_name=SliceName(_text(rule["name"])),
        path_prefix=_text(rule["path_prefix"]),
        side=Side(rule["backend"]),
        mirrored=rule["mirror"] is not None,
    )


def _lease(item: Any) -> LeaseRecord:
    try:
        notes = item.get("annotations") or {}
        return LeaseRecord(
            name=_text(item["name"]),
            holder=_text(item["holder"]),
            duration_s=float(item["duration_s"]),
            transitions=_whole(item["transitions"]),
            notes={str(key): str(value) for key, value in notes.items()},
            resource_version=_text(item["resource_version"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"a lease was not understood ({type(error).__name__})"
        raise Unavailable(LEASES, problem) from error


def _items(port: str, answer: Answer) -> Sequence[Any]:
    body = _json(port, answer)
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise Unavailable(port, "the answer is not a list of items")
    return items


def _json(port: str, answer: Answer) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise Unavailable(port, "the answer is not JSON") from error


def _understood(port: str, answer: Answer) -> Answer:
    if not answer.is_good:
        raise Unavailable(port, f"answered {answer.status}")
    return answer


def _raise_unless_taken(port: str, what: str, answer: Answer, *, expected: str) -> None:
    """Turn a write's status into what it means; a 5xx other than 503 may have had its effect."""
    if answer.is_good:
        return
    code, message, found = _said(answer)
    if answer.status == _CONFLICT:
        raise Conflict(what, expected=expected or "none", found=found or "another version")
    if answer.status in (_UNREADY, _TOO_MANY):
        raise Unavailable(port, f"answered {answer.status}")
    if answer.status in range(400, 500):
        raise Refused(code or f"http_{answer.status}", f"{what}: {message or answer.status}")
    raise Indeterminate(port, f"PUT (answered {answer.status})")


def _said(answer: Answer) -> tuple[str, str, str]:
    """The gateway's code, sentence and present version, as far as it gave them."""
    try:
        body = answer.json()
    except ValueError:
        return "", "", ""
    if not isinstance(body, dict):
        return "", "", ""
    return tuple(str(body.get(key, "")) for key in ("code", "message", "resource_version"))  # pyright: ignore[reportReturnType]


def _no_route(ward: WardId) -> Refused:
    return Refused("no_route", f"{ward} has no route at the gateway; create it before the rollout")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("not a text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value
