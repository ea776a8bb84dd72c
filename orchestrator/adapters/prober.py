"""Asks the data plane itself, as a ward, who serves each slice and under which epoch.

Invariant: only a good answer that names its system and its epoch is a side. A 404, a 5xx,
a redirect or an answer without those headers is none, whatever else it says.
Source: design rule 6 and section 7; a gateway that has lost its routes answers 404.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import BoundedSemaphore

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.http import Answer, Failure, Http
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.route import DRILL_HEADER
from orchestrator.ports import ProbeAnswer
from wards.model import WardId

QUESTION = "/fhir/metadata"
AT_ONCE = 16  # probes under way through one gateway
ROUNDS_AT_ONCE = 2
_clock = SystemClock()


class GatewayProber:
    """The prober port, through every replica of the gateway. Thread-safe.

    Each replica has threads of its own, so that one that hangs costs the others nothing.
    A round of probes ends after `timeout_s`; what was not answered by then is no answer. Few rounds
    are under way at once: a hundred wards that return together neither wait in vain for each
    other's probes nor take the machine from the writes, which come first.

    Args:
        prefixes: slice -> path prefix.
    """

    def __init__(
        self,
        gateways: Sequence[str],
        admin_url: str,
        prefixes: Mapping[SliceName, str],
        *,
        timeout_s: float,
    ) -> None:
        self._prefixes = dict(prefixes)
        self._timeout_s = timeout_s
        self._admin_url = admin_url.rstrip("/")
        self._http = Http("gateway", timeout_s=timeout_s)
        self._pools = {
            gateway.rstrip("/"): ThreadPoolExecutor(AT_ONCE, thread_name_prefix="probe")
            for gateway in gateways
        }
        self._turns = BoundedSemaphore(ROUNDS_AT_ONCE)

    def probe(
        self, ward: WardId, slices: Sequence[SliceName], *, drill: str = ""
    ) -> tuple[ProbeAnswer, ...]:
        """One answer for each slice through each gateway, gateway by gateway. Never raises."""
        if not self._turns.acquire(timeout=self._timeout_s):
            everywhere = [(gateway, name) for gateway in self._pools for name in slices]
            return tuple(_nothing(*one, "too many probes wait") for one in everywhere)
        try:
            return self._round(_identity(ward, drill), slices)
        finally:
            self._turns.release()

    def _round(
        self, identity: Mapping[str, str], slices: Sequence[SliceName]
    ) -> tuple[ProbeAnswer, ...]:
        asked = {
            (gateway, name): pool.submit(self._ask, gateway, identity, name)
            for gateway, pool in self._pools.items()
            for name in slices
        }
        wait(asked.values(), timeout=self._timeout_s)
        return tuple(self._answered(*key, future) for key, future in asked.items())

    def open_on(self, ward: WardId, side: Side) -> int | None:
        """Requests and streams open on a side now, over all replicas; None: not countable."""
        if not self._admin_url:
            return None
        answer = self._http.ask("GET", f"{self._admin_url}/connections?ward={ward}")
        if isinstance(answer, Failure) or not answer.is_good:
            return None
        return _count(answer, side)

    def close(self) -> None:
        """End the threads and give the connections back."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)
        self._http.close()

    def _ask(self, gateway: str, identity: Mapping[str, str], name: SliceName) -> ProbeAnswer:
        began_s = _clock.monotonic()
        prefix = self._prefixes.get(name)
        if prefix is None:
            return _nothing(gateway, name, "no path is known for this slice")
        answer = self._http.ask(
            "GET",
            f"{gateway}{prefix.rstrip('/')}{QUESTION}",
            headers=identity,
        )
        return _read(gateway, name, answer, took_ms=(_clock.monotonic() - began_s) * 1000)

    def _answered(self, gateway: str, name: SliceName, future: Future[ProbeAnswer]) -> ProbeAnswer:
        if future.done():
            return future.result()
        future.cancel()
        return _nothing(gateway, name, "no answer in time", took_ms=self._timeout_s * 1000)


def _identity(ward: WardId, drill: str) -> Mapping[str, str]:
    if not drill:
        return {"x-ward": ward, "x-client": "probe"}
    return {"x-ward": ward, "x-client": "drill", DRILL_HEADER: drill}


def _read(
    gateway: str, name: SliceName, answer: Answer | Failure, *, took_ms: float
) -> ProbeAnswer:
    if isinstance(answer, Failure):
        return _nothing(gateway, name, answer.reason, took_ms=took_ms)
    if not answer.is_good:
        return _nothing(gateway, name, f"answered {answer.status}", took_ms=took_ms)
    system, epoch = answer.headers.get("x-ehr-system"), answer.headers.get("x-wardshift-epoch", "")
    if system not in tuple(Side) or not (epoch.isascii() and epoch.isdigit()):
        return _nothing(gateway, name, "the answer does not say who gave it", took_ms=took_ms)
    return ProbeAnswer(
        gateway=gateway, slice_name=name, side=Side(system), epoch=int(epoch), took_ms=took_ms
    )


def _nothing(gateway: str, name: SliceName, problem: str, *, took_ms: float = 0.0) -> ProbeAnswer:
    return ProbeAnswer(
        gateway=gateway, slice_name=name, side=None, epoch=None, took_ms=took_ms, problem=problem
    )


def _count(answer: Answer, side: Side) -> int | None:
    try:
        found = answer.json()[side]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None
