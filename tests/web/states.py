"""Every state that the board must be readable in: how to get there, and what it must say."""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.event import AlertHeard, AlertStatus, Via, Weight
from orchestrator.core.ids import ActorKind
from orchestrator.reports.board import Head
from orchestrator.service.stopping import stop_programme
from tests.plans import CSO, FIRST
from tests.stops import NURSE, line_of
from tests.web.stage import (
    Stage,
    expose_behind_the_record,
    eyes_of,
    stage,
    while_moving,
    while_returning,
)

Look = Callable[[Stage], None]


@dataclass(frozen=True, slots=True)
class State:
    """`come`: bring a hospital there, then look at it. `head`: what the first ward's card must
    say first; `words`: what must be on the page besides."""

    come: Callable[[Look], None]
    head: Head
    words: tuple[str, ...]


def waiting(look: Look) -> None:
    """The programme has begun; it is not this ward's turn yet, or nothing has been done for it."""
    look(stage())


def not_started(look: Look) -> None:
    """Nobody has started the programme."""
    look(stage(started=False))


def shadow(look: Look) -> None:
    """The candidate gets copies; nobody works in it."""
    look(_at("shadow"))


def exposed_pass(look: Look) -> None:
    """One slice is worked in the candidate, and everything is within its limits."""
    look(_at("notes"))


def accepted(look: Look) -> None:
    """All is worked in the candidate, and the ward is accepted."""
    look(_at("accepted"))


def exposed_warn(look: Look) -> None:
    """A signal is close to its limit."""
    one = _at("notes")
    one.reads(slow=1.5)
    one.tick()
    look(one)


def exposed_blind(look: Look) -> None:
    """A signal cannot be read; after its patience the ward returns."""
    one = _at("notes")
    one.reads(slow=None)
    one.tick()
    look(one)


def unwritten(look: Look) -> None:
    """A limit was crossed, and the routes do not answer: it must return, and cannot yet."""
    one = _at("notes")
    one.reads(slow=9.0)
    one.world.routes.down = True
    one.tick(4)
    look(one)


def returning(look: Look) -> None:
    """A limit was crossed; the route is written, and the proof is not there yet."""
    one = _at("notes")
    while_returning(one, lambda: look(one))


def rolled_back(look: Look) -> None:
    """The ward is back, proven, and nothing in the programme moves forward."""
    look(returned())


def blocked(look: Look) -> None:
    """It should return, and legacy does not answer: nothing was switched."""
    one = _at("notes")
    one.reads(slow=9.0, legacy=0.0)
    one.tick(3)
    look(one)


def no_way_back(look: Look) -> None:
    """The candidate is sound, and legacy does not answer."""
    one = _at("notes")
    one.reads(legacy=0.0)
    one.tick()
    look(one)


def held(look: Look) -> None:
    """Somebody paused the ward; its way back stays open."""
    one = _at("notes")
    one.world.desk.hold(FIRST, reason="väntar på leverantörens rättning")
    one.tick()
    look(one)


def ledger_down(look: Look) -> None:
    """The database is down: wards stand as this machine remembers them."""
    one = _at("notes")
    one.world.ledger.down = True
    one.tick(5)
    look(one)


def routes_down(look: Look) -> None:
    """The gateway does not say which side is connected."""
    one = _at("notes")
    one.world.routes.down = True
    one.tick()
    look(one)


def fence_open(look: Look) -> None:
    """A forbidden write to the routes went through: the fence is open."""
    one = _at("notes")
    one.world.routes.fence_is_open = True
    one.tick(16)
    look(one)


def guard_missing(look: Look) -> None:
    """The second watcher is not there."""
    one = _at("notes")
    for _ in range(6):
        one.world.sentinels[0].turn()
        one.world.clock.advance(2.1)
    one.world.sentinels[0].turn()
    look(one)


def silenced_alert(look: Look) -> None:
    """An alert that somebody silenced is shown, and is not health."""
    one = _at("notes")
    _hear(one, AlertStatus.SILENCED)
    one.tick(2)
    look(one)


def sentinel_hung(look: Look) -> None:
    """The sentinel serves pages and watches no more."""
    one = _at("notes")
    one.world.clock.advance(9.0)
    look(one)


def switched_by_hand(look: Look) -> None:
    """The route exposes what nobody decided, and the database is down."""
    one = _at("shadow")
    one.world.ledger.down = True  # so that nobody can be sure yet that it was not intended
    expose_behind_the_record(one)
    one.tick(2)
    look(one)


def standing_by(look: Look) -> None:
    """A standby's board: it shows what the ledger says, and that another sentinel watches."""
    one = _at("notes")
    second = one.world.sentinels[1]
    for _ in range(3):
        one.tick()
        second.turn()
    look(eyes_of(one.world, 1))


def breach(look: Look) -> None:
    """An alert that returns the ward has just been heard; the return begins with the next tick."""
    one = _at("notes")
    _hear(one, AlertStatus.FIRING)
    look(one)


def no_route(look: Look) -> None:
    """The gateway answers, and has no route for the ward."""
    one = _at("notes")
    one.world.routes.lose(FIRST)
    one.tick()
    look(one)


def legacy_sick(look: Look) -> None:
    """The ward is on legacy, which does not answer."""
    one = _at("shadow")
    one.reads(legacy=0.0)
    one.tick(3)
    look(one)


