"""Where a flow's process finds its installation: in its environment, never in a parameter.

A parameter would let a form or a stale run name another home; a run that starts on
another machine finds that machine's own.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

from orchestrator import logs
from orchestrator.bootstrap import Installation, install
from orchestrator.core.event import Actor
from orchestrator.core.ids import ActorKind, Role
from orchestrator.core.plan import Plan
from orchestrator.errors import ConfigError
from wards.model import WardId

_GIVEN: ContextVar[Installation | None] = ContextVar("installation", default=None)


def here() -> Installation:
    """This process's installation, with its logging set up. Raises: ConfigError."""
    had = _GIVEN.get()
    if had is not None:
        return had
    logs.configure("flow")
    return install()


@contextmanager
def given(installation: Installation) -> Generator[None]:
    """Run flows in this process with an installation that it has already."""
    token = _GIVEN.set(installation)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def run_name(words: Callable[[Plan], str], otherwise: str) -> str:
    """A run's name from the plan; `otherwise` when the plan is wrong, which the run itself says."""
    try:
        return words(here().plan)
    except ConfigError:
        return otherwise


def known_ward(installation: Installation, ward: str) -> WardId:
    """The ward of that id. Raises: ConfigError naming the wards there are."""
    for one in installation.plan.wards:
        if one.id == ward:
            return one.id
    names = ", ".join(one.id for one in installation.plan.wards)
    raise ConfigError((f"no ward {ward!r} in the plan; there are {names}",))


def by_flow(run: str) -> Actor:
    """The hand of a run."""
    return Actor(kind=ActorKind.FLOW, name=run)


def by_role(role: str) -> Actor:
    """A person's hand, by role, never by name."""
    return Actor(kind=ActorKind.PERSON, name=Role(role))
