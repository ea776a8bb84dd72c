"""`wardshift sentinel` and `wardshift guard`: the two processes that bring wards back.

Neither imports Prefect; both start and work while ledger and Prefect are down. Their
outermost loop survives every error of ours: a turn that failed renews no lease, so silence
leads to the guard, and the guard's own silence closes the gates.
"""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import structlog

from orchestrator import logs
from orchestrator.adapters.processes import free_port, is_taken
from orchestrator.cli.machine import check_port
from orchestrator.errors import ConfigError
from orchestrator.ports import Clock

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

    from orchestrator.bootstrap import Installation
    from orchestrator.cli.standing import Standing
    from orchestrator.service.follow import Follower
    from orchestrator.service.sentinel import Sentinel
    from orchestrator.settings import Site
    from orchestrator.web.pages import Health
    from orchestrator.web.stop import StopDoor

log = structlog.get_logger()
LOOKS_A_LEASE = 8
SLOWEST_LOOK_S = 1.0
MOST_LEASE_S = 3600.0
IPV4 = 4


def sentinel(*, home: Path | None = None, plan: Path | None = None, port: int = 0) -> int:
    """Watch every exposed ward and return it when it must be.

    Example: wardshift sentinel --home /var/lib/wardshift

    Args:
        home: Home folder with site.env (or WARDSHIFT_HOME).
        plan: Programme file, instead of the site's.
        port: Where the ward board, /healthz and /metrics listen; else the site's; 0: a free one.
    """
    from orchestrator.adapters.metrics import SentinelMetrics
    from orchestrator.adapters.notify import tell_the_rest
    from orchestrator.adapters.tokens import TokenFile
    from orchestrator.bootstrap import code_version, install
    from orchestrator.service.stopping import unanswered
    from orchestrator.web.alerts import Receiver
    from orchestrator.web.gauges import PageGauges
    from orchestrator.web.pages import serve
    from orchestrator.web.stop import stop_routes

    logs.configure("sentinel")
    check_port("--port", port)
    installation = install(home, plan)
    metrics = SentinelMetrics(
        version=code_version(),
        plan_hash=installation.plan_hash,
        lease_s=installation.plan.policy.lease_s,
    )
    one, follower = installation.sentinel(PageGauges(metrics), metrics.probed)
    one.watch.hands.scribe.listen(metrics.noted)
    hearing, polls = installation.hearing(one, follower)
    tokens = TokenFile(installation.site.alert_tokens_file)
    receiver = Receiver(hearing, tokens, installation.clock, metrics.answered)
    port = _port(port or installation.site.sentinel_port)
    host = installation.site.listen_host
    doors = (*receiver.routes(), *stop_routes(stop_door(installation, one, follower)))
    application = web_app(installation, one, follower, metrics.page, doors)
    serve(application, port, host=str(host))

    def turn() -> None:
        one.step()
        metrics.pending(follower.pending())
        metrics.way_back(one.way_back())
        metrics.silences(hearing.silences_s())
        metrics.reports(unanswered(follower.state(), installation.clock.now()))

    say_who_is_paged(installation.site)
    with announced(installation.site.home, "sentinel", local_url(host, port)):
        for each in (follower, tokens, *polls):
            each.start()
        keep_on(turn, every_s=installation.plan.policy.tick_s, clock=installation.clock)
        one.stand_down()
        for each in (*polls, tokens, follower):
            each.stop()
        tell_the_rest(installation.notifier)
    return 0


def guard(*, home: Path | None = None, lease_s: float = 5.0) -> int:
    """Return a ward to legacy when nobody renews its lease. Needs no plan and no database.

    Example: wardshift guard --home /var/lib/wardshift --lease-s 15

    Args:
        home: Home folder with site.env (or WARDSHIFT_HOME).
        lease_s: How long a missing lease is waited for; a lease that is there says its own.
    """
    from orchestrator.adapters.clock import clock_from
    from orchestrator.adapters.notify import tell_the_rest
    from orchestrator.bootstrap import guard_of, read_site

    logs.configure("guard")
    if not 0 < lease_s < MOST_LEASE_S:
        raise ConfigError((f"--lease-s {lease_s}: seconds, more than 0 and below {MOST_LEASE_S}",))
    site = read_site(home)
    one = guard_of(site, lease_s=lease_s)
    every_s = min(SLOWEST_LOOK_S, lease_s / LOOKS_A_LEASE)
    say_who_is_paged(site)
    with announced(site.home, "guard", None):
        keep_on(one.step, every_s=every_s, clock=clock_from(site.clock_file))
        tell_the_rest(one.notifier)
    return 0


def say_who_is_paged(site: "Site") -> None:
    """Once, at the start: without a pager a page is a line that nobody may be reading."""
    if not site.pager:
        log.warning("pager.unset", pages_file=str(site.pages_file))


