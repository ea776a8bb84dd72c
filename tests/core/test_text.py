"""What people type in passing: an identity number is one however it is spaced."""

import pytest

from orchestrator.core.text import DROPPED, plain

WRITTEN = [
    "19121212-1212", "121212-1212", "121212 - 1212", "19121212 - 1212", "121212 -1212",
    "121212- 1212", "1912-12-12 - 1212", "12 12 12 - 1212", "121212  1212", "121212_1212",
    "121212:1212", "121212, 1212",
    "\uff11\uff12\uff11\uff12\uff11\uff12\uff0d\uff11\uff12\uff11\uff12",
    "191212\u200b12-1212", "121212\u00ad-1212",
]  # fmt: skip
KEPT = [
    "limit 0.05, value 0.1212", "2027-03-01 06:00:00", "epoch 1000000", "12 of 120 beds",
    "2027-03-01T06:00:00Z", "0.121212 - 1212", "bed 12, 14 and 16",
]  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
def test_an_identity_number_is_not_kept_however_it_is_written(written: str) -> None:
    said = plain(f"patient {written} sov")
    assert DROPPED in said
    assert "1212" not in said


@pytest.mark.parametrize("said", KEPT)
def test_what_is_none_is_kept(said: str) -> None:
    assert plain(said) == said
