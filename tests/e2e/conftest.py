"""Each test gets a hospital of its own; nothing of it is left when the test ends."""

from collections.abc import Iterator

import pytest

from orchestrator.cli.everything import Wishes
from tests.e2e.stage import Stage
from tests.e2e.ticks import EACH_TICK


@pytest.fixture(autouse=True)
def _each_tick_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process started from here inherits it."""
    for name, value in EACH_TICK.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    """Every process of safety, no Prefect."""
    made = Stage(tmp_path, Wishes(practice=True, with_prefect=False))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def exposed(stage) -> Stage:
    """The first ward works its notes in the candidate."""
    stage.expose()
    return stage
