"""A file of stop codes that somebody edited by hand proves nothing, and breaks nothing."""

import json
from pathlib import Path

import pytest

from orchestrator.adapters.stop_codes import StaffDigest, StopCodes
from tests.stops import NURSE


@pytest.mark.parametrize(
    "kept",
    [
        "abc", None, 7, [], {}, {"salt": "zz", "hash": "00"}, {"salt": None, "hash": None},
        {"salt": "00", "hash": "åä"},
    ],
)  # fmt: skip
def test_a_bent_code_is_nobody_s_and_hides_no_other(tmp_path: Path, kept: object) -> None:
    path = tmp_path / "codes.json"
    codes = StopCodes(path)
    code = codes.make("doctor")
    path.write_text(json.dumps({**json.loads(path.read_text()), NURSE: kept}))
    assert not codes.is_right(NURSE, "abcd")
    assert codes.is_right("doctor", code)


@pytest.mark.parametrize("typed", ["A12", " a-12 ", "Ａ１２", "ａ12"])  # noqa: RUF001
def test_a_staff_code_is_the_same_however_it_was_typed(tmp_path: Path, typed: str) -> None:
    """Else one person would confirm their own report."""
    digest = StaffDigest(tmp_path / "stop-key")
    assert digest.of(typed) == digest.of("a12")
    assert digest.of("b12") != digest.of("a12")
