"""What holds for every test: none depends on being fast; what is heavy runs one after another."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "wardshift", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("wardshift")

TESTS = Path(__file__).parent
ONE_AFTER_ANOTHER = ("e2e", "kube")  # a whole hospital, a whole control plane


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests stay in one process where several run: a file's, and all of a heavy folder."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        group = folder if folder in ONE_AFTER_ANOTHER else f"{folder}/{item.path.stem}"
        item.add_marker(pytest.mark.xdist_group(group))