def web_app(
    installation: "Installation",
    one: "Sentinel",
    follower: "Follower",
    metrics: Callable[[], bytes],
    more: "Sequence[BaseRoute]" = (),
) -> "Starlette":
    """Everything that this sentinel shows over HTTP, and the doors beside it."""
    from orchestrator.cli.board import board
    from orchestrator.cli.sight import Seer
    from orchestrator.web.board import board_routes
    from orchestrator.web.pages import Pages, app

    seer = Seer(installation=installation, sentinel=one, follower=follower)
    pages = Pages(
        health=lambda: health(one, follower),
        metrics=metrics,
        board=lambda: board(seen(installation, follower), seen_by=f"sentinel {os.getpid()}"),
        ward=lambda ward: _ward_page(installation, one, follower, ward),
        ledger_age_s=follower.age_s,
    )
    pictures = board_routes(lambda: seer.board(seen(installation, follower)), installation.clock)
    return app(pages, (*pictures, *more))


def health(one: "Sentinel", follower: "Follower") -> "Health":
    """What a sentinel says of itself: active with a fresh tick, or standing by for a living one."""
    from orchestrator.web.pages import Health

    age_s = one.tick_age_s()
    is_fresh = age_s is not None and age_s <= one.lease_s
    return Health(
        healthy=is_fresh if one.is_active else one.stands_by(),
        active=one.is_active,
        tick_age_s=age_s,
        ledger_age_s=follower.age_s(),
        ledger_pending=follower.pending(),
        ledger_corrupt=None if follower.corrupt is None else str(follower.corrupt),
    )


def stop_door(installation: "Installation", one: "Sentinel", follower: "Follower") -> "StopDoor":
    """The bedside's door to this sentinel, whether it leads or stands by."""
    from orchestrator.bootstrap import staff_digest_of, stop_codes_of
    from orchestrator.web.stop import StopDoor

    watch = one.watch
    return StopDoor(
        plan=installation.plan,
        line=installation.stop_line(
            watch.hands.scribe, follower.state, watch.attend, watch.may_be_exposed
        ),
        codes=stop_codes_of(installation.site),
        digest=staff_digest_of(installation.site).of,
        clock=installation.clock,
    )


def seen(installation: "Installation", follower: "Follower") -> "Standing":
    """The programme as a sentinel sees it, with the routes as they are now."""
    from orchestrator.cli.standing import Record, Standing, routes_now

    damage = follower.corrupt
    problem = None if damage is None else str(damage)
    state = follower.state()
    record = Record(entries=(), pending=(), state=state, problem=problem, damage=damage)
    return Standing(installation=installation, record=record, routes=routes_now(installation))


def _ward_page(
    installation: "Installation", one: "Sentinel", follower: "Follower", ward: str
) -> dict[str, Any] | None:
    """A ward's page; None for a ward that the plan does not know."""
    from orchestrator.cli.board import ward_page
    from orchestrator.core.gates.facts import Life
    from orchestrator.service.leases import GUARD

    known = next((each.id for each in installation.plan.wards if each.id == ward), None)
    if known is None:
        return None
    life = Life(
        sentinel=health(one, follower).healthy,
        guard=one.book.is_alive(GUARD),
        behind_s=follower.behind_s(),
        fence=one.fence.stands(),
        deaf_s=one.deaf_s(),
    )
    name = f"sentinel {os.getpid()}"
    return ward_page(seen(installation, follower), known, life, seen_by=name)


def keep_on(turn: Callable[[], None], *, every_s: float, clock: Clock) -> None:
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
    log.info("process.stopped")


@contextmanager
def announced(home: Path, name: str, address: str | None) -> Iterator[None]:
    """Say in home/run where this process is to be found, as long as it runs; a disk that takes no
    more is no reason not to watch."""
    file = home / "run" / f"{name}-{os.getpid()}.json"
    try:
        _write_whole(file, json.dumps({"pid": os.getpid(), "address": address}))
    except OSError as error:
        log.error("process.unannounced", problem=error.strerror)
    log.info("process.started", address=address)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _write_whole(file: Path, text: str) -> None:
    """Whoever looks finds all of it or nothing. Raises: OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def local_url(host: "IPv4Address | IPv6Address", port: int) -> str:
    """Where this machine finds what listens there; on every address: at its own."""
    own = "127.0.0.1" if host.version == IPV4 else "::1"
    name = own if host.is_unspecified else str(host)
    return f"http://{name}:{port}" if host.version == IPV4 else f"http://[{name}]:{port}"


def _port(wanted: int) -> int:
    """The port to listen on: watching goes on although somebody else has the one that was meant."""
    if not wanted:
        return free_port()
    if is_taken(wanted):
        log.warning("port.taken", port=wanted)
        return free_port()
    return wanted
