"""What is wrong with a plan although its shape is right. All of it at once.

Each check is a function from the plan to problems; CHECKS is their order. A problem names
the place as a path into the plan's file, what is wrong, and what to do.
Source: design section 5.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from difflib import get_close_matches
from functools import cache
from itertools import pairwise

from orchestrator.core.budget import budgets, lease_need_s
from orchestrator.core.plan import (
    Plan,
    ProbeQuery,
    PromQuery,
    ProviderKind,
    Purpose,
    ScrapeQuery,
    Signal,
    Stage,
)
from orchestrator.core.threshold import BaselineRatio, Direction, Limit, Tripwire
from wards.shifts import Patterns, shifts_between
from wards.windows import next_open

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Where (a path into the file), what is wrong, and what to do."""

    where: Place
    what: str
    todo: str


Check = Callable[[Plan], Iterator[Problem]]
QUERY_OF = {
    ProviderKind.SCRAPE: ScrapeQuery,
    ProviderKind.PROMETHEUS: PromQuery,
    ProviderKind.PROBE: ProbeQuery,
}
NEEDED_ROLES = 2
RESERVED = ("fallback", "drill")  # rules of a route that are no slice's
A_WEEK = timedelta(days=7)


def problems(plan: Plan) -> tuple[Problem, ...]:
    """Everything that is wrong with the plan, in the order of CHECKS; empty when it is sound."""
    return tuple(problem for check in CHECKS for problem in check(plan))


def nearest(name: str, known: Sequence[str]) -> str:
    """What to write instead of an unknown name."""
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known) or 'none'}"


def _unique(plan: Plan) -> Iterator[Problem]:
    named = {
        "wards": [ward.id for ward in plan.wards],
        "slices": [item.name for item in plan.slices],
        "stages": [stage.name for stage in plan.stages],
        "providers": [provider.name for provider in plan.providers],
        "signals": [signal.name for signal in plan.signals],
        "hospitals": [hospital.id for hospital in plan.hospitals],
    }
    for section, names in named.items():
        seen: Counter[str] = Counter()
        for place, name in enumerate(names):
            seen[name] += 1
            if seen[name] > 1:
                yield Problem(
                    where=(section, place),
                    what=f"{name} is there twice",
                    todo="give each its own name; two wards cannot share a route",
                )


def _prefixes(plan: Plan) -> Iterator[Problem]:
    seen: Counter[str] = Counter()
    for place, item in enumerate(plan.slices):
        seen[item.path_prefix] += 1
        if seen[item.path_prefix] > 1:
            yield Problem(
                where=("slices", place, "path_prefix"),
                what=f"{item.path_prefix} belongs to another slice already",
                todo="give each slice a path of its own",
            )
        if item.name in RESERVED:
            yield Problem(
                where=("slices", place, "name"),
                what=f"{item.name} names a rule of every route, or of a drill",
                todo="name the slice otherwise",
            )


def _references(plan: Plan) -> Iterator[Problem]:
    slices = [item.name for item in plan.slices]
    roles = list(plan.roles)
    for place, ward in enumerate(plan.wards):
        at: Place = ("wards", place)
        yield from _known((*at, "hospital"), [ward.hospital], [h.id for h in plan.hospitals])
        yield from _known((*at, "slices"), ward.slices, slices)
        if not ward.patterns:
            yield Problem(
                where=(*at, "shift_pattern"),
                what="no such shift pattern",
                todo="name one of the entries of shift_patterns",
            )
    for place, stage in enumerate(plan.stages):
        at = ("stages", place)
        yield from _known((*at, "candidate"), stage.candidate, slices)
        yield from _known((*at, "mirrored"), stage.mirrored, slices)
        yield from _known((*at, "approvals"), stage.approvals, roles)
    policy = plan.policy
    yield from _known(("policy", "resume_roles"), policy.resume_roles, roles)
    yield from _known(("policy", "stop", "roles"), policy.stop.roles, roles)
    yield from _known(("policy", "stop", "alone"), policy.stop.alone, roles)
    yield from _known(("policy", "cancel", "alert"), policy.cancel.alert, roles)
    yield from _known(("policy", "cancel", "stop"), policy.cancel.stop, roles)


def _known(where: Place, names: Sequence[str], known: Sequence[str]) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            yield Problem(where=where, what=f"{name} is not known", todo=nearest(name, known))


def _signals(plan: Plan) -> Iterator[Problem]:
    for place, signal in enumerate(plan.signals):
        at: Place = ("signals", place)
        if signal.slice_name is not None:
            names = [item.name for item in plan.slices]
            yield from _known((*at, "slice"), [signal.slice_name], names)
        yield from _asks(plan, signal, at)
        yield from _threshold(signal, (*at, "threshold"))
        yield from _patience(plan, signal, at)


