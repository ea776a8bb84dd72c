"""Each dependency broken in turn while a ward is exposed on a real API server and then harmed.

What a return does not need does not hold it up. The one thing that it needs it waits for, again
and again, and says so; it lands by itself as soon as that answers.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.core.event import RollbackIntended, RollbackWritten, Trigger
from orchestrator.service.leases import SENTINEL, ward_lease
from tests.kube.doomed import DISK_FULL, WARD
from tests.kube.ports import say_signals
from tests.kube.stage import DATABASE, LIMIT_S, Accounts, Stage
from tests.real.kube_proxy import KubeProxy, kube_proxy
from tests.real.kube_site import ROUTES, KubeSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
# Calls may take as long as the client lets them, and the sentinel still leads.
PATIENT = (("lease_s: 2", "lease_s: 8"),)
_numbers = count()
_clock = SystemClock()


@dataclass
class Scene:
    """An exposed ward, watched by a sentinel that reaches the API server through a door."""

    stage: Stage
    door: KubeProxy
    config: Path

    def is_home(self) -> bool:
        return not self.stage.is_exposed()


@pytest.fixture
def scene(
    kube: KubeSite, accounts: Accounts, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Scene]:
    is_direct = getattr(request, "param", False)
    with kube_proxy(kube.server) as door:
        token = kube.tokens["sentinel"]
        url = kube.server.url if is_direct else door.url
        config = kube.server.kubeconfig(f"door-{next(_numbers)}", token, url=url)
        stage = Stage(kube, accounts, tmp_path / "home", *PATIENT)
        try:
            stage.start("sentinel", config=config)
            stage.await_leases(SENTINEL)
            stage.expose()
            stage.await_leases(SENTINEL, ward_lease(WARD))
            yield Scene(stage, door, config)
        finally:
            stage.end()


def nothing(_: Scene) -> None:
    """Nothing to do."""


def lose_database(scene: Scene) -> None:
    (scene.stage.home / DATABASE).rename(scene.stage.home / "away")


def find_database(scene: Scene) -> None:
    (scene.stage.home / "away").rename(scene.stage.home / DATABASE)


def fill_disk(scene: Scene) -> None:
    (scene.stage.home / DISK_FULL).touch()


def clear_disk(scene: Scene) -> None:
    (scene.stage.home / DISK_FULL).unlink()


def blind(scene: Scene) -> None:
    say_signals(scene.stage.home, text_lost=None, legacy_ready=1.0)


def hang_sources(scene: Scene) -> None:
    say_signals(scene.stage.home, text_lost="hang", legacy_ready=1.0)


def say_status(scene: Scene, conditions: list[dict[str, Any]]) -> None:
    server = scene.stage.kube.server
    found = scene.stage.kube.route(WARD)
    parent = {"name": "wards"}
    found["status"] = {
        "parents": [
            {
                "parentRef": parent,
                "controllerName": "wardshift.io/practice",
                "conditions": conditions,
            }
        ]
        if conditions
        else []
    }
    server.call("PUT", f"{ROUTES}/ward-{WARD}/status", found)


def stale_status(scene: Scene) -> None:
    """The gateway said something about an older configuration, and nothing good."""
    generation = scene.stage.kube.route(WARD)["metadata"]["generation"]
    say_status(
        scene,
        [
            {
                "type": kind,
                "status": "False",
                "reason": "Pending",
                "message": "",
                "observedGeneration": generation - 1,
                "lastTransitionTime": "2027-03-01T00:00:00Z",
            }
            for kind in ("Accepted", "ResolvedRefs")
        ],
    )


def no_status(scene: Scene) -> None:
    say_status(scene, [])


def cut_watches(scene: Scene) -> None:
    """The one that is open, and every one that is opened after it."""
    scene.door.cutting = True
    scene.door.cut_watches()
    assert wait_until(lambda: scene.door.cut > 1, timeout_s=LIMIT_S), "no watch was opened again"


def slow(scene: Scene) -> None:
    scene.door.delay_s = 0.7


def quick(scene: Scene) -> None:
    scene.door.delay_s = 0.0


def storm(*statuses: int) -> Callable[[Scene], None]:
    def begin(scene: Scene) -> None:
        scene.door.only = f"{ROUTES}/"
        scene.door.storm = list(statuses)

    return begin


def has_passed(scene: Scene) -> bool:
    """Each of them met a write of the ward's route; nobody else writes routes in this scene."""
    return not scene.door.storm and not scene.door.lose


def lose_answers(scene: Scene) -> None:
    scene.door.only = f"{ROUTES}/"
    scene.door.lose = 1


@dataclass(frozen=True, kw_only=True)
class Break:
    """What is broken before the harm, and mended when the ward is home. `harm`: how it shows;
    `came`: whether the break really met what the return did."""

    begin: Callable[[Scene], None]
    end: Callable[[Scene], None] = nothing
    harm: Callable[[Scene], None] = lambda scene: scene.stage.breach()
    trigger: Trigger = Trigger.BREACH
    came: Callable[[Scene], bool] = lambda _: True


