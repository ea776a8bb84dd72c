"""How soon a breach was seen, and whether a return could be proven: shown, never decided by."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.decision import Decision, Rollback, Stay, StayCode
from orchestrator.core.event import Cause, Trigger
from orchestrator.core.ids import Side, SignalName, SliceName
from orchestrator.core.route import Annotation, Route, Rule
from orchestrator.core.state import Phase, WardState
from orchestrator.core.verdict import Code, Level, Verdict
from orchestrator.core.view import Care, WardView
from orchestrator.ports import ProbeAnswer
from orchestrator.service.gateways import AGAIN_S, GatewayWatch
from orchestrator.service.reaction import Onsets
from orchestrator.service.watch import TickReport, WardTick
from tests.fakes import FakeClock
from tests.property.world import InlineExecutor
from wards.model import WardId

AVA, SLOW = WardId("ava-1"), SignalName("slow")
STAY = Stay(code=StayCode.WAITING)
RETURN = Rollback(cause=Cause(trigger=Trigger.BREACH, reason="slow", signal=SLOW))


def tick(
    at_s: float,
    code: Code,
    decision: Decision = STAY,
    *,
    age_s: float | None = 0.5,
    level: Level = Level.WARN,
    phase: Phase = Phase.AT_STAGE,
) -> TickReport:
    """One tick that judged one signal 0.25 s after it began."""
    item = WardView(
        ward=AVA,
        state=WardState(ward=AVA, phase=phase),
        route=None,
        exposed=(SliceName("notes"),),
        care=Care.EXPOSED,
    )
    verdict = Verdict(signal=SLOW, level=level, code=code, age_s=age_s)
    return TickReport(
        wards=(WardTick(view=item, verdicts=(verdict,), alarms=(), decision=decision),),
        began_at_s=at_s,
        read_s=0.25,
        judged_s=0.25,
        took_s=0.5,
        is_fresh=True,
        routes_read=True,
    )


def test_detection_lasts_from_the_first_sample_beyond_to_the_decision() -> None:
    onsets = Onsets()
    assert onsets.detected(tick(10, Code.BEYOND_ONCE)) == ()
    assert onsets.detected(tick(12, Code.SOURCE_DOWN, level=Level.BLIND, age_s=None)) == ()
    assert onsets.detected(tick(14, Code.BEYOND_LIMIT, RETURN)) == (4.5,)


def test_a_good_value_between_begins_anew() -> None:
    onsets = Onsets()
    onsets.detected(tick(10, Code.BEYOND_ONCE))
    onsets.detected(tick(12, Code.WITHIN, level=Level.PASS))
    assert onsets.detected(tick(14, Code.OCCURRED, RETURN)) == (0.5,)


def test_one_return_is_counted_once_and_another_one_again() -> None:
    onsets = Onsets()
    assert onsets.detected(tick(10, Code.OCCURRED, RETURN)) == (0.5,)
    assert onsets.detected(tick(11, Code.OCCURRED, RETURN)) == ()
    assert onsets.detected(tick(12, Code.OCCURRED, RETURN, phase=Phase.RETURNING)) == ()
    onsets.detected(tick(13, Code.WITHIN, level=Level.PASS))
    assert onsets.detected(tick(14, Code.OCCURRED, RETURN)) == (0.5,)


def test_what_is_no_breach_is_no_detection() -> None:
    blind = Rollback(cause=Cause(trigger=Trigger.BLIND, reason="blind", signal=SLOW))
    assert Onsets().detected(tick(10, Code.BEYOND_LIMIT, blind)) == ()


def test_another_sentinel_that_goes_on_with_a_return_detected_nothing() -> None:
    assert Onsets().detected(tick(10, Code.OCCURRED, RETURN, phase=Phase.RETURNING)) == ()


@dataclass
class Gateways:
    """Two replicas; `late` still serves the epoch before."""

    late: bool = False
    asked: int = 0

    def probe(
        self, ward: WardId, slices: Sequence[SliceName], *, drill: str = ""
    ) -> tuple[ProbeAnswer, ...]:
        self.asked += 1
        epochs = {"one": 3, "two": 2 if self.late else 3}
        return tuple(
            ProbeAnswer(gateway=name, slice_name=one, side=Side.CANDIDATE, epoch=epoch, took_ms=1.0)
            for name, epoch in epochs.items()
            for one in slices
        )

    def open_on(self, ward: WardId, side: Side) -> int | None:
        return None


ROUTE = Route(
    ward=AVA,
    epoch=3,
    rules=(Rule(slice_name=SliceName("notes"), path_prefix="/notes", side=Side.CANDIDATE),),
    annotation=Annotation(who="test", why="test"),
)


def test_gateways_are_asked_in_turns_and_each_wrong_answer_is_told() -> None:
    gateways, clock, told = Gateways(), FakeClock(), []
    watch = GatewayWatch(gateways, clock, InlineExecutor(), lambda *round_: told.append(round_))
    watch.look((ROUTE,))
    watch.look((ROUTE,))
    assert told == [(2, 0)]
    clock.advance(AGAIN_S)
    gateways.late = True
    watch.look((ROUTE,))
    assert told == [(2, 0), (2, 1)]


def test_with_nothing_exposed_nobody_is_asked() -> None:
    gateways = Gateways()
    GatewayWatch(gateways, FakeClock(), InlineExecutor(), lambda *_: None).look(())
    assert gateways.asked == 0
