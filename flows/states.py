"""Our ends as Prefect's states: a name in the domain's words, in the colour of its type."""

from typing import Any

from prefect.client.schemas.objects import State, StateType
from prefect.states import Completed

from flows.ending import End


def state_of(end: End) -> State[Any]:
    """Completed and green, failed and red, or crashed and orange, with our name and message."""
    if end.is_good:
        return Completed(name=end.name, message=end.message)
    kind = StateType.CRASHED if end.is_lost else StateType.FAILED
    return State(type=kind, name=end.name, message=end.message)