NOT_NEEDED = {
    "the database is gone": Break(begin=lose_database, end=find_database),
    "the journal's disk is full": Break(begin=fill_disk, end=clear_disk),
    "database and disk at once": Break(
        begin=lambda scene: (lose_database(scene), fill_disk(scene)),
        end=lambda scene: (clear_disk(scene), find_database(scene)),
    ),
    "no source of signals answers": Break(begin=nothing, harm=blind, trigger=Trigger.BLIND),
    "the source of signals hangs": Break(begin=nothing, harm=hang_sources, trigger=Trigger.BLIND),
    "the route has no status": Break(begin=no_status),
    "the route's status is old and bad": Break(begin=stale_status),
    "no watch stays open": Break(begin=cut_watches),
    "the API server answers slowly": Break(begin=slow, end=quick),
    "others write faster a few times": Break(begin=storm(409, 409, 409), came=has_passed),
    "the API server fails a few times": Break(
        begin=storm(500, 500, 503, 429, 500), came=has_passed
    ),
    "the answer is lost": Break(begin=lose_answers, came=has_passed),
}


@pytest.mark.parametrize("name", NOT_NEEDED)
def test_what_a_return_does_not_need_does_not_hold_it_up(scene: Scene, name: str) -> None:
    broken = NOT_NEEDED[name]
    broken.begin(scene)
    broken.harm(scene)
    assert wait_until(scene.is_home, timeout_s=LIMIT_S), scene.stage.story()
    assert broken.came(scene)
    broken.end(scene)
    scene.stage.await_rest(scene.stage.is_home)
    assert scene.stage.unsound() is None
    assert not scene.stage.witness.exposed_after_return()
    (intended,) = scene.stage.happenings(RollbackIntended)
    assert intended.cause.trigger is broken.trigger


def renew_token(scene: Scene) -> None:
    """As a mounted token does, the one in the file becomes another."""
    server = scene.stage.kube.server
    server.kubeconfig(scene.config.stem, server.service_account("sentinel"), url=scene.door.url)


def always(status: int | None) -> Callable[[Scene], None]:
    def begin(scene: Scene) -> None:
        scene.door.always = status

    return begin


def say_down(*, down: bool) -> Callable[[Scene], None]:
    def begin(scene: Scene) -> None:
        scene.door.down = down

    return begin


@dataclass(frozen=True, kw_only=True)
class Need:
    """The one thing that a return needs, taken away and given back. `said`: what the sentinel says
    that it waits for (a pattern). `is_direct`: without a door between. `lasts_s`: how long it stays
    away at least, where that is what is asked for."""

    begin: Callable[[Scene], None]
    end: Callable[[Scene], None]
    said: str
    is_direct: bool = False
    lasts_s: float = 0.0


NEEDED = {
    "nobody listens (the API server was killed)": Need(
        begin=lambda scene: scene.stage.kube.server.kill(),
        end=lambda scene: scene.stage.kube.server.start(),
        said="refused",
        is_direct=True,
        lasts_s=30.0,
    ),
    "the API server hangs": Need(
        begin=lambda scene: scene.stage.kube.server.pause(),
        end=lambda scene: scene.stage.kube.server.go_on(),
        said="no answer in time|timed out",
        is_direct=True,
    ),
    "the API server says that it is not ready": Need(
        begin=say_down(down=True), end=say_down(down=False), said="down"
    ),
    "every write fails": Need(begin=always(500), end=always(None), said="answer is unknown"),
    "others always write faster": Need(
        begin=always(409), end=always(None), said="changed meanwhile"
    ),
    "the token expired": Need(
        begin=lambda scene: scene.door.expired.add(scene.stage.kube.tokens["sentinel"]),
        end=renew_token,
        said="Unauthorized",
    ),
}
TRIES = 3  # the same loop as the first one; nothing counts them, so nothing gives up


@pytest.mark.parametrize(
    ("scene", "name"),
    [(need.is_direct, name) for name, need in NEEDED.items()],
    indirect=["scene"],
    ids=NEEDED,
)
def test_what_a_return_needs_is_waited_for_said_and_used_as_soon_as_it_answers(
    scene: Scene, name: str
) -> None:
    need, stage = NEEDED[name], scene.stage
    need.begin(scene)
    began_s = _clock.monotonic()
    try:
        stage.breach()
        assert wait_until(
            lambda: (
                len(stage.said("sentinel", "rollback.delayed")) >= TRIES
                and _clock.monotonic() - began_s >= need.lasts_s
            ),
            timeout_s=LIMIT_S + need.lasts_s,
        ), (stage.home / "sentinel.log").read_text()[-3000:]
        assert wait_until(lambda: bool(stage.pages("rollback_delayed")), timeout_s=LIMIT_S)
    finally:
        # Before it is given back: an API server that starts says other things for a while.
        delayed = stage.said("sentinel", "rollback.delayed")
        lasted_s = _clock.monotonic() - began_s
        need.end(scene)
    stage.await_rest(stage.is_home)
    assert re.search(need.said, delayed[-1]["problem"]), delayed[-1]
    assert len(stage.pages("rollback_delayed")) == 1
    (written,) = stage.happenings(RollbackWritten)
    assert written.after_s > 0.5 * lasted_s - 1, (written, lasted_s)
    assert stage.unsound() is None
