"""A file of stop codes that somebody edited by hand proves nothing, and breaks nothing."""

import json
from pathlib import Path

import pytest

from orchestrator.adapters.stop_codes import StopCodes
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
