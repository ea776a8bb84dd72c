"""What the recorder shows of a return: a run, its steps, its log, its page, its end.

Prefect cannot set times in the past, so real times stand in names, log and page. Ids
follow from the ledger's sequence alone: made twice, they are the same. Pure.
Source: prefect facts, section 7 rule 5.
"""

from dataclasses import dataclass
from datetime import datetime

from flows import wording
from flows.ending import PAGED, STOPPED, TAKEN_BACK, End, story_end
from flows.story import Line, Sickness, Stop, Story, Telling
from orchestrator.core.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A step that has been taken: a bar in the run's graph."""

    key: str
    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of the run's log, at its real time."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """Everything that Prefect is to show of one event. `end` is None while it goes on;
    `has_more`: page and log have something to say that came after the end."""

    key: str
    name: str
    tags: tuple[str, ...]
    marks: tuple[Mark, ...]
    log: tuple[LogLine, ...]
    page_key: str
    page: str
    end: End | None
    has_more: bool = False


def showings(plan: Plan, telling: Telling) -> tuple[Showing, ...]:
    """Everything to show, in the order in which it began."""
    made = [(story.seq, show_story(plan, story)) for story in telling.stories]
    made += [(sickness.seq, show_sickness(plan, sickness)) for sickness in telling.sicknesses]
    made += [(stop.seq, show_stop(plan, stop)) for stop in telling.stops]
    return tuple(showing for _, showing in sorted(made, key=lambda pair: pair[0]))


def show_story(plan: Plan, story: Story) -> Showing:
    """A return to legacy, as far as it has come."""
    return Showing(
        key=f"rollback-{story.seq}-{story.mark}",
        name=wording.rollback_run(story.ward, story.cause.reason),
        tags=(story.ward, "rollback", story.cause.trigger.value),
        marks=_marks(plan, story),
        log=tuple(LogLine(at=line.at, text=_log_text(line)) for line in story.lines),
        page_key=wording.key("rollback", story.ward),
        page=_page(plan, story),
        end=story_end(plan, story),
        has_more=story.drained_at is not None,
    )


def show_sickness(plan: Plan, sickness: Sickness) -> Showing:
    """A ward that must return while legacy is not ready."""
    at = wording.clock_time(sickness.at, plan.zone)
    message = wording.paged(sickness)
    return Showing(
        key=f"paged-{sickness.seq}-{sickness.mark}",
        name=wording.paged_run(sickness),
        tags=(sickness.ward, "paged"),
        marks=(Mark(key="paged", name=f"paged {at}", message=message),),
        log=(LogLine(at=sickness.at, text=message),),
        page_key=wording.key("paged", sickness.ward),
        page=_sick_page(plan, sickness),
        end=End(is_good=False, name=PAGED, message=message),
    )


def show_stop(plan: Plan, stop: Stop) -> Showing:
    """A stop: running until somebody has answered for it; that of the programme ends at once."""
    place = stop.ward or "programme"
    lines = [LogLine(at=stop.at, text=wording.stopped(stop))]
    marks = [Mark(key="made", name=_made(plan, stop), message=wording.stopped(stop))]
    if stop.answer is not None:
        lines.append(LogLine(at=stop.answer.at, text=_log_text(stop.answer)))
        at = wording.clock_time(stop.answer.at, plan.zone)
        marks.append(Mark(key="answered", name=f"answered {at}", message=stop.answer.text))
    return Showing(
        key=f"stop-{stop.seq}-{stop.mark}",
        name=wording.stop_run(stop),
        tags=(place, "stop"),
        marks=tuple(marks),
        log=tuple(lines),
        page_key=wording.key("stop", place, stop.report),
        page=_stop_page(plan, stop),
        end=_stop_end(plan, stop),
    )


def _made(plan: Plan, stop: Stop) -> str:
    return f"stopped {wording.clock_time(stop.at, plan.zone)}"


def _stop_end(plan: Plan, stop: Stop) -> End | None:
    if stop.ward is None:
        return End(is_good=False, name=STOPPED, message=wording.after_stop(plan, stop))
    if stop.answer is None:
        return None
    if stop.is_taken_back:
        return End(is_good=True, name=TAKEN_BACK, message=stop.answer.text)
    return End(is_good=False, name=STOPPED, message=stop.answer.text)


def _stop_page(plan: Plan, stop: Stop) -> str:
    answer = "nobody yet" if stop.answer is None else stop.answer.text
    title = wording.stop_run(stop)
    where = "every ward" if stop.ward is None else wording.ward_title(plan, stop.ward)
    return (
        f"# {_cell(title)}\n\n**{_cell(stop.words) or 'no words were given'}**\n\n| | |\n"
        f"|---|---|\n| where | {where} |\n| when | {wording.date_and_time(stop.at, plan.zone)} |\n"
        f"| role | {_cell(stop.role)} |\n| in hand | {_cell(answer)} |\n\n"
        f"## What to do next\n\n{wording.after_stop(plan, stop)}\n"
    )


def _marks(plan: Plan, story: Story) -> tuple[Mark, ...]:
    zone = plan.zone
    began = wording.clock_time(story.intended_at, zone)
    made = [
        Mark(key="stood", name=f"stood at {_stage(plan, story)}", message=story.cause.reason),
        Mark(key="intended", name=f"return begins {began}", message=story.cause.reason),
    ]
    made.append(
        Mark(
            key="frozen",
            name=f"programme frozen {began}",
            message="no ward moves forward until two roles agree",
        )
    )
    if story.written is not None:
        at, written = story.written
        text = f"every slice on legacy after {written.after_s:.2f} s, epoch {written.epoch}"
        name = f"route on legacy {wording.clock_time(at, zone)}"
        made.append(Mark(key="written", name=name, message=text))
    if story.proven is not None:
        at, proven = story.proven
        text = f"{proven.probes} probes answered by legacy after {proven.after_s:.2f} s"
        name = f"proven {wording.clock_time(at, zone)}"
        made.append(Mark(key="proven", name=name, message=text))
        step = wording.step(story.ward)
        made.append(Mark(key="next", name=step, message=wording.next_action(plan, story)))
    return tuple(made)


def _log_text(line: Line) -> str:
    took = "" if line.after_s is None else f" ({line.after_s:.2f} s after it began)"
    return f"{line.who}: {line.text}{took}"


def _page(plan: Plan, story: Story) -> str:
    facts = "\n".join(f"| {name} | {_cell(value)} |" for name, value in _facts(plan, story))
    timeline = "\n".join(
        f"| {wording.date_and_time(line.at, plan.zone)} | {_cell(line.who)} "
        f"| {_cell(line.text)} | {_seconds(line.after_s)} |"
        for line in story.lines
    )
    return (
        f"# ROLLBACK {story.ward}\n\n**{_cell(story.cause.reason)}**\n\n"
        f"{wording.standing(plan, story)}.\n\n## What to do next\n\n{_steps(plan, story)}\n\n"
        f"## Facts\n\n| | |\n|---|---|\n{facts}\n\n"
        f"## Timeline\n\n| time ({plan.zone.key}) | who | what | after |\n|---|---|---|---|\n"
        f"{timeline}\n"
    )


def _facts(plan: Plan, story: Story) -> tuple[tuple[str, str], ...]:
    zone = plan.zone
    made = [
        ("ward", wording.ward_title(plan, story.ward)),
        ("stage", _stage(plan, story)),
        ("signal", _signal(plan, story)),
        ("value / limit", _numbers(story)),
        ("trigger", story.cause.trigger.value),
        ("seen", wording.date_and_time(story.seen_at, zone)),
        ("by", f"{story.by.kind}: {story.by.name}"),
    ]
    if story.cause.code is not None:
        made.append(("code", story.cause.code.value))
    if story.written is not None:
        _, written = story.written
        made.append(("route on legacy", f"after {written.after_s:.2f} s, epoch {written.epoch}"))
    if story.proven is not None:
        _, proven = story.proven
        made.append(("proven", f"after {proven.after_s:.2f} s, {proven.probes} probes"))
        open_ones = "not counted" if proven.still_open is None else str(proven.still_open)
        if story.drained_at is not None:
            open_ones += f", none since {wording.date_and_time(story.drained_at, zone)}"
        made.append(("still open on the candidate", open_ones))
    return tuple(made)


def _stage(plan: Plan, story: Story) -> str:
    if story.stage is None or story.stage_since is None:
        return "not begun"
    return f"{story.stage}, since {wording.date_and_time(story.stage_since, plan.zone)}"


def _signal(plan: Plan, story: Story) -> str:
    """The signal's title; its name when the plan in hand does not have it."""
    name = story.cause.signal
    titles = {signal.name: signal.title for signal in plan.signals}
    return "none" if name is None else titles.get(name, name)


