"""The codes that the ward board is made of, before any word is chosen. Pure."""

from enum import StrEnum


class Head(StrEnum):
    """What a ward's card says first, the most urgent first."""

    BLOCKED = "blocked"  # should return, and legacy is sick
    UNWRITTEN = "unwritten"  # must return, and no route carries it yet
    RETURNING = "returning"
    UNWATCHED = "unwatched"  # exposed, and nobody is seen to watch
    BREACH = "breach"
    STRAY = "stray"  # the route exposes what the record does not allow
    NO_WAY_BACK = "no_way_back"  # exposed and sound, and legacy is sick
    SIDE_UNKNOWN = "side_unknown"
    NO_ROUTE = "no_route"
    BLIND = "blind"
    ALARMED = "alarmed"  # an alert or a report stands against its exposure
    LEGACY_SICK = "legacy_sick"  # on legacy, which does not answer
    MOVING = "moving"
    WARN = "warn"
    ACCEPTED = "accepted"
    EXPOSED = "exposed"
    RETURNED = "returned"
    NOT_CLEAR = "not_clear"  # not exposed; a signal keeps the gates shut
    SHADOW = "shadow"
    READY = "ready"  # on the first rungs
    WAITING = "waiting"


class Sign(StrEnum):
    """Whether something that the board leans on is there."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


class Watcher(StrEnum):
    """What the board leans on."""

    SENTINEL = "sentinel"
    GUARD = "guard"
    FENCE = "fence"
    ROUTES = "routes"
    LEDGER = "ledger"


class RoutesApi(StrEnum):
    """Who is asked for the routes: never a gateway that serves requests by them."""

    API_SERVER = "api_server"
    PRACTICE = "practice"
