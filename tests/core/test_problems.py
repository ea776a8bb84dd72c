"""One broken thing in a sound plan is found, named by its place, and nothing else is said."""

from dataclasses import replace
from datetime import date, time

import pytest

from orchestrator.core.ids import ProviderName, Role, Side, SignalName, SliceName
from orchestrator.core.plan import (
    AlertPolicy,
    ProbeKind,
    ProbeQuery,
    PromQuery,
    ProviderKind,
    Soak,
    StopPolicy,
)
from orchestrator.core.problems import CHECKS, problems
from orchestrator.core.threshold import BaselineRatio, Direction, Limit, Repetition
from tests.plans import CSO, FIRST, NOTES, RESULTS, plan, signal, ward
from wards.shifts import ShiftKind, ShiftSpan

TEXT, SLOW, LOGINS, LEGACY = range(4)
READINESS, SHADOW, FIRST_SLICE, ALL, ACCEPTED = range(5)


def at(items, place, **changes):
    """The items with one of them changed."""
    return (*items[:place], replace(items[place], **changes), *items[place + 1 :])


def in_plan(section, place, **changes):
    return lambda it: replace(it, **{section: at(getattr(it, section), place, **changes)})


def in_policy(**changes):
    return lambda it: replace(it, policy=replace(it.policy, **changes))


def with_prometheus(**changes):
    """The slow-screens signal asked of Prometheus."""

    def change(it):
        asked = replace(
            it.providers[0], kind=ProviderKind.PROMETHEUS, name=ProviderName("prom"), metrics=()
        )
        it = replace(it, providers=(*it.providers, asked))
        query = PromQuery(promql="slow_screens")
        return in_plan("signals", SLOW, provider=asked.name, query=query, **changes)(it)

    return change


def called_drill(it):
    """The results' slice is called drill, wherever it is named."""

    def renamed(names):
        return tuple("drill" if name == RESULTS else name for name in names)

    stages = tuple(
        replace(one, candidate=renamed(one.candidate), mirrored=renamed(one.mirrored))
        for one in it.stages
    )
    wards = tuple(replace(one, slices=renamed(one.slices)) for one in it.wards)
    return replace(in_plan("slices", 1, name="drill")(it), stages=stages, wards=wards)


def patterns(*spans):
    return (replace(plan().wards[0].patterns[0], spans=spans),)


SOUND = plan()
SPANS = SOUND.wards[0].patterns[0].spans
NOBODY = SliceName("nothing")
PROBE = ProbeQuery(kind=ProbeKind.HTTP, of=Side.CANDIDATE)

