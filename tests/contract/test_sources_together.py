"""All providers together: every pair is answered once, and a hung provider costs only itself."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from orchestrator.adapters.sources import SourceSet, source_set
from orchestrator.core.ids import ProviderName, SignalName
from orchestrator.core.plan import (
    Plan,
    ProbeKind,
    ProbeQuery,
    PromQuery,
    Provider,
    ProviderKind,
    Reduce,
    ScrapeQuery,
    Side,
    Signal,
)
from orchestrator.core.reading import Reading, SourceDown, Value
from orchestrator.errors import ConfigError
from orchestrator.ports import Readings, SignalSource
from tests import plans
from tests.fakes import FakeClock, FakeSource
from tests.real.servers import Reply, web_server
from wards.model import WardId

pytestmark = pytest.mark.timeout(60)
A, B = WardId("a"), WardId("b")
STAFF, LEGACY = ProviderName("staff"), ProviderName("legacy")
ONE = Value(number=1.0, n=1, age_s=0.0)
SHORT_S = 0.1
AMPLE_S = 20.0


def signal(name: str, provider: ProviderName = STAFF) -> Signal:
    return replace(plans.signal(SignalName(name)), provider=provider)


SLOW, FAST = signal("slow", LEGACY), signal("fast")


def knows(*signals: Signal) -> FakeSource:
    return FakeSource({(ward, one.name): ONE for one in signals for ward in (A, B)})


class Hanging:
    """Answers only when it is let go; counts how often it was asked."""

    def __init__(self, inner: SignalSource) -> None:
        self.inner = inner
        self.go = threading.Event()
        self.reads = 0
        self.threads: set[int] = set()

    def read(self, signals: Sequence[Signal], wards: Sequence[WardId]) -> Readings:
        self.reads += 1
        self.threads.add(threading.get_ident())
        self.go.wait(60)
        return self.inner.read(signals, wards)


class Stumbling:
    def read(self, signals: Sequence[Signal], wards: Sequence[WardId]) -> Readings:
        raise ZeroDivisionError


class Forgetful:
    """Leaves a ward out, and tells of one that nobody asked about."""

    def read(self, signals: Sequence[Signal], wards: Sequence[WardId]) -> Readings:
        return {(wards[0], signals[0].name): ONE, (WardId("stranger"), signals[0].name): ONE}


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    source = Hanging(knows(SLOW))
    yield source
    source.go.set()


def read(
    sources: Mapping[ProviderName, SignalSource],
    signals: Sequence[Signal],
    *,
    deadline_s: float = AMPLE_S,
) -> Readings:
    with closing(SourceSet(sources)) as together:
        readings = together.read_all(signals, (A, B), deadline_s=deadline_s)
    assert set(readings) == {(ward, one.name) for one in signals for ward in (A, B)}
    return readings


def test_each_provider_is_asked_for_its_own_signals_only() -> None:
    readings = read({STAFF: knows(FAST), LEGACY: knows(SLOW)}, [SLOW, FAST])
    assert set(readings.values()) == {ONE}


def test_nothing_asked_is_nothing_answered() -> None:
    assert read({STAFF: knows(FAST)}, []) == {}


def test_a_provider_that_hangs_is_down_and_the_others_are_read(hanging: Hanging) -> None:
    readings = read({STAFF: knows(FAST), LEGACY: hanging}, [SLOW, FAST], deadline_s=SHORT_S)
    assert readings[A, SLOW.name] == readings[B, SLOW.name] == SourceDown(reason="deadline")
    assert readings[A, FAST.name] == readings[B, FAST.name] == ONE


def test_a_provider_that_still_hangs_is_not_asked_again_until_it_has_ended(
    hanging: Hanging,
) -> None:
    with closing(SourceSet({STAFF: knows(FAST), LEGACY: hanging})) as together:

        def seen(deadline_s: float) -> Reading:
            return together.read_all([SLOW, FAST], (A,), deadline_s=deadline_s)[A, SLOW.name]

        assert seen(SHORT_S) == SourceDown(reason="deadline")
        before = threading.active_count()
        assert {seen(SHORT_S) for _ in range(5)} == {SourceDown(reason="still hung")}
        assert (hanging.reads, threading.active_count()) == (1, before)
        hanging.go.set()
        while (answer := seen(AMPLE_S)) == SourceDown(reason="still hung"):
            pass
        assert answer == ONE
        assert len(hanging.threads) == 1


def test_what_a_hung_read_brings_at_last_is_not_taken_for_the_present(hanging: Hanging) -> None:
    """The late answer belongs to the tick that gave it up."""
    with closing(SourceSet({LEGACY: hanging})) as together:
        together.read_all([SLOW], (A,), deadline_s=SHORT_S)
        hanging.inner = FakeSource({})
        hanging.go.set()
        while (
            answer := together.read_all([SLOW], (A,), deadline_s=AMPLE_S)[A, SLOW.name]
        ) == SourceDown(reason="still hung"):
            pass
    assert answer == SourceDown(reason="not given")


def test_a_source_that_stumbles_is_down_and_is_asked_again() -> None:
    with closing(SourceSet({STAFF: Stumbling()})) as together:
        for _ in range(2):
            (reading,) = together.read_all([FAST], (A,), deadline_s=AMPLE_S).values()
            assert reading == SourceDown(reason="the source stumbled")


def test_a_pair_that_is_left_out_is_down_and_a_stranger_is_not_told() -> None:
    readings = read({STAFF: Forgetful()}, [FAST])
    assert readings == {
        (A, "fast"): ONE,
        (B, "fast"): SourceDown(reason="left out of the answer"),
    }


def test_a_provider_that_nobody_has_is_down() -> None:
    readings = read({}, [FAST])
    assert set(readings.values()) == {SourceDown(reason="no such provider")}


# From a plan


def plan_of(*pairs: tuple[ProviderKind, Signal]) -> Plan:
    """A plan with one provider of each kind, named after it."""
    providers = tuple(
        Provider(
            name=ProviderName(kind),
            kind=kind,
            address=f"{kind}_address",
            sample_every_s=1.0,
            timeout_s=10.0,
        )
        for kind in ProviderKind
    )
    signals = tuple(replace(one, provider=ProviderName(kind)) for kind, one in pairs)
    return replace(plans.plan(), providers=providers, signals=signals)


PROM = replace(signal("prom"), query=PromQuery(promql="x"))
SCRAPE = replace(signal("scrape"), query=ScrapeQuery(metric="x", reduce=Reduce.LATEST))
PROBE = replace(signal("probe"), query=ProbeQuery(kind=ProbeKind.HTTP, of=Side.LEGACY, path="/up"))
SOUND = (
    (ProviderKind.PROMETHEUS, PROM),
    (ProviderKind.SCRAPE, SCRAPE),
    (ProviderKind.PROBE, PROBE),
)


def test_a_plan_gets_a_source_for_every_kind_of_provider() -> None:
    vector = (
        '{"status": "success", "data": {"resultType": "vector", "result": '
        f'[{{"metric": {{"ward": "{plans.FIRST}"}}, "value": [1, "2"]}}]}}}}'
    )
    pages = {
        "/api/v1/query": vector,
        "/metrics": f'x{{ward="{plans.FIRST}"}} 3\n',
        "/up": "",
    }
    with web_server(lambda asked: Reply(body=pages[asked.path])) as server:
        addresses = {
            "prometheus_address": server.url,
            "scrape_address": f"{server.url}/metrics",
            "probe_address": server.url,
        }
        plan = plan_of(*SOUND)
        with closing(source_set(plan, addresses, FakeClock())) as together:
            readings = together.read_all(plan.signals, (plans.FIRST,), deadline_s=AMPLE_S)
    numbers = {name: r.number for (_, name), r in readings.items() if isinstance(r, Value)}
    assert numbers == {"prom": 2.0, "scrape": 3.0, "probe": 1.0}


UNANSWERABLE: dict[str, tuple[ProviderKind, Signal]] = {
    "promql_for_a_page": (ProviderKind.SCRAPE, PROM),
    "a_page_for_prometheus": (ProviderKind.PROMETHEUS, SCRAPE),
    "a_page_for_a_probe": (ProviderKind.PROBE, SCRAPE),
    "a_count_from_prometheus": (ProviderKind.PROMETHEUS, replace(PROM, min_samples=30)),
    "a_rate_without_window": (
        ProviderKind.SCRAPE,
        replace(SCRAPE, query=ScrapeQuery(metric="x", reduce=Reduce.RATE_PER_S)),
    ),
}


@pytest.mark.parametrize("name", UNANSWERABLE)
def test_what_a_provider_cannot_answer_is_said_before_it_is_asked(name: str) -> None:
    addresses = {f"{kind}_address": "http://127.0.0.1:1" for kind in ProviderKind}
    with pytest.raises(ConfigError) as raised:
        source_set(plan_of(UNANSWERABLE[name], *SOUND), addresses, FakeClock())
    assert len(raised.value.problems) == 1
