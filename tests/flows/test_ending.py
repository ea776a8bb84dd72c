"""The worker ends when it is asked, before whoever asked has to insist."""

import asyncio
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from flows import showing, worker
from orchestrator.adapters.processes import Job

SOON_S = 2.0


class Hanging:
    """A showroom whose round waits for a Prefect that has been ended already."""

    def __init__(self, _installation: Any) -> None: ...

    async def round(self, _answered: Callable[[], None]) -> None:
        await asyncio.Event().wait()

    def failed(self, error: Exception) -> None:
        raise error


def test_a_round_under_way_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "Showroom", Hanging)

    async def told_to_end() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, stop.set)
        installation: Any = None
        async with asyncio.timeout(SOON_S):
            await worker.keep_showing(installation, stop, asyncio.Event(), poll_s=0.1)

    asyncio.run(told_to_end())


def test_runs_that_never_finish_are_waited_for_less_long_than_the_worker_itself() -> None:
    """Prefect's worker waits for its runs, and a ward's run lasts for weeks."""
    grace_s = next(one.default for one in fields(Job) if one.name == "grace_s")
    assert grace_s >= worker.STOP_S + SOON_S
