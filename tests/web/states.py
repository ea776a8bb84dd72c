"""Every state that the board must be readable in: how to get there, and what it must say."""

from collections.abc import Callable

from orchestrator.core.event import AlertHeard, AlertStatus, Via, Weight
from orchestrator.core.ids import ActorKind
from tests.plans import FIRST
from tests.web.stage import Stage, expose_behind_the_record, stage, while_returning

Look = Callable[[Stage], None]


def waiting(look: Look) -> None:
    look(stage())


def not_started(look: Look) -> None:
    look(stage(started=False))


def shadow(look: Look) -> None:
    look(_at("shadow"))


def exposed_pass(look: Look) -> None:
    look(_at("notes"))


def accepted(look: Look) -> None:
    look(_at("accepted"))


def exposed_warn(look: Look) -> None:
    one = _at("notes")
    one.reads(slow=1.5)
    one.tick()
    look(one)


def exposed_blind(look: Look) -> None:
    one = _at("notes")
    one.reads(slow=None)
    one.tick()
    look(one)


def returning(look: Look) -> None:
    one = _at("notes")
    while_returning(one, lambda: look(one))


def rolled_back(look: Look) -> None:
    look(returned())


def blocked(look: Look) -> None:
    one = _at("notes")
    one.reads(slow=9.0, legacy=0.0)
    one.tick(3)
    look(one)


def no_way_back(look: Look) -> None:
    one = _at("notes")
    one.reads(legacy=0.0)
    one.tick()
    look(one)


def held(look: Look) -> None:
    one = _at("notes")
    one.world.desk.hold(FIRST, reason="väntar på leverantörens rättning")
    one.tick()
    look(one)


def ledger_down(look: Look) -> None:
    one = _at("notes")
    one.world.ledger.down = True
    one.tick(5)
    look(one)


def routes_down(look: Look) -> None:
    one = _at("notes")
    one.world.routes.down = True
    one.tick()
    look(one)


def fence_open(look: Look) -> None:
    one = _at("notes")
    one.world.routes.fence_is_open = True
    one.tick(16)
    look(one)


def guard_missing(look: Look) -> None:
    one = _at("notes")
    for _ in range(6):
        one.world.sentinels[0].turn()
        one.world.clock.advance(2.1)
    one.world.sentinels[0].turn()
    look(one)


def silenced_alert(look: Look) -> None:
    """An alert that somebody silenced is shown, and is not health."""
    one = _at("notes")
    world = one.world
    scribe = world.scribe(ActorKind.SENTINEL, "another")
    scribe.note(
        FIRST,
        AlertHeard(
            name="ScreensSlow",
            fingerprint="f1",
            weight=Weight.RETURN,
            status=AlertStatus.SILENCED,
            via=Via.ALERTMANAGER,
            started_at=world.clock.now(),
        ),
    )
    world.drain()
    one.tick(2)
    look(one)


def sentinel_hung(look: Look) -> None:
    one = _at("notes")
    one.world.clock.advance(9.0)
    look(one)


def switched_by_hand(look: Look) -> None:
    one = _at("shadow")
    one.world.ledger.down = True  # so that nobody can be sure yet that it was not intended
    expose_behind_the_record(one)
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


def _at(name: str) -> Stage:
    one = stage()
    one.climb(name)
    return one


# The head that the first ward must have, and words that must be on the page besides.
STATES: dict[str, tuple[Callable[[Look], None], str, tuple[str, ...]]] = {
    "not_started": (not_started, "GAMLA SYSTEMET", ("Införandet är inte startat",)),
    "waiting": (waiting, "GAMLA SYSTEMET", ("Arbeta i gamla systemet som vanligt",)),
    "shadow": (shadow, "SKUGGDRIFT", ("får kopior",)),
    "exposed_pass": (exposed_pass, "I NYA SYSTEMET", ("Arbeta i nya systemet: Notes",)),
    "accepted": (accepted, "GODKÄND", ("Arbeta i nya systemet: allt",)),
    "exposed_warn": (exposed_warn, "NÄRA GRÄNSEN", ("1,5 s (gräns högst 2 s)",)),
    "exposed_blind": (exposed_blind, "VI SER INTE", ("källan svarar inte",)),
    "returning": (returning, "PÅ VÄG TILLBAKA", ("INTE BEVISAD ÄN", "red binder")),
    "rolled_back": (rolled_back, "TILLBAKA", ("STOPP FÖR ALLA STEG FRAMÅT", "bevisad")),
    "blocked": (blocked, "INGEN VÄG TILLBAKA", ("Använd reservrutinen nu", "--legacy-is-sick")),
    "no_way_back": (no_way_back, "GAMLA SYSTEMET NERE", ("red binder",)),
    "held": (held, "I NYA SYSTEMET", ("Pausad: väntar på leverantörens rättning",)),
    "ledger_down": (ledger_down, "I NYA SYSTEMET", ("GÅR INTE ATT LÄSA",)),
    "routes_down": (routes_down, "VI VET INTE VILKEN SIDA", ("OKÄNT", "SVARAR INTE")),
    "fence_open": (fence_open, "I NYA SYSTEMET", ("ÖPPEN",)),
    "guard_missing": (guard_missing, "I NYA SYSTEMET", ("SAKNAS",)),
    "silenced_alert": (silenced_alert, "LARM ELLER ANMÄLAN", ("ScreensSlow",)),
    "sentinel_hung": (sentinel_hung, "INGEN ÖVERVAKAR", ("LEVER INTE",)),
    "switched_by_hand": (switched_by_hand, "OMKOPPLAD UTAN BESLUT", ("Skriv inte i nya",)),
}
