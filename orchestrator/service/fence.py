"""Whether the fence stands: writes that must be refused are tried out, and nothing is changed.

A fence that was never seen to refuse is taken for none: nothing is exposed behind it.
Source: design rule 4; `deploy/kubernetes/base/fence.yaml` for what stands on a cluster.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace

import structlog

from orchestrator.core.ids import Side
from orchestrator.core.route import ObservedRoute, Route, is_exposed
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.ports import Clock, Fence, Routes

log = structlog.get_logger()
AGAIN_S = 30.0
AGAIN_AFTER_MISS_S = 2.0  # a route that changed under the try is no reason to stand still long
OLD_S = 3 * AGAIN_S


def breaches(fence: Fence, observed: ObservedRoute) -> tuple[str, ...]:
    """What the fence would have let through on this route; empty when it refused everything.

    Raises: Unavailable when it could not be tried.
    """
    return tuple(
        what
        for what, route in _forbidden(observed.route)
        if not _is_refused(fence, route, observed.resource_version)
    )


def _forbidden(route: Route) -> Iterator[tuple[str, Route]]:
    # Not mirrored: what is refused for its filters says nothing about grants.
    turned = tuple(
        replace(
            rule,
            side=Side.LEGACY if rule.side is Side.CANDIDATE else Side.CANDIDATE,
            mirrored=False,
        )
        for rule in route.rules
    )
    if route.epoch > 1:
        yield "a lower epoch", replace(route, epoch=route.epoch - 1)
    yield "another route under the same epoch", replace(route, rules=turned)
    if not is_exposed(route):
        # Far ahead, so that no grant that is open just now can be meant.
        ahead = replace(route, epoch=route.epoch + 1_000_000, rules=turned)
        yield "a forward write without a grant", ahead


def _is_refused(fence: Fence, route: Route, version: str) -> bool:
    try:
        fence.try_out(route, resource_version=version)
    except Refused as error:
        return error.code in ("stale_epoch", "no_grant", "no_epoch")
    except (Conflict, Indeterminate) as error:
        raise Unavailable("fence", f"could not be tried: {error}") from error
    return False


class FenceWatch:
    """Tries the fence again and again beside the sentinel's ticks, and never in their way; what
    of it cannot be tried is looked for."""

    def __init__(self, fence: Fence, routes: Routes, clock: Clock, executor: Executor) -> None:
        self._fence = fence
        self._routes = routes
        self._clock = clock
        self._executor = executor
        self._running: Future[None] | None = None
        self._due_at_s: float | None = None
        self._seen_at_s: float | None = None
        self._stands = False

    def look(self) -> None:
        """Begin another try when one is due."""
        now_s = self._clock.monotonic()
        if self._running is not None and not self._running.done():
            return
        if self._due_at_s is not None and now_s < self._due_at_s:
            return
        self._due_at_s = now_s + AGAIN_S
        self._running = self._executor.submit(self._try)

    def stands(self) -> bool | None:
        """Whether it refused everything when it was tried last; None when nobody can say."""
        seen_at_s = self._seen_at_s
        if seen_at_s is None or self._clock.monotonic() - seen_at_s > OLD_S:
            return None
        return self._stands

    def _try(self) -> None:
        try:
            routes = self._routes.all()
            # A ward on legacy shows the most; another one if none is.
            one = min(routes, key=lambda item: is_exposed(item.route), default=None)
            if one is None:
                return
            through = breaches(self._fence, one)
            missing = () if through else self._fence.missing_rules()
        except (Unavailable, Refused) as error:
            log.warning("fence.missed", problem=str(error))
            self._due_at_s = self._clock.monotonic() + AGAIN_AFTER_MISS_S
            return
        except Exception:
            log.exception("fence.stumbled")
            return
        is_open = bool(missing or through)
        if is_open:
            log.error("fence.open", let_through=through, missing=missing)
        self._stands, self._seen_at_s = not is_open, self._clock.monotonic()
