"""`wardshift sentinel` and `wardshift guard`: the two processes that bring wards back.

Neither imports Prefect; both start and work while ledger and Prefect are down. Their
outermost loop survives every error of ours: a turn that failed renews no lease, so silence
leads to the guard, and the guard's own silence closes the gates.
"""

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog

from orchestrator import logs
from orchestrator.ports import Clock

log = structlog.get_logger()
LOOKS_A_LEASE = 8
SLOWEST_LOOK_S = 1.0


def sentinel(*, home: Path | None = None, plan: Path | None = None, port: int = 0) -> int:
    """Watch every exposed ward and return it when it must be.

    Example: wardshift sentinel --home /var/lib/wardshift

    Parameters
    ----------
    home: Home folder with site.env (or WARDSHIFT_HOME).
    plan: Programme file, instead of the site's.
    port: Where /healthz and /metrics listen; 0 chooses a free one.
    """
    from orchestrator.adapters.metrics import SentinelMetrics
    from orchestrator.adapters.processes import free_port
    from orchestrator.bootstrap import code_version, install
    from orchestrator.service.sentinel import Sentinel
    from orchestrator.web.health import Health, app, serve

    logs.configure("sentinel")
    installation = install(home, plan)
    metrics = SentinelMetrics(version=code_version(), plan_hash=installation.plan_hash)
    one, follower = installation.sentinel(metrics)
    one.watch.hands.scribe.listen(metrics.noted)
    wanted = port or installation.site.sentinel_port
    address = wanted or free_port()

    def health(of: Sentinel = one) -> Health:
        age_s = of.tick_age_s()
        fresh = age_s is not None and age_s <= of.lease_s
        return Health(
            healthy=fresh if of.is_active else of.stands_by(),
            active=of.is_active,
            tick_age_s=age_s,
            ledger_age_s=follower.age_s(),
            ledger_pending=follower.pending(),
            ledger_corrupt=None if follower.corrupt is None else str(follower.corrupt),
        )

    serve(app(health, metrics.page), address)
    _announce(installation.site.home, "sentinel", address)
    follower.start()

    def turn() -> None:
        one.step()
        metrics.pending(follower.pending())

    _loop(turn, every_s=installation.plan.policy.tick_s, clock=installation.clock)
    follower.stop()
    return 0


def guard(*, home: Path | None = None, lease_s: float = 5.0) -> int:
    """Return a ward to legacy when nobody renews its lease. Needs no plan and no database.

    Example: wardshift guard --home /var/lib/wardshift --lease-s 15

    Parameters
    ----------
    home: Home folder with site.env (or WARDSHIFT_HOME).
    lease_s: How long a missing lease is waited for; a lease that is there says its own duration.
    """
    from orchestrator.adapters.clock import clock_from
    from orchestrator.bootstrap import guard_of, read_site

    logs.configure("guard")
    site = read_site(home)
    one = guard_of(site, lease_s=lease_s)
    _announce(site.home, "guard", None)
    every_s = min(SLOWEST_LOOK_S, lease_s / LOOKS_A_LEASE)
    _loop(one.step, every_s=every_s, clock=clock_from(site.clock_file))
    return 0


def _loop(turn: Callable[[], None], *, every_s: float, clock: Clock) -> None:
    """Turn after turn on the monotonic clock until SIGTERM or SIGINT."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    due_s = clock.monotonic()
    while not stop.is_set():
        try:
            turn()
        except Exception:
            # A fault of ours: no lease is renewed by this turn, which is the safe direction.
            log.exception("turn.stumbled")
        due_s = max(due_s + every_s, clock.monotonic())
        stop.wait(due_s - clock.monotonic())


def _announce(home: Path, name: str, port: int | None) -> None:
    folder = home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    address = None if port is None else f"http://127.0.0.1:{port}"
    text = json.dumps({"pid": os.getpid(), "address": address})
    (folder / f"{name}-{os.getpid()}.json").write_text(text, encoding="utf-8")
    log.info("process.started", address=address)


if __name__ == "__main__":
    import sys
    verb, *rest = sys.argv[1:]
    options = dict(zip((name.lstrip("-").replace("-", "_") for name in rest[::2]), rest[1::2]))
    options["home"] = Path(options["home"])
    if "port" in options: options["port"] = int(options["port"])
    if "lease_s" in options: options["lease_s"] = float(options["lease_s"])
    sys.exit({"sentinel": sentinel, "guard": guard}[verb](**options))
