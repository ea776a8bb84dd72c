"""What the gates may look at: the plan, the ledger's fold, and signs of life."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.plan import Plan, Stage
from orchestrator.core.state import ProgrammeState, WardState
from orchestrator.core.verdict import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Whether a process was seen renewing its sign of life; None: not observed long enough.

    `behind_s`: for how many seconds the ledger has not had what the sentinel said.
    `fence`: whether the sentinel saw the fence refuse what it must; None: not tried, or long ago.
    `deaf_s`: for how many seconds no alert source has answered the sentinel; 0 where it asks none.
    """

    sentinel: bool | None
    guard: bool | None
    behind_s: float = 0.0
    fence: bool | None = None
    deaf_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """Everything that the rules may look at. `legacy`: the worst verdict of the signals that
    prove legacy ready, None when nobody has looked."""

    plan: Plan
    plan_hash: str
    programme: ProgrammeState
    ward: WardState
    stage: Stage
    life: Life
    legacy: Level | None
    now: datetime