def _asks(plan: Plan, signal: Signal, at: Place) -> Iterator[Problem]:
    names = [provider.name for provider in plan.providers]
    yield from _known((*at, "provider"), [signal.provider], names)
    for provider in plan.providers:
        if provider.name != signal.provider:
            continue
        if type(signal.query) is not QUERY_OF[provider.kind]:
            yield Problem(
                where=(*at, "provider"),
                what=f"{provider.name} is a {provider.kind} and cannot answer this question",
                todo=f"ask it with a {provider.kind} section, or name another provider",
            )
        elif isinstance(signal.query, ScrapeQuery) and provider.metrics:
            asked = [signal.query.metric, *([signal.query.per] if signal.query.per else [])]
            yield from _known((*at, "scrape", "metric"), asked, provider.metrics)
        elif isinstance(signal.query, PromQuery) and signal.min_samples > 1:
            yield Problem(
                where=(*at, "min_samples"),
                what="PromQL answers one number and not how many observations are behind it",
                todo="leave it out, and put the least count into the query (and count >= 20)",
            )
        if provider.sample_every_s + plan.policy.tick_s > signal.fresh_within_s:
            yield Problem(
                where=(*at, "fresh_within_s"),
                what=f"{signal.fresh_within_s:g} s is shorter than a sample and a tick together",
                todo=f"at least {provider.sample_every_s + plan.policy.tick_s:g}",
            )


def _threshold(signal: Signal, at: Place) -> Iterator[Problem]:
    threshold = signal.threshold
    if isinstance(threshold, Tripwire):
        return
    repetition = threshold.repetition
    if not 1 <= repetition.m <= repetition.n:
        yield Problem(
            where=(*at, "of_the_last_ticks"),
            what=f"{repetition.m} of the last {repetition.n} ticks cannot be",
            todo="write [m, n] with 1 <= m <= n",
        )
    limit = threshold.limit if isinstance(threshold, Limit) else threshold.times
    warn = threshold.warn if isinstance(threshold, Limit) else threshold.warn_times
    if warn is not None and _is_past(threshold.direction, warn, limit):
        yield Problem(
            where=(*at, "warn"),
            what=f"a warning at {warn:g} comes after the limit {limit:g}",
            todo="warn on the healthy side of the limit",
        )
    if isinstance(threshold, BaselineRatio) and _is_past(threshold.direction, 1.0, limit):
        yield Problem(
            where=at,
            what=f"{limit:g} times the baseline is worse than legacy itself is allowed to be",
            todo="the baseline itself must be within the limit",
        )


def _is_past(direction: Direction, value: float, limit: float) -> bool:
    return value > limit if direction is Direction.AT_MOST else value < limit


def _patience(plan: Plan, signal: Signal, at: Place) -> Iterator[Problem]:
    window = plan.policy.max_harm_window_s
    if signal.purpose is Purpose.SAFETY and signal.blind_patience_s > window:
        yield Problem(
            where=(*at, "blind_patience_s"),
            what=f"{signal.blind_patience_s:g} s without sight is longer than the harm window "
            f"of {window:g} s",
            todo=f"at most {window:g}, or a longer max_harm_window_s that somebody answers for",
        )


def _ladder(plan: Plan) -> Iterator[Problem]:
    slices = {item.name for item in plan.slices}
    for place, (before, after) in enumerate(pairwise(plan.stages), 1):
        lost = set(before.candidate) - set(after.candidate)
        if lost:
            yield Problem(
                where=("stages", place, "candidate"),
                what=f"{', '.join(sorted(lost))} would go back to legacy on the way forward",
                todo="a stage keeps what the one before it exposes",
            )
        both = set(after.candidate) & set(after.mirrored)
        if both:
            yield Problem(
                where=("stages", place, "mirrored"),
                what=f"{', '.join(sorted(both))} is mirrored and worked in the candidate at once",
                todo="mirror only what stays on legacy",
            )
    if plan.stages[0].candidate:
        yield Problem(
            where=("stages", 0, "candidate"),
            what="the first stage exposes patients",
            todo="begin with a stage that changes nothing, so that gates stand before exposure",
        )
    if set(plan.stages[-1].candidate) != slices:
        yield Problem(
            where=("stages", len(plan.stages) - 1, "candidate"),
            what="the last stage is acceptance and leaves slices on legacy",
            todo="list every slice in it",
        )
    yield from _soak(plan)
    yield from _exposed_unapproved(plan)


def _soak(plan: Plan) -> Iterator[Problem]:
    exposing = [stage for stage in plan.stages[:-1] if stage.candidate]
    if exposing and not any(stage.soak.shifts for stage in exposing):
        yield Problem(
            where=("stages",),
            what="no stage that exposes patients soaks before acceptance",
            todo="give the last of them a soak in whole shifts",
        )
    for place, stage in enumerate(plan.stages):
        if stage.soak.nights > stage.soak.shifts or stage.soak.weekend_shifts > stage.soak.shifts:
            yield Problem(
                where=("stages", place, "soak"),
                what="more nights or weekend shifts than shifts",
                todo="shifts counts all of them",
            )


def _exposed_unapproved(plan: Plan) -> Iterator[Problem]:
    for place, stage in enumerate(plan.stages):
        if stage.candidate and _is_first_exposure(plan, stage) and not stage.approvals:
            yield Problem(
                where=("stages", place),
                what="patients are exposed here for the first time and nobody is asked",
                todo="name at least one role in approvals",
            )


