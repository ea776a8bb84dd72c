"""One round of bringing Prefect up to date with the ledger: deployments, recorder, keeper."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

from flows import deployments
from flows.keeper import RunKeeper
from flows.reading import LedgerReader, reader_of
from flows.recorder import Recorder
from orchestrator.bootstrap import Installation

BUSY = (429, 500, 502, 503, 504)


@dataclass(slots=True)
class Showroom:
    """For one event loop. Whatever it forgets, it finds again in Prefect and in the ledger."""

    installation: Installation
    _reader: LedgerReader = field(init=False)
    _recorder: Recorder | None = None
    _keeper: RunKeeper | None = None

    def __post_init__(self) -> None:
        """The telling goes on from where it stopped, also while Prefect is away."""
        self._reader = reader_of(self.installation)

    async def round(self, answered: Callable[[], None]) -> None:
        """Bring everything up to date once; say so as soon as Prefect has answered.

        Raises: Unavailable, Corrupt; what Prefect's client raises.
        """
        async with get_client() as client:
            if self._recorder is None or self._keeper is None:
                self._open(await deployments.apply(client, self.installation.plan))
            answered()
            await asyncio.to_thread(self._reader.drain)
            telling = await asyncio.to_thread(self._reader.read)
            assert self._recorder is not None
            assert self._keeper is not None
            await self._recorder.round(client, telling)
            await self._keeper.round(client, telling)

    def _open(self, ids: Mapping[str, UUID]) -> None:
        one = self.installation
        self._recorder = Recorder(plan=one.plan, deployments=ids)
        self._keeper = RunKeeper(
            plan=one.plan, leases=one.run_leases, clock=one.clock, deployments=ids
        )

    def failed(self, error: Exception) -> None:
        """A round failed: ask a busy server again, and begin anew after anything else.

        It may be another server then, with another database.
        """
        if isinstance(error, PrefectHTTPStatusError) and error.response.status_code in BUSY:
            return
        self._recorder = None
        self._keeper = None