def drill_failed(look: Look) -> None:
    """A return was rehearsed and did not hold what it must: no ward goes live on it."""
    one = _at("shadow")
    world = one.world
    world.prober.stuck = world.routes.get_quietly(FIRST).route
    world.flows[0].turn()
    one.tick(2)
    look(one)


def moving(look: Look) -> None:
    """The next stage is written, and waits for its proof."""
    one = _at("shadow")
    while_moving(one, lambda: look(one))


def not_clear(look: Look) -> None:
    """The ward is on legacy, and a signal that the next stage needs cannot be read."""
    one = _at("shadow")
    one.reads(slow=None)
    one.tick(3)
    look(one)


def ready(look: Look) -> None:
    """The ward is on the first rung: legacy only, and its gates are looked at."""
    look(_at("readiness"))


def programme_stopped(look: Look) -> None:
    """Somebody in charge stopped the whole programme: every ward is back."""
    one = _at("notes")
    world = one.world
    word = "fel i läkemedelslistan på flera avdelningar"
    stop_programme(world.sentinels[0].sentinel.watch.hands.scribe, world.notifier, CSO, word)
    one.tick(4)
    look(one)


def reported(look: Look) -> None:
    """One person at the bedside has pressed stop; nobody has confirmed it yet."""
    one = _at("notes")
    line_of(one.world).report(FIRST, NURSE, reporter="a", words="texten försvinner")
    one.tick(2)
    look(one)


def reported_without_a_code(look: Look) -> None:
    """Somebody pressed stop without a right code: nothing froze, and somebody must go and ask."""
    one = _at("notes")
    line_of(one.world).unproven(FIRST, NURSE, words="texten försvinner")
    one.tick(2)
    look(one)


def returned() -> Stage:
    """A ward that came back because its screens were slow, and the freeze that follows."""
    one = _at("notes")
    one.reads(slow=9.0)
    one.tick(4)
    one.reads()
    one.tick(2)
    return one


def _hear(one: Stage, status: AlertStatus) -> None:
    world = one.world
    heard = AlertHeard(
        name="ScreensSlow",
        fingerprint="f1",
        weight=Weight.RETURN,
        status=status,
        via=Via.ALERTMANAGER,
        started_at=world.clock.now(),
    )
    world.scribe(ActorKind.SENTINEL, "another").note(FIRST, heard)
    world.drain()
    world.sentinels[0].follower.round()


def _at(name: str) -> Stage:
    one = stage()
    one.climb(name)
    return one


STATES: dict[str, State] = {
    one.come.__name__.replace("_", "-"): one
    for one in (
        State(not_started, Head.WAITING, ("Införandet är inte startat",)),
        State(waiting, Head.WAITING, ("Arbeta i gamla systemet som vanligt",)),
        State(ready, Head.READY, ("Arbeta i gamla systemet som vanligt", "Förberedelser")),
        State(shadow, Head.SHADOW, ("får kopior",)),
        State(drill_failed, Head.SHADOW, ("UNDERKÄND",)),
        State(moving, Head.MOVING, ("går nu vidare till: Anteckningar i nya systemet",)),
        State(exposed_pass, Head.EXPOSED, ("Arbeta i nya systemet: Anteckningar",)),
        State(accepted, Head.ACCEPTED, ("Arbeta i nya systemet: allt",)),
        State(exposed_warn, Head.WARN, ("1,5 s (gräns högst 2 s)",)),
        State(silenced_alert, Head.ALARMED, ("ScreensSlow",)),
        State(reported, Head.ALARMED, ("någon på avdelningen har stoppat",)),
        State(reported_without_a_code, Head.ALARMED, ("väntar på svar",)),
        State(held, Head.EXPOSED, ("Pausad: ”väntar på leverantörens rättning”",)),
        State(exposed_blind, Head.BLIND, ("källan svarar inte",)),
        State(breach, Head.BREACH, ("går strax tillbaka", "ScreensSlow")),
        State(unwritten, Head.UNWRITTEN, ("inte omkopplad än", "Röda pärmen")),
        State(returning, Head.RETURNING, ("INTE BEVISAD ÄN", "Röda pärmen")),
        State(rolled_back, Head.RETURNED, ("STOPP FÖR ALLA STEG FRAMÅT", "bevisad")),
        State(programme_stopped, Head.RETURNED, ("hela införandet är stoppat",)),
        State(blocked, Head.BLOCKED, ("Använd reservrutinen nu", "--legacy-is-sick")),
        State(no_way_back, Head.NO_WAY_BACK, ("Röda pärmen",)),
        State(legacy_sick, Head.LEGACY_SICK, ("Svarar det inte hos er heller",)),
        State(not_clear, Head.NOT_CLEAR, ("Inget går framåt förrän det är klart",)),
        State(switched_by_hand, Head.STRAY, ("Skriv inte i nya",)),
        State(no_route, Head.NO_ROUTE, ("OKÄNT", "ingen rutt")),
        State(routes_down, Head.SIDE_UNKNOWN, ("OKÄNT", "SVARAR INTE")),
        State(ledger_down, Head.EXPOSED, ("GÅR INTE ATT LÄSA",)),
        State(fence_open, Head.EXPOSED, ("Skrivskydd", "ÖPPET")),
        State(guard_missing, Head.EXPOSED, ("SAKNAS",)),
        State(sentinel_hung, Head.UNWATCHED, ("LEVER INTE",)),
        State(standing_by, Head.EXPOSED, ("visas av reserven",)),
    )
}
