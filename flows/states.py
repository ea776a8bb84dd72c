"""Our ends as Prefect's states: a name in the domain's words, in the colour of its type."""

from typing import Any

from prefect.client.schemas.objects import State, StateType
from prefect.states import Completed

from flows.ending import End


def state_of(end: End) -> State[Any]:
    """Completed and green, or failed and red, with our name and message."""
    if end.is_good:
        return Completed(name=end.name, message=end.message)
    return State(type=StateType.FAILED, name=end.name, message=end.message)
