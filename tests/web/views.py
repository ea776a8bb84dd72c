"""Every view of the stop form and its receipts: how it comes about, and what it must say."""

from collections.abc import Callable
from dataclasses import dataclass

from httpx2 import Response

from orchestrator.core.event import Trigger
from orchestrator.core.receipt import Became
from orchestrator.web.stop import UNPROVEN_BURST
from tests.plans import CSO, FIRST, HEAD, LEGACY_UP, SECOND
from tests.web.bedside import Bedside


@dataclass(frozen=True, slots=True)
class View:
    """`come`: the answer that a phone gets. `words`: what must be on it. `became`: what the
    receipt tells, where it is one."""

    come: Callable[[Bedside], Response]
    words: tuple[str, ...]
    became: Became | None = None
    status: int = 200


def form(at: Bedside) -> Response:
    """The form as the card on the ward opens it: the ward is chosen already."""
    return at.phone.get(f"/stop/{FIRST}")


def form_without_ward(at: Bedside) -> Response:
    """The form without a card: the ward is asked for."""
    return at.phone.get("/stop")


def form_in_english(at: Bedside) -> Response:
    """The form in English."""
    return at.phone.get(f"/stop/{FIRST}", params={"lang": "en"})


def closed(at: Bedside) -> Response:
    """No role has a code here: the form says how it is opened, and what works without it."""
    at.forget_codes()
    return at.phone.get("/stop")


def unknown_ward(at: Bedside) -> Response:
    """The card is of a ward that this programme does not know."""
    return at.phone.get("/stop/ingenstans")


def something_missing(at: Bedside) -> Response:
    """Sent without a ward: nothing was received, and what was typed is still there."""
    return at.press(ward="", words="texten försvinner när jag sparar")


def too_many(at: Bedside) -> Response:
    """Too many tries with a wrong code."""
    for _ in range(UNPROVEN_BURST):
        at.press(code="fel")
    return at.press(code="fel")


def too_long(at: Bedside) -> Response:
    """More text than is read."""
    return at.press(words="x" * 9000)


def unproven(at: Bedside) -> Response:
    """The code was wrong: people are called, nothing froze or moved."""
    return at.receipt(at.press(code="fel"))


def frozen(at: Bedside) -> Response:
    """One person stopped: everything is frozen and waits for a second word."""
    return at.receipt(at.press(staff_code="A12"))


def frozen_in_english(at: Bedside) -> Response:
    """The same in English."""
    return at.receipt(at.press(staff_code="A12", lang="en"))


def unconfirmed(at: Bedside) -> Response:
    """Nobody else pressed within the time for it."""
    pressed = at.press(staff_code="A12")
    at.world.clock.advance(1000.0)
    return at.receipt(pressed)


def at_home(at: Bedside) -> Response:
    """The ward is on legacy anyway: frozen, and nothing has to move."""
    return at.receipt(at.press(ward=SECOND))


def blocked(at: Bedside) -> Response:
    """It should return, and legacy does not answer: the downtime procedure stands there."""
    at.world.numbers[LEGACY_UP] = 0.0
    at.world.sentinels[0].turn()
    pressed = at.press(role=HEAD)
    at.world.sentinels[0].turn()
    return at.receipt(pressed)


def returning(at: Bedside) -> Response:
    """The ward goes back now; the proof is not there yet."""
    world = at.world
    world.prober.stuck = world.routes.get_quietly(FIRST).route
    seen: list[Response] = []

    def meanwhile() -> None:
        world.sentinels[0].turn()
        if not seen:
            number = world.sentinels[0].follower.state().ward(FIRST).concerns.reports[0].report
            seen.append(at.phone.get(f"/stop/receipt/{number}"))
            world.prober.stuck = None

    world.clock.meanwhile = meanwhile
    at.line.report(FIRST, HEAD)
    return seen[0]


def returned(at: Bedside) -> Response:
    """The ward is back, proven."""
    pressed = at.press(role=HEAD)
    at.world.sentinels[0].turn()
    return at.receipt(pressed)


def taken_back(at: Bedside) -> Response:
    """Somebody in charge took the stop back."""
    pressed = at.press()
    at.world.drain()
    number = pressed.headers["location"].rpartition("/")[2]
    at.world.desk.cancel(FIRST, Trigger.STOP, number, CSO, reason="fel avdelning")
    at.world.sentinels[0].turn()
    return at.receipt(pressed)


def acknowledged(at: Bedside) -> Response:
    """Somebody on call has taken it in hand."""
    pressed = at.press(staff_code="A12")
    at.line.acknowledge(pressed.headers["location"].rpartition("/")[2], CSO)
    return at.receipt(pressed)


def unknown_receipt(at: Bedside) -> Response:
    """A number that nobody was given, or whose ward has begun again."""
    return at.phone.get("/stop/receipt/zzzz")


VIEWS: dict[str, View] = {
    one.come.__name__.replace("_", "-"): one
    for one in (
        View(form, ("STOPPA", "Medicin 52")),
        View(form_without_ward, ("STOPPA", "Välj avdelning")),
        View(form_in_english, ("STOP<", "Medicin 52")),
        View(closed, ("wardshift stop-code",), status=403),
        View(unknown_ward, ("Inget är skickat än", "ingenstans"), status=404),
        View(something_missing, ("INTE MOTTAGET", "texten försvinner"), status=422),
        View(too_many, ("INTE MOTTAGET", "För många försök"), status=429),
        View(too_long, ("INTE MOTTAGET", "för mycket text"), status=413),
        View(unproven, ("Inget är fryst",), Became.UNPROVEN),
        View(frozen, ("Be en kollega",), Became.FROZEN),
        View(frozen_in_english, ("Frozen",), Became.FROZEN),
        View(unconfirmed, ("tryck stopp igen",), Became.UNCONFIRMED),
        View(at_home, ("Kirurgi 31",), Became.AT_HOME),
        View(blocked, ("Röda pärmen",), Became.BLOCKED),
        View(returning, ("Vänta med att skriva",), Became.RETURNING),
        View(returned, ("Logga in i det gamla systemet",), Became.RETURNED),
        View(taken_back, ("återtaget",), Became.TAKEN_BACK),
        View(acknowledged, ("har tagit hand om det",), Became.FROZEN),
        View(unknown_receipt, ("Inget kvitto",), status=404),
    )
}