BROKEN = {
    "severity twice": (
        in_policy(alerts=AlertPolicy(holds=("critical",))),
        ("policy", "alerts", "holds"),
        "a return and for a hold",
    ),
    "label twice": (
        in_policy(alerts=AlertPolicy(slice_label="ward")),
        ("policy", "alerts"),
        "one label",
    ),
    "report forgotten too soon": (
        in_policy(stop=StopPolicy(window_s=60.0, acknowledge_within_s=61.0)),
        ("policy", "stop", "acknowledge_within_s"),
        "forgotten",
    ),
    "unknown role stops": (
        in_policy(stop=StopPolicy(roles=(Role("nobody"),))),
        ("policy", "stop", "roles"),
        "",
    ),
    "ward twice": (
        lambda it: replace(it, wards=(*it.wards, ward(FIRST))),
        ("wards", 2),
        "there twice",
    ),
    "signal twice": (
        lambda it: replace(it, signals=(*it.signals, it.signals[SLOW])),
        ("signals", 4),
        "there twice",
    ),
    "a slice named as a drill's rule": (
        called_drill,
        ("slices", 1, "name"),
        "names a rule",
    ),
    "path twice": (
        in_plan("slices", 1, path_prefix="/notes"),
        ("slices", 1, "path_prefix"),
        "another slice",
    ),
    "unknown hospital": (
        in_plan("wards", 0, hospital="sass"),
        ("wards", 0, "hospital"),
        "did you mean sas?",
    ),
    "unknown slice of a ward": (
        in_plan("wards", 0, slices=("notes", "resultss")),
        ("wards", 0, "slices"),
        "did you mean results?",
    ),
    "no shifts": (in_plan("wards", 0, patterns=()), ("wards", 0, "shift_pattern"), "no such"),
    "unknown slice mirrored": (
        in_plan("stages", SHADOW, mirrored=(NOTES, NOBODY)),
        ("stages", SHADOW, "mirrored"),
        "not known",
    ),
    "unknown role approves": (
        in_plan("stages", ACCEPTED, approvals=(Role("nurse"),)),
        ("stages", ACCEPTED, "approvals"),
        "not known",
    ),
    "unknown role resumes": (
        in_policy(resume_roles=(CSO, Role("lead"))),
        ("policy", "resume_roles"),
        "not known",
    ),
    "unknown slice of a signal": (
        in_plan("signals", SLOW, slice_name=NOBODY),
        ("signals", SLOW, "slice"),
        "not known",
    ),
    "unknown provider": (
        in_plan("signals", SLOW, provider=ProviderName("stuff")),
        ("signals", SLOW, "provider"),
        "did you mean staff?",
    ),
    "wrong kind of question": (
        in_plan("signals", SLOW, query=PROBE),
        ("signals", SLOW, "provider"),
        "cannot answer",
    ),
    "unknown metric": (
        in_plan("providers", 0, metrics=("text_lost", "failed_logins")),
        ("signals", SLOW, "scrape", "metric"),
        "slow_screens is not known",
    ),
    "a number without its count": (
        with_prometheus(min_samples=2),
        ("signals", SLOW, "min_samples"),
        "how many observations",
    ),
    "fresh shorter than a sample": (
        in_plan("signals", SLOW, fresh_within_s=1.9),
        ("signals", SLOW, "fresh_within_s"),
        "shorter than",
    ),
    "three of the last two": (
        in_plan("signals", SLOW, threshold=Limit(
            direction=Direction.AT_MOST, limit=2.0, repetition=Repetition(m=3, n=2)
        )),
        ("signals", SLOW, "threshold", "of_the_last_ticks"),
        "cannot be",
    ),
    "warned after the limit": (
        in_plan("signals", SLOW, threshold=Limit(
            direction=Direction.AT_MOST, limit=2.0, warn=3.0
        )),
        ("signals", SLOW, "threshold", "warn"),
        "comes after",
    ),
    "warned after the limit, downwards": (
        in_plan("signals", SLOW, threshold=Limit(
            direction=Direction.AT_LEAST, limit=2.0, warn=1.0
        )),
        ("signals", SLOW, "threshold", "warn"),
        "comes after",
    ),
    "baseline beyond the limit": (
        in_plan("signals", LOGINS, threshold=BaselineRatio(
            direction=Direction.AT_MOST, times=0.5
        )),
        ("signals", LOGINS, "threshold"),
        "legacy itself",
    ),
    "blind longer than harm": (
        in_plan("signals", SLOW, blind_patience_s=31.0),
        ("signals", SLOW, "blind_patience_s"),
        "without sight",
    ),
    "back on the way forward": (
        in_plan("stages", ALL, candidate=(RESULTS,)),
        ("stages", ALL, "candidate"),
        "would go back",
    ),
    "mirrored and worked": (
        in_plan("stages", FIRST_SLICE, mirrored=(NOTES, RESULTS)),
        ("stages", FIRST_SLICE, "mirrored"),
        "at once",
    ),
    "exposed from the start": (
        lambda it: in_plan("stages", READINESS, candidate=(NOTES,), approvals=(CSO,))(
            in_plan("stages", SHADOW, candidate=(NOTES,), mirrored=(RESULTS,))(it)
        ),
        ("stages", 0, "candidate"),
        "first stage exposes",
    ),
    "accepted with a slice on legacy": (
        lambda it: in_plan("stages", ALL, candidate=(NOTES,))(
            in_plan("stages", ACCEPTED, candidate=(NOTES,))(it)
        ),
        ("stages", ACCEPTED, "candidate"),
        "leaves slices on legacy",
    ),
    "no soak": (
        lambda it: in_plan("stages", FIRST_SLICE, soak=Soak())(
            in_plan("stages", ALL, soak=Soak())(it)
        ),
        ("stages",),
        "soaks before acceptance",
    ),
    "more nights than shifts": (
        in_plan("stages", ALL, soak=Soak(shifts=1, nights=2)),
        ("stages", ALL, "soak"),
        "more nights",
    ),
    "nobody asked": (
        in_plan("stages", FIRST_SLICE, approvals=()),
        ("stages", FIRST_SLICE),
        "nobody is asked",
    ),
    "no proof of legacy": (
        lambda it: replace(it, signals=it.signals[:LEGACY]),
        ("signals",),
        "ready to be returned to",
    ),
    "no never event": (
        in_plan("signals", TEXT, threshold=Limit(direction=Direction.AT_MOST, limit=0.0)),
        ("signals",),
        "no never event",
    ),
    "lease too short": (
        in_policy(lease_s=5.9),
        ("policy", "lease_s"),
        "may look dead",
    ),
    "slow reading": (
        in_policy(query_budget_s=8.1),
        ("policy", "query_budget_s"),
        "longer than a lease",
    ),
    "one role resumes": (
        in_policy(resume_roles=(CSO, CSO)),
        ("policy", "resume_roles"),
        "two different roles",
    ),
    "an hour without staff": (
        in_plan("wards", 1, patterns=patterns(*SPANS[:2], replace(SPANS[2], end=time(6)))),
        ("wards", 1, "shift_pattern"),
        "nobody is on duty",
    ),
}  # fmt: skip


