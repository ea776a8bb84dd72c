"""Readings from Prometheus: one instant query a signal answers for all wards.

Invariant: exactly one finite number for a ward is a value; two series, NaN, a warning, a
scalar or an error are not. A sample is at most `fresh_within_s` old, because that is the
query's look-back (see promql); how old it is exactly, one query cannot tell, so the age
given is that bound. A result carries no count, so `n` is 1: a minimum of observations
belongs into the query (`... and on (ward) increase(x_total[5m]) >= 30`).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from orchestrator.adapters.http import Answer, Failure, Http
from orchestrator.adapters.promql import fresh_only
from orchestrator.core.ids import SignalName
from orchestrator.core.plan import PromQuery, Signal
from orchestrator.core.reading import Absence, NoData, Reading, SourceDown, reading_of
from orchestrator.ports import Readings
from wards.model import WardId

AT_ONCE = 8  # queries under way at one server
_NO_SERIES = NoData(reason=Absence.NO_SERIES)


class PrometheusSource:
    """The signal source over the HTTP API. Ends within `timeout_s`, also on the server's side."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._timeout_s = timeout_s
        self._http = Http("prometheus", timeout_s=timeout_s)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="query")

    def read(self, signals: Sequence[Signal], wards: Sequence[WardId]) -> Readings:
        """One reading for every pair, one query a signal. Never raises."""
        asked = {signal.name: self._pool.submit(self._vector, signal) for signal in signals}
        wait(asked.values(), timeout=self._timeout_s)
        readings: dict[tuple[WardId, SignalName], Reading] = {}
        for name, future in asked.items():
            vector = _in_time(future)
            for ward in wards:
                found = vector if isinstance(vector, SourceDown) else vector.get(ward, _NO_SERIES)
                readings[ward, name] = found
        return readings

    def close(self) -> None:
        """End the threads and give the connections back."""
        self._pool.shutdown(cancel_futures=True)
        self._http.close()

    def _vector(self, signal: Signal) -> Mapping[WardId, Reading] | SourceDown:
        if not isinstance(signal.query, PromQuery):
            return SourceDown(reason="not a PromQL query")
        answer = self._http.ask(
            "POST",
            self._url,
            form={
                "query": fresh_only(signal.query.promql),
                "timeout": f"{self._timeout_s:.3f}",
                "lookback_delta": f"{signal.fresh_within_s:.3f}",
            },
        )
        if isinstance(answer, Failure):
            return SourceDown(reason=answer.reason)
        return _parsed(answer, signal.fresh_within_s)


def _in_time(
    future: Future[Mapping[WardId, Reading] | SourceDown],
) -> Mapping[WardId, Reading] | SourceDown:
    if future.done():
        return future.result()
    future.cancel()
    return SourceDown(reason="no answer in time")


def _parsed(answer: Answer, age_s: float) -> Mapping[WardId, Reading] | SourceDown:
    try:
        body = answer.json()
        if not answer.is_good or body["status"] != "success":
            return SourceDown(reason=f"answered {answer.status}: {_error_kind(body)}")
        if body.get("warnings"):
            return SourceDown(reason="answered with warnings, perhaps in part")
        if body["data"]["resultType"] != "vector":
            return SourceDown(reason="the answer is not a vector")
        return _by_ward(body["data"]["result"], age_s)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return SourceDown(reason=f"answered {answer.status} without sense")


def _by_ward(samples: Sequence[Any], age_s: float) -> Mapping[WardId, Reading]:
    readings: dict[WardId, Reading] = {}
    for sample in samples:
        ward = WardId(sample["metric"].get("ward", ""))
        if ward in readings:
            readings[ward] = NoData(reason=Absence.AMBIGUOUS)
        else:
            readings[ward] = reading_of(_number(sample["value"]), n=1, age_s=age_s)
    return readings


def _number(pair: Sequence[Any]) -> float:
    """The value of a [time, "value"] pair. Raises: TypeError, ValueError."""
    _, text = pair
    if not isinstance(text, str):
        raise TypeError("Prometheus writes its numbers as text")
    return float(text)


def _error_kind(body: Mapping[str, Any]) -> str:
    """Prometheus's own word for the kind of error; its sentence quotes the query."""
    kind = str(body.get("errorType", ""))
    return kind if kind.isidentifier() else "error"