def _numbers(story: Story) -> str:
    if story.cause.value is None and story.cause.limit is None:
        return "none"
    return f"{wording.number(story.cause.value)} / {wording.number(story.cause.limit)}"


def _steps(plan: Plan, story: Story) -> str:
    asked = wording.roles(plan.policy.resume_roles)
    if story.proven is None:
        steps = (
            f"Look: `wardshift show {story.ward}`. The return goes on by itself.",
            f"If it stays so: {wording.downtime(plan, story.ward)}",
        )
    else:
        steps = (
            f"Tell the ward's shift leader: you work in {plan.legacy.product} again.",
            f"Look at what happened: `wardshift history {story.ward}`.",
            "Find the cause, and account for what was written in the candidate.",
            f"To go on, two different roles of {asked}: "
            f"`wardshift resume {story.ward} --role ROLE --reason TEXT`.",
            "Likewise for the others: `wardshift resume --programme --role ROLE --reason TEXT`.",
        )
    return "\n".join(f"{place}. {step}" for place, step in enumerate(steps, 1))


def _sick_page(plan: Plan, sickness: Sickness) -> str:
    blocked = sickness.blocked
    return (
        f"# PAGED {sickness.ward}\n\n**{_cell(blocked.cause.reason)}**\n\n"
        f"{wording.ward_title(plan, sickness.ward)} must return, but legacy is "
        f"{blocked.legacy}: nothing was switched blindly.\n\n"
        f"## What to do now\n\n1. {blocked.downtime_procedure}\n"
        "2. Mend legacy; the ward returns by itself when legacy answers again.\n"
        f"3. To switch all the same: `wardshift rollback {sickness.ward} --legacy-is-sick`.\n\n"
        f"Seen {wording.date_and_time(sickness.at, plan.zone)} by {sickness.by.kind}: "
        f"{sickness.by.name}.\n"
    )


def _seconds(after_s: float | None) -> str:
    return "" if after_s is None else f"{after_s:.2f} s"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
