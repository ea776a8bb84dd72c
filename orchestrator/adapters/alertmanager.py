"""Which alerts fire, by asking: Alertmanager's and Prometheus's own lists.

An answer is taken whole or not at all, and one that cannot be complete says so: a rule that
was not evaluated may fire. Nothing of an alert but its labels, state and times is read.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from orchestrator.adapters.http import Answer, Http
from orchestrator.core.event import AlertStatus
from orchestrator.core.placing import Notice
from orchestrator.errors import Unavailable
from orchestrator.ports import AlertAnswer

LARGEST_BODY: Final = 16 * 1024 * 1024
_STATES: Final = {
    "active": AlertStatus.FIRING,
    "unprocessed": AlertStatus.FIRING,  # nobody has looked yet whether it is silenced
    "suppressed": AlertStatus.SILENCED,
}
_SANE: Final = ("ok", "err", "unknown")


class AlertmanagerAlerts:
    """The alert port over `/api/v2/alerts`.

    Args:
        url: of the Alertmanager, without `/api`.
        timeout_s: of one exchange, in real seconds.
        receiver: only alerts that are routed to this receiver; empty: all.
    """

    def __init__(self, url: str, *, timeout_s: float, receiver: str = "") -> None:
        query = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}
        if receiver:
            query["receiver"] = f"^{receiver}$"
        self._url = f"{url.rstrip('/')}/api/v2/alerts?{urlencode(query)}"
        self._http = Http("alertmanager", timeout_s=timeout_s, largest_body=LARGEST_BODY)

    def read(self) -> AlertAnswer:
        """See ports.AlertSource."""
        answer = self._http.read("GET", self._url)
        return _sense("alertmanager", answer, lambda body: AlertAnswer(notices=_listed(body)))


class PrometheusAlerts:
    """The alert port over `/api/v1/rules`: what `/api/v1/alerts` says, and whether it was looked.

    After a restart Prometheus answers that nothing fires until it has evaluated its rules; the
    list of rules tells that apart.

    Args:
        url: of the Prometheus, without `/api`.
        timeout_s: of one exchange, in real seconds.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/rules?type=alert"
        self._http = Http("prometheus", timeout_s=timeout_s, largest_body=LARGEST_BODY)

    def read(self) -> AlertAnswer:
        """See ports.AlertSource."""
        return _sense("prometheus", self._http.read("GET", self._url), _evaluated)


def _sense(port: str, answer: Answer, read: Callable[[Any], AlertAnswer]) -> AlertAnswer:
    """Raises: Unavailable for an answer that is not good, or not of the shape that was asked."""
    if not answer.is_good:
        raise Unavailable(port, f"answered {answer.status}")
    try:
        return read(answer.json())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unavailable(port, f"answered {answer.status} without sense") from error


def _listed(alerts: Sequence[Any]) -> tuple[Notice, ...]:
    return tuple(
        Notice(
            labels=_labels(one["labels"]),
            status=_STATES[one["status"]["state"]],
            started_at=_moment(one["startsAt"]),
        )
        for one in _list(alerts)
    )


def _evaluated(body: Any) -> AlertAnswer:
    if body["status"] != "success":
        raise ValueError("no success")
    rules = [rule for group in _list(body["data"]["groups"]) for rule in _list(group["rules"])]
    unsound = [rule for rule in rules if _health(rule) != "ok"]
    notices = tuple(
        Notice(
            labels=_labels(one["labels"]),
            status=AlertStatus.FIRING,
            started_at=_moment(one["activeAt"]),
        )
        for rule in rules
        for one in _list(rule["alerts"])
        if one["state"] == "firing"
    )
    gaps = f"{len(unsound)} of {len(rules)} alerting rules are not evaluated" if unsound else ""
    return AlertAnswer(notices=notices, gaps=gaps or _emptiness(rules))


def _emptiness(rules: Sequence[Any]) -> str:
    """A server without any alerting rule cannot say that nothing is wrong."""
    return "" if rules else "there is no alerting rule"


def _health(rule: Any) -> str:
    health = rule["health"]
    if health not in _SANE:
        raise ValueError("an unknown health of a rule")
    return health


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _labels(value: Any) -> dict[str, str]:
    labels = dict(value)
    if not all(isinstance(part, str) for pair in labels.items() for part in pair):
        raise TypeError("labels are texts")
    return labels


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment
