"""Alerts of other systems as they come: journal, restore, and only then an answer.

Two doors, messages that are pushed and polls, and one judgement behind them. Never waits for
the ledger, for a tick, or for whoever leads: a return needs nobody's permission.
Source: design section 8; rules 1 and 2.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import structlog

from orchestrator.core.event import AlertHeard, AlertStatus, AlertUnplaced, Via, Weight
from orchestrator.core.placing import (
    Notice,
    Novelty,
    Placed,
    Unplaced,
    gravest,
    is_own_page,
    is_said,
    novelty,
    place,
    recorded,
    seen_now,
)
from orchestrator.core.plan import Plan
from orchestrator.core.state import Phase, ProgrammeState, WardState
from orchestrator.errors import Unavailable
from orchestrator.ports import AlertAnswer, AlertSource, Clock, Notifier, Page
from orchestrator.service.rollback import RollbackReport
from orchestrator.service.scribe import Scribe
from wards.model import WardId

log = structlog.get_logger()
LOOK_AGAIN_S: Final = 0.02
# A healthy write takes a tenth of a second; senders give up after five, so they are told before.
WRITE_PATIENCE_S: Final = 3.0
# People are told once of each; what is forgotten after so many others is told once more.
TOLD_KEPT: Final = 4096
NAMED: Final = 3
TELL_AGAIN_S: Final = 60.0


class Attends(Protocol):
    """What judges one ward's alarms at once; see `watch.Watch`."""

    def attend(self, ward: WardId) -> Future[RollbackReport] | None:
        """Judge, and begin the return that is asked for; its future, or None."""
        ...


class Known(Protocol):
    """What this process knows of the programme, its own last word included."""

    def state(self) -> ProgrammeState:
        """At once, without waiting for the ledger."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What came of one message when it was answered.

    `novelties`: how many of its alerts were what. `unplaced`: how many are for people. `wards`:
    how far the returns came that it began. `is_kept`: all of it is on disk.
    """

    novelties: Mapping[Novelty, int]
    unplaced: int
    wards: Mapping[WardId, str]
    is_kept: bool


class Hearing:
    """One sentinel's ears. Thread-safe."""

    def __init__(
        self,
        plan: Plan,
        *,
        returns: Attends,
        known: Known,
        scribe: Scribe,
        notifier: Notifier,
        clock: Clock,
        polled: Sequence[Via] = (),
        patience_s: float = WRITE_PATIENCE_S,
    ) -> None:
        self._plan = plan
        self._returns = returns
        self._known = known
        self._scribe = scribe
        self._notifier = notifier
        self._clock = clock
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._sights: dict[Via, Mapping[str, AlertStatus]] = {}
        self._unasked = set(polled)
        self._answered_at_s = dict.fromkeys(polled, clock.monotonic())
        self._silent: set[Via] = set()
        self._told: OrderedDict[tuple[str, datetime], None] = OrderedDict()
        self._awaited: set[WardId] = set()
        self._refusal_told_at_s: float | None = None

    def told(self, notices: Sequence[Notice]) -> Reached:
        """Take a pushed message: what is new is journalled and acted upon when this returns."""
        placed, for_people = self._placed(notices, Via.WEBHOOK)
        novelties = dict.fromkeys(Novelty, 0)
        begun: dict[WardId, Future[RollbackReport]] = {}
        for one in placed:
            found = self._take(one)
            novelties[found] += 1
            if found in (Novelty.NEW, Novelty.KNOWN):  # known, and perhaps died before acting
                self._attend(one.ward, one.heard, begun)
            elif one.heard.status is AlertStatus.FIRING:
                for_people.append(_replayed(one))
        self._tell(for_people)
        wards = self._await(begun)
        kept = self._scribe.flush() == 0
        return Reached(novelties=novelties, unplaced=len(for_people), wards=wards, is_kept=kept)

    def refused(self, problem: str) -> None:
        """A known sender's message could not be taken; people are told, at most once a minute."""
        log.warning("alerts.refused", problem=problem)
        now_s = self._clock.monotonic()
        with self._lock:
            told_at_s, self._refusal_told_at_s = self._refusal_told_at_s, now_s
            if told_at_s is not None and now_s - told_at_s < TELL_AGAIN_S:
                self._refusal_told_at_s = told_at_s
                return
        self._notifier.page(_refusal_page(problem))

    def seen(self, answer: AlertAnswer, via: Via) -> None:
        """Take a poll's answer."""
        placed, for_people = self._placed(answer.notices, via)
        by_print = {one.heard.fingerprint: one for one in placed}
        begun: dict[WardId, Future[RollbackReport]] = {}
        news = self._look(by_print, via, has_gaps=bool(answer.gaps))
        for ward, heard in sorted(news, key=lambda pair: _urgency(pair[1])):
            if self._note_once(ward, heard):
                self._attend(ward, heard, begun)
        if answer.gaps:
            self._note_silence(via, answer.gaps)
        else:
            self._note_answer(via)
        self._tell(for_people)

    def missed(self, via: Via, problem: str) -> None:
        """A poll failed: nothing is known to have changed, and nothing has ended by it."""
        self._unasked.discard(via)
        self._note_silence(via, problem)

    def forget(self, via: Via) -> None:
        """This process does not poll (another one leads): what it saw is no longer news."""
        with self._lock:
            self._sights.pop(via, None)
            self._unasked.add(via)
        self._answered_at_s[via] = self._clock.monotonic()

    def silences_s(self) -> Mapping[Via, float]:
        """Real seconds since each polled source answered wholly, or since we began."""
        now_s = self._clock.monotonic()
        return {via: now_s - at_s for via, at_s in self._answered_at_s.items()}

    def deaf_s(self) -> float:
        """Real seconds for which no polled source has answered; 0 where none is polled."""
        return min(self.silences_s().values(), default=0.0)

    def _placed(
        self, notices: Sequence[Notice], via: Via
    ) -> tuple[tuple[Placed, ...], list[Unplaced]]:
        """The most urgent first, so that a thousand others delay no return. Our own pages, which
        come back from the Alertmanager that they went to, are not heard."""
        all_ = tuple(place(self._plan, one, via) for one in notices if not is_own_page(one))
        placed = gravest(one for one in all_ if isinstance(one, Placed)).values()
        for_people = [one for one in all_ if isinstance(one, Unplaced)]
        for_people += [_unweighed(one) for one in placed if one.heard.weight is Weight.TELL]
        return tuple(sorted(placed, key=lambda one: _urgency(one.heard))), for_people

    def _take(self, one: Placed) -> Novelty:
        with self._lock:
            found = novelty(self._known.state().ward(one.ward), one, self._sights)
            if found is Novelty.NEW:
                self._scribe.note(one.ward, one.heard)
            return found

    def _look(
        self, answer: Mapping[str, Placed], via: Via, *, has_gaps: bool
    ) -> tuple[tuple[WardId, AlertHeard], ...]:
        """What a poll's answer says that is new, and remember what it said."""
        with self._lock:
            state = self._known.state()
            # What somebody has not been asked about yet, he may still have.
            is_whole = not has_gaps and not self._unasked - {via}
            news = seen_now(state, answer, via, self._sights, is_whole=is_whole)
            before = self._sights.get(via, recorded(state, via))
            kept = {name: one.heard.status for name, one in answer.items()}
            self._sights[via] = kept if is_whole else {**before, **kept}
            self._unasked.discard(via)
            return news

    def _note_once(self, ward: WardId, heard: AlertHeard) -> bool:
        """Note it unless a message was faster; whether it was noted."""
        with self._lock:
            if is_said(self._known.state().ward(ward), heard):
                return False
            self._scribe.note(ward, heard)
            return True

    def _attend(
        self, ward: WardId, heard: AlertHeard, begun: dict[WardId, Future[RollbackReport]]
    ) -> None:
        if _urgency(heard) > 0 or ward in begun:
            return
        running = self._returns.attend(ward)
        if running is not None:
            begun[ward] = running

    def _await(self, begun: Mapping[WardId, Future[RollbackReport]]) -> Mapping[WardId, str]:
        """How far each return came, once all are written or the patience is over. One message
        waits for a ward; the others that ask for the same return are answered at once."""
        with self._lock:
            mine = begun.keys() - self._awaited
            self._awaited |= mine
        try:
            until_s = self._clock.monotonic() + self._patience_s
            while self._waits_for(begun, mine) and self._clock.monotonic() < until_s:
                self._clock.sleep(LOOK_AGAIN_S)
        finally:
            with self._lock:
                self._awaited -= mine
        state = self._known.state()
        return {ward: "written" if _is_home(state.ward(ward)) else "returning" for ward in begun}

    def _waits_for(self, begun: Mapping[WardId, Future[RollbackReport]], mine: set[WardId]) -> bool:
        state = self._known.state()
        return any(not begun[ward].done() and not _is_home(state.ward(ward)) for ward in mine)

    def _tell(self, found: Sequence[Unplaced]) -> None:
        """Note and page what people have not been told yet, however many in one page."""
        new = [one for one in found if not one.is_over and self._is_untold(one)]
        if not new:
            return
        self._notifier.page(_page([one.unplaced for one in new]))
        for one in new:
            self._scribe.note(None, one.unplaced)

    def _is_untold(self, one: Unplaced) -> bool:
        key = (one.unplaced.fingerprint, one.started_at)
        with self._lock:
            if key in self._told:
                return False
            self._told[key] = None
            while len(self._told) > TOLD_KEPT:
                self._told.popitem(last=False)
            return True

    def _note_answer(self, via: Via) -> None:
        self._answered_at_s[via] = self._clock.monotonic()
        if via in self._silent:
            log.info("alerts.heard_again", source=via)
            self._silent.discard(via)

    def _note_silence(self, via: Via, problem: str) -> None:
        if via not in self._silent:
            log.error("alerts.missed", source=via, problem=problem)
            self._silent.add(via)


class Poll:
    """Asks one source again and again on a thread of its own, while this sentinel leads."""

    def __init__(
        self,
        source: AlertSource,
        via: Via,
        hearing: Hearing,
        *,
        leads: Callable[[], bool],
        every_s: float,
    ) -> None:
        self._source = source
        self._via = via
        self._hearing = hearing
        self._leads = leads
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"poll-{via}", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End; waits for nothing."""
        self._stop.set()

    def round(self) -> None:
        """Ask once and take the answer."""
        if not self._leads():
            self._hearing.forget(self._via)
            return
        try:
            answer = self._source.read()
        except Unavailable as error:
            self._hearing.missed(self._via, str(error))
            return
        self._hearing.seen(answer, self._via)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.round()
            except Exception:
                # The outermost loop of this thread: what was not heard counts as silence.
                log.exception("alerts.stumbled", source=self._via)
            self._stop.wait(self._every_s)


def _urgency(heard: AlertHeard) -> int:
    is_return = heard.weight is Weight.RETURN and heard.status is AlertStatus.FIRING
    return 0 if is_return else 1


def _is_home(ward: WardState) -> bool:
    """The route is written, by the record of this very return."""
    if ward.phase is not Phase.RETURNING:
        return ward.phase is Phase.ROLLED_BACK  # an earlier return says nothing of this one
    return ward.returned is not None and ward.returned.epoch is not None


def _unweighed(one: Placed) -> Unplaced:
    return _for_people(one, f"its severity asks for nothing by the plan (ward {one.ward})")


def _replayed(one: Placed) -> Unplaced:
    return _for_people(
        one,
        f"ward {one.ward}: it came as firing after it had resolved, with the same start, and was "
        "taken for an old message",
    )


def _for_people(one: Placed, problem: str) -> Unplaced:
    heard = one.heard
    return Unplaced(
        unplaced=AlertUnplaced(
            name=heard.name, fingerprint=heard.fingerprint, problem=problem, via=heard.via
        ),
        started_at=heard.started_at,
        is_over=heard.status is AlertStatus.RESOLVED,
    )


def _page(found: Sequence[AlertUnplaced]) -> Page:
    named = "; ".join(f"{one.name} ({one.fingerprint}): {one.problem}" for one in found[:NAMED])
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return Page(
        ward=None,
        code="alert_unplaced",
        message=f"{len(found)} alert(s) were heard that no ward acts upon: {named}{more}.",
        next_action="See whether a ward is harmed (wardshift rollback WARD), then mend the "
        "alert's labels or the plan's policy.alerts.",
    )


def _refusal_page(problem: str) -> Page:
    return Page(
        ward=None,
        code="alerts_refused",
        message=f"A message of alerts from a known sender was not taken: {problem}.",
        next_action="Look at what fires in Alertmanager and whether a ward is harmed, then mend "
        "the receiver's settings there (docs/how-to/alerts.md).",
    )