def test_the_sound_plan_is_sound():
    assert problems(SOUND) == ()
    assert problems(with_prometheus()(SOUND)) == ()


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_one_broken_thing_is_one_problem(case):
    change, where, said = BROKEN[case]
    found = problems(change(SOUND))
    assert [problem.where for problem in found] == [where]
    assert said in f"{found[0].what}. {found[0].todo}"
    assert found[0].todo


def test_unwatched_slices_are_named_in_every_stage():
    only_notes = replace(
        SOUND, signals=tuple(replace(one, slice_name=NOTES) for one in SOUND.signals)
    )
    found = problems(only_notes)
    assert {problem.where for problem in found} == {
        ("stages", ALL, "candidate"),
        ("stages", ACCEPTED, "candidate"),
    }
    assert all("results would be exposed without any signal" in problem.what for problem in found)


def test_an_impossible_harm_window_names_each_signal_that_is_too_slow():
    found = problems(in_policy(max_harm_window_s=4.0)(SOUND))
    too_slow = [problem.where for problem in found if "from harm to proof" in problem.what]
    assert ("signals", SLOW) in too_slow
    assert ("signals", LEGACY) not in too_slow


def test_windows_that_never_open_are_found_for_each_ward():
    weekend = replace(SOUND.windows, weekdays=frozenset(), on_holidays=False)
    found = problems(replace(SOUND, windows=weekend))
    assert [problem.where for problem in found] == [("windows",), ("windows",)]
    assert FIRST in found[0].what


def test_a_pattern_that_ends_before_the_programme_begins_leaves_nobody_on_duty():
    late = (replace(SOUND.wards[0].patterns[0], effective_from=date(2027, 3, 2)),)
    found = problems(in_plan("wards", 0, patterns=late)(SOUND))
    assert [problem.where for problem in found] == [("wards", 0, "shift_pattern")]


def test_all_at_once_and_in_the_order_of_the_checks():
    every = SOUND
    for case in ("path twice", "unknown provider", "nobody asked", "one role resumes"):
        every = BROKEN[case][0](every)
    found = [problem.where[0] for problem in problems(every)]
    assert found == ["slices", "signals", "stages", "policy"]


def test_every_check_finds_something():
    """A check that no case above can make speak is not tested, or does nothing."""
    silent = [
        check.__name__
        for check in CHECKS
        if not any(list(check(change(SOUND))) for change, _, _ in BROKEN.values())
    ]
    assert silent == []


def test_day_shifts_only_is_a_ward_that_sleeps():
    days = (
        ShiftSpan(kind=ShiftKind.DAY, start=time(7), end=time(15), weekdays=frozenset(range(7))),
    )
    found = problems(in_plan("wards", 0, patterns=patterns(*days))(SOUND))
    assert "nobody is on duty" in found[0].what


def test_a_signal_of_legacy_may_be_blind_longer():
    """Its patience is no time that anybody is exposed."""
    patient = replace(
        signal(SignalName("patient"), patience_s=60.0), purpose=SOUND.signals[LEGACY].purpose
    )
    assert problems(replace(SOUND, signals=(*SOUND.signals, patient))) == ()
