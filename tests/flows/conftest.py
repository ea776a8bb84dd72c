"""One real Prefect server for all flow tests, and this process's settings to reach it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import UUID

import pytest

from tests.flows.server import PrefectServer
from tests.flows.stage import in_prefect
from tests.plans import plan


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A running server; a test that stops it starts it again."""
    server = PrefectServer(Path(tmp_path_factory.mktemp("prefect")))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def ids(prefect_server: PrefectServer) -> Mapping[str, UUID]:
    """The test plan's deployments by "flow/name"."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows import deployments

    with temporary_settings({PREFECT_API_URL: prefect_server.api}):
        return in_prefect(lambda client: deployments.apply(client, plan()))


@pytest.fixture
def prefect_api(prefect_server: PrefectServer) -> Iterator[str]:
    """This process talks to that server, with the recorder's short patience."""
    from prefect.settings import (
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        PREFECT_HOME,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    with temporary_settings(
        {
            PREFECT_API_URL: prefect_server.api,
            PREFECT_HOME: str(prefect_server.home / "client"),
            PREFECT_API_REQUEST_TIMEOUT: 5.0,
            PREFECT_CLIENT_MAX_RETRIES: 3,
            PREFECT_LOGGING_TO_API_ENABLED: False,
        }
    ):
        yield prefect_server.api