def _is_first_exposure(plan: Plan, stage: Stage) -> bool:
    return next(one for one in plan.stages if one.candidate) is stage


def _watched(plan: Plan) -> Iterator[Problem]:
    safety = plan.signals_for(Purpose.SAFETY)
    if not plan.signals_for(Purpose.LEGACY_READY):
        yield Problem(
            where=("signals",),
            what="nothing proves that legacy is ready to be returned to",
            todo="add a probe of legacy with purpose: legacy_ready",
        )
    if not any(isinstance(signal.threshold, Tripwire) for signal in safety):
        yield Problem(
            where=("signals",),
            what="no never event is watched",
            todo="add a signal with threshold: {tripwire: true}",
        )
    for place, stage in enumerate(plan.stages):
        unwatched = [
            name
            for name in stage.candidate
            if not any(signal.slice_name in (None, name) for signal in safety)
        ]
        if unwatched:
            yield Problem(
                where=("stages", place, "candidate"),
                what=f"{', '.join(unwatched)} would be exposed without any signal",
                todo="watch it with a signal of that slice",
            )


def _timing(plan: Plan) -> Iterator[Problem]:
    policy = plan.policy
    need_s = lease_need_s(plan)
    if need_s > policy.lease_s:
        yield Problem(
            where=("policy", "lease_s"),
            what=f"a living sentinel may look dead: tick + 2 retries + margin = {need_s:g} s, "
            f"lease {policy.lease_s:g} s",
            todo=f"at least {need_s:g}",
        )
    if policy.query_budget_s > policy.lease_s:
        yield Problem(
            where=("policy", "query_budget_s"),
            what="reading may take longer than a lease",
            todo=f"below {policy.lease_s:g}",
        )
    places = {signal.name: place for place, signal in enumerate(plan.signals)}
    for budget in budgets(plan):
        if budget.total_s > policy.max_harm_window_s:
            yield Problem(
                where=("signals", places[budget.signal]),
                what=f"from harm to proof takes {budget.total_s:.1f} s at worst, allowed are "
                f"{policy.max_harm_window_s:g} s",
                todo="a faster source, fewer ticks to confirm, or a longer window that somebody "
                "answers for",
            )


def _roles(plan: Plan) -> Iterator[Problem]:
    if len(set(plan.policy.resume_roles)) < NEEDED_ROLES:
        yield Problem(
            where=("policy", "resume_roles"),
            what="two different roles must agree before a returned ward goes on",
            todo="name at least two",
        )


def _concerns(plan: Plan) -> Iterator[Problem]:
    alerts, stop = plan.policy.alerts, plan.policy.stop
    for severity in sorted(set(alerts.returns) & set(alerts.holds)):
        yield Problem(
            where=("policy", "alerts", "holds"),
            what=f"{severity} asks for a return and for a hold",
            todo="put it in one of the two lists",
        )
    labels = (alerts.ward_label, alerts.slice_label, alerts.severity_label)
    if len(set(labels)) < len(labels):
        yield Problem(
            where=("policy", "alerts"),
            what="one label cannot name ward, slice and severity",
            todo="give each a label of its own",
        )
    if stop.acknowledge_within_s > stop.window_s:
        yield Problem(
            where=("policy", "stop", "acknowledge_within_s"),
            what=f"a report is forgotten after {stop.window_s:g} s, before anybody must take it",
            todo=f"at most {stop.window_s:g}",
        )


def _hours(plan: Plan) -> Iterator[Problem]:
    start = datetime.combine(plan.starts_on, time(), tzinfo=plan.zone)

    # Many wards share a pattern, and looking for an hour is the slow part of reading a plan.
    @cache
    def first_gap(patterns: Patterns) -> datetime | None:
        return _first_gap(plan, patterns, start)

    @cache
    def opens_at(patterns: Patterns) -> datetime | None:
        return next_open(plan.windows, patterns, plan.zone, start)

    for place, ward in enumerate(plan.wards):
        if not ward.patterns:
            continue
        gap = first_gap(ward.patterns)
        if gap is not None:
            yield Problem(
                where=("wards", place, "shift_pattern"),
                what=f"nobody is on duty on {gap:%A %H:%M}",
                todo="shifts must cover every hour from the programme's start",
            )
        elif opens_at(ward.patterns) is None:
            yield Problem(
                where=("windows",),
                what=f"they never open for {ward.id} in the 30 days after {plan.starts_on}",
                todo="wider hours, or smaller distances from handovers",
            )


def _first_gap(plan: Plan, patterns: Patterns, start: datetime) -> datetime | None:
    """The first local moment of the first week at which no shift is at work."""
    covered = start
    for shift in shifts_between(patterns, plan.zone, start, start + A_WEEK):
        if shift.start > covered:
            return covered.astimezone(plan.zone)
        covered = max(covered, shift.end)
    return None if covered >= start + A_WEEK else covered.astimezone(plan.zone)


CHECKS: tuple[Check, ...] = (
    _unique,
    _prefixes,
    _references,
    _signals,
    _ladder,
    _watched,
    _timing,
    _roles,
    _concerns,
    _hours,
)
