"""Which runs should live, and what is done about those that are dead."""

from dataclasses import replace
from uuid import uuid4

import pytest

from flows import wanted
from flows.story import Telling, tell
from flows.wanted import KnownRun, RunKind
from orchestrator.core.event import (
    ApprovalGiven,
    GateAnswered,
    ResumeAgreed,
    WardAccepted,
    WardStarted,
)
from orchestrator.core.state import ProgrammeState
from tests.flows.tales import NOTES, READINESS, Tale
from tests.plans import CSO, FIRST, HEAD, LEAD, SECOND, plan

GRACE_S = 26.0


def state(tale: Tale) -> ProgrammeState:
    return tell(Telling(), tale.entries()).state


def names(tale: Tale) -> list[str]:
    return [one.deployment for one in wanted.wanted_runs(plan(), state(tale))]


@pytest.mark.parametrize(
    ("tale", "expected"),
    [
        (Tale(), []),
        (Tale().begun(), ["programme/programme", f"ward/{FIRST}"]),
        (Tale().begun().at(), ["programme/programme", f"ward/{FIRST}"]),
        (
            Tale().begun().at().say(FIRST, WardAccepted(stage=NOTES)),
            ["programme/programme", f"ward/{SECOND}"],
        ),
        (
            Tale()
            .begun()
            .at()
            .say(FIRST, WardAccepted(stage=NOTES))
            .at(SECOND)
            .say(SECOND, WardAccepted(stage=NOTES)),
            [],
        ),
        (Tale().begun().at().intended(), [f"ward/{FIRST}"]),
        (Tale().begun().at().returned(), []),
        (
            Tale()
            .begun()
            .at()
            .returned()
            .say(None, ResumeAgreed(role=CSO, reason="x"), ResumeAgreed(role=LEAD, reason="x")),
            ["programme/programme"],
        ),
        (Tale().begun().at().at(SECOND).returned(), [f"ward/{SECOND}"]),
        (
            Tale()
            .begun()
            .at()
            .returned()
            .say(FIRST, ResumeAgreed(role=CSO, reason="x"), ResumeAgreed(role=LEAD, reason="x")),
            [],
        ),
    ],
    ids=[
        "not started",
        "started",
        "first on its way",
        "first accepted",
        "all accepted",
        "returning: followed to its proof",
        "rolled back: frozen",
        "thawed, ward not resumed: only the programme",
        "frozen by one ward: the other's intents are still finished",
        "resumed but still frozen: nothing begins",
    ],
)
def test_runs_follow_the_ledger(tale: Tale, expected: list[str]) -> None:
    assert names(tale) == expected


def test_as_many_wards_at_once_as_the_plan_allows() -> None:
    both = replace(plan(), policy=replace(plan().policy, max_exposed_wards=2))
    assert wanted.due_wards(both, state(Tale().begun())) == (FIRST, SECOND)


def run(kind: RunKind, *, seen_s: float = 0.0, key: str = "") -> KnownRun:
    return KnownRun(id=uuid4(), kind=kind, seen_s=seen_s, key=key)


@pytest.mark.parametrize(
    ("kind", "seen_s", "is_alive", "dead"),
    [
        (RunKind.RUNNING, 1e9, True, False),
        (RunKind.RUNNING, GRACE_S, False, False),
        (RunKind.RUNNING, GRACE_S + 1, False, True),
        (RunKind.CANCELLING, GRACE_S + 1, False, True),
        (RunKind.PENDING, GRACE_S + 1, False, False),
        (RunKind.PENDING, 121, False, True),
        (RunKind.SCHEDULED, 1e9, False, False),
        (RunKind.PAUSED, 1e9, False, False),
    ],
    ids=[
        "renews its sign",
        "has time to show one",
        "killed",
        "cancelled and killed",
        "is being started",
        "never started",
        "waits for a worker",
        "a person suspended it",
    ],
)
def test_only_a_run_without_a_process_is_dead(
    kind: RunKind, seen_s: float, is_alive: bool, dead: bool
) -> None:
    assert wanted.is_dead(run(kind, seen_s=seen_s), is_alive=is_alive, grace_s=GRACE_S) is dead


def test_two_starters_after_the_same_run_use_the_same_key() -> None:
    last = run(RunKind.CRASHED, seen_s=60)
    assert wanted.start_key(last) == wanted.start_key(replace(last, seen_s=90))
    assert wanted.start_key(None) == "first"
    assert wanted.start_key(run(RunKind.CRASHED, seen_s=60)) != wanted.start_key(last)


@pytest.mark.parametrize(
    "last",
    [
        run(RunKind.CANCELLED, seen_s=1e9),
        run(RunKind.CRASHED, seen_s=1),
        replace(run(RunKind.FAILED, seen_s=59), name="Refused"),
        replace(run(RunKind.FAILED, seen_s=59), name="Failed"),
    ],
    ids=["a person cancelled it", "it died a moment ago", "a rule said no", "an error"],
)
def test_not_started_again_behind_a_persons_back_or_in_a_hurry(last: KnownRun) -> None:
    assert wanted.start_key(last) is None


def at_shadow(*closed: str) -> Tale:
    tale = Tale().begun().say(FIRST, WardStarted(stage=READINESS)).at_shadow()
    return tale.say(FIRST, GateAnswered(stage=NOTES, closed=closed))


@pytest.mark.parametrize(
    ("closed", "is_asked"),
    [
        (("approved",), True),
        (("in_window", "approved"), True),
        (("soaked", "approved"), False),
        (("signals_clear", "approved"), False),
        (("in_window",), False),
        ((), False),
    ],
)
def test_people_are_asked_when_the_evidence_is_complete(
    closed: tuple[str, ...], is_asked: bool
) -> None:
    forms = wanted.wanted_forms(plan(), state(at_shadow(*closed)))
    assert [form.missing for form in forms] == ([(CSO, HEAD)] if is_asked else [])


def test_a_form_asks_whoever_is_missing_and_the_same_question_once() -> None:
    (form,) = wanted.wanted_forms(plan(), state(at_shadow("approved")))
    given = at_shadow("approved").say(FIRST, ApprovalGiven(stage=NOTES, role=CSO))
    (fewer,) = wanted.wanted_forms(plan(), state(given))
    assert fewer.missing == (HEAD,)
    assert wanted.form_key(form, None) == form.key
    assert wanted.form_key(fewer, run(RunKind.COMPLETED, key=form.key)) == fewer.key
    answered_no = run(RunKind.COMPLETED, key=form.key, seen_s=60)
    assert wanted.form_key(form, answered_no) is None
    lost = run(RunKind.CRASHED, key=form.key, seen_s=60)
    assert wanted.form_key(form, lost) not in (None, form.key)


@pytest.mark.parametrize(
    ("tale", "is_asked"),
    [
        (at_shadow("approved"), True),
        (at_shadow().say(FIRST, ApprovalGiven(stage=NOTES, role=CSO)), True),
        (
            at_shadow().say(
                FIRST,
                ApprovalGiven(stage=NOTES, role=CSO),
                ApprovalGiven(stage=NOTES, role=HEAD),
            ),
            False,
        ),
        (Tale().begun().at(), False),
        (at_shadow("approved").intended(), False),
    ],
    ids=["nobody yet", "one of two", "all", "the ward is past it", "the ward goes back"],
)
def test_a_form_is_closed_when_its_answer_cannot_matter(tale: Tale, is_asked: bool) -> None:
    assert wanted.is_asked(plan(), state(tale), FIRST, NOTES) is is_asked
