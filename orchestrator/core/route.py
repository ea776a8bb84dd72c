"""Which side serves each slice of a ward, and what it takes to get from one route to another.

Invariant: every slice is wholly on one side; the fallback is always legacy; a write
carries an epoch greater than any before it. A drill puts nobody on the candidate but whoever
carries its word, so it is no exposure. Source: design sections 7 and 8, rule 4.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator.core.ids import Side, SliceName
from orchestrator.core.plan import Plan, Slice, Stage
from wards.model import WardId

NO_GRANT = 0  # no route has this epoch: a grant of it allows nothing
RETURN_MARK = "rollback: "  # how the reason on a route begins when the route is a return
DRILL_MARK = "drill: "  # and when it was written by a drill that has not ended yet
DRILL = SliceName("drill")  # the name of its rule, which no slice may have
DRILL_HEADER = "x-wardshift-drill"  # whose exact value is the drill's word
DRILL_WORD = re.compile(r"[0-9a-f]{32}")  # nobody comes upon it by chance
MOST_EPOCH = 10**18 - 1  # of a return; what exposes has a digit less (deploy/, the fence)
# What a Gateway API path prefix may consist of.
_PREFIX = re.compile(
    r"(?!.*(?://|/\.\.?/|/\.\.?$|%2[fF]))/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One named rule: a slice's path prefix, its one backend, and whether reads are mirrored."""

    slice_name: SliceName
    path_prefix: str
    side: Side
    mirrored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """For people who look at the route: whose hand, why, in which run."""

    who: str
    why: str
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A ward's whole route. Everything no rule names is served by legacy.

    `drill`: the word of a drill; requests that carry it, and no others, are served by the
    candidate for every slice. Empty: there is no drill.
    """

    ward: WardId
    epoch: int
    rules: tuple[Rule, ...]
    annotation: Annotation
    drill: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRoute:
    """A route as read, with the version that a compare-and-set must name.

    `granted`: the epoch under which the sentinel allows one forward write; any write of the
    route takes it away.
    """

    route: Route
    resource_version: str
    granted: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """One slice's move: side and mirroring before and after; None where the rule is not there.

    A drill that came, went or has another word is a change of the slice DRILL without rules.
    """

    slice_name: SliceName
    before: Rule | None
    after: Rule | None


def rules_for(slices: Iterable[Slice], stage: Stage | None) -> tuple[Rule, ...]:
    """The rules that a stage wants; without a stage everything is on legacy."""
    return tuple(_rule(item, stage) for item in slices)


def desired_route(
    plan: Plan, ward: WardId, stage: Stage | None, *, epoch: int, annotation: Annotation
) -> Route:
    """The whole route of a ward at a stage; None is the return to legacy."""
    return Route(ward=ward, epoch=epoch, rules=rules_for(plan.slices, stage), annotation=annotation)


def all_legacy(route: Route, *, epoch: int, annotation: Annotation) -> Route:
    """The same route with every slice on legacy, nothing mirrored and no drill; needs no plan.

    What only calls itself a drill is left out: its slices have rules of their own. So is a rule
    whose path is no prefix (a pattern): it could not be written, and the fallback is legacy too.
    """
    rules = tuple(
        Rule(slice_name=rule.slice_name, path_prefix=rule.path_prefix, side=Side.LEGACY)
        for rule in route.rules
        if not is_drill_name(rule.slice_name) and _PREFIX.fullmatch(rule.path_prefix)
    )
    return Route(ward=route.ward, epoch=epoch, rules=rules, annotation=annotation)


def no_further(wanted: Route, observed: Route) -> Route:
    """The wanted route, but with nothing on the candidate that is not there now: giving up a
    promotion may take exposure away, and never gives any."""
    exposed = exposed_slices(observed)
    rules = tuple(
        rule
        if rule.side is Side.LEGACY or rule.slice_name in exposed
        else replace(rule, side=Side.LEGACY)
        for rule in wanted.rules
    )
    return replace(wanted, rules=rules)


def exposed_slices(route: Route) -> tuple[SliceName, ...]:
    """The slices that clinicians work in the candidate."""
    return tuple(rule.slice_name for rule in route.rules if rule.side is Side.CANDIDATE)


def is_exposed(route: Route) -> bool:
    """Whether any slice is worked in the candidate."""
    return bool(exposed_slices(route))


def is_drill_name(name: str) -> bool:
    """Whether a rule of that name would be a drill's, which it is only by its word."""
    return name == DRILL or name.startswith(f"{DRILL}.")


def is_drilled(route: Route) -> bool:
    """Whether a drill is under way on the route, or was left there."""
    return bool(route.drill) or route.annotation.why.startswith(DRILL_MARK)


def is_return(route: Route) -> bool:
    """Whether the route was written by a return to legacy, whoever's."""
    return not is_exposed(route) and route.annotation.why.startswith(RETURN_MARK)


def is_forward(before: Route, after: Route) -> bool:
    """Whether a change puts a slice on the candidate that was not there (design rule 4)."""
    exposed = exposed_slices(before)
    return any(name not in exposed for name in exposed_slices(after))


def diff(before: Route, after: Route) -> tuple[RuleChange, ...]:
    """The slices that would change, in the order of the new rules, vanished ones last."""
    old = {rule.slice_name: rule for rule in before.rules}
    new = {rule.slice_name: rule for rule in after.rules}
    names = (*new, *(name for name in old if name not in new))
    changes = tuple(
        RuleChange(slice_name=name, before=old.get(name), after=new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    )
    if before.drill == after.drill:
        return changes
    return (*changes, RuleChange(slice_name=DRILL, before=None, after=None))


def _rule(item: Slice, stage: Stage | None) -> Rule:
    exposed = stage is not None and item.name in stage.candidate
    return Rule(
        slice_name=item.name,
        path_prefix=item.path_prefix,
        side=Side.CANDIDATE if exposed else Side.LEGACY,
        mirrored=stage is not None and item.name in stage.mirrored,
    )
