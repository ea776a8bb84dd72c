"""How long harm can last at worst, in named parts: timing is arithmetic, checked at load.

sample + query + tick + confirm + decide + write + prove <= max_harm_window_s, and
tick + 2 retry + margin <= lease. Source: design section 8.
"""

from dataclasses import dataclass

from orchestrator.core.ids import SignalName
from orchestrator.core.plan import Plan, Provider, Purpose, Signal
from orchestrator.core.threshold import Repetition, Tripwire

DECIDE_S = 0.05  # measured: judging and deciding 40 wards takes a few milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The worst case from harm to proof of one signal, in seconds.

    `confirm_s`: the further ticks that m-of-n needs after the first.
    """

    signal: SignalName
    sample_s: float
    query_s: float
    tick_s: float
    confirm_s: float
    decide_s: float
    write_s: float
    prove_s: float

    @property
    def total_s(self) -> float:
        """All parts, one after another."""
        return sum(value for _, value in self.parts())

    def parts(self) -> tuple[tuple[str, float], ...]:
        """The parts in order of time."""
        return (
            ("sample", self.sample_s),
            ("query", self.query_s),
            ("tick", self.tick_s),
            ("confirm", self.confirm_s),
            ("decide", self.decide_s),
            ("write", self.write_s),
            ("prove", self.prove_s),
        )


def budgets(plan: Plan) -> tuple[Budget, ...]:
    """One budget a safety signal whose provider is known, the slowest first."""
    providers = {provider.name: provider for provider in plan.providers}
    found = (
        _budget(plan, signal, providers[signal.provider])
        for signal in plan.signals_for(Purpose.SAFETY)
        if signal.provider in providers
    )
    return tuple(sorted(found, key=lambda budget: -budget.total_s))


def lease_need_s(plan: Plan) -> float:
    """The shortest lease under which a living sentinel never looks dead."""
    policy = plan.policy
    return policy.tick_s + 2 * policy.retry_budget_s + policy.margin_s


def _budget(plan: Plan, signal: Signal, provider: Provider) -> Budget:
    policy = plan.policy
    return Budget(
        signal=signal.name,
        sample_s=provider.sample_every_s,
        query_s=min(provider.timeout_s, policy.query_budget_s),
        tick_s=policy.tick_s,
        confirm_s=(_repetition(signal).m - 1) * policy.tick_s,
        decide_s=DECIDE_S,
        write_s=policy.write_budget_s,
        prove_s=policy.proof.probes * policy.proof.every_s + policy.write_budget_s,
    )


def _repetition(signal: Signal) -> Repetition:
    threshold = signal.threshold
    return Repetition() if isinstance(threshold, Tripwire) else threshold.repetition
