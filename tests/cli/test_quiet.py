"""A person's terminal has sentences; log lines of a command go to a file in the home folder."""

import json

from orchestrator.errors import ExitCode
from tests.cli.conftest import NOTES, WARD, Home


def lines(home: Home) -> list[dict[str, str]]:
    """What commands have logged there."""
    return [json.loads(line) for line in (home.path / "commands.log").read_text().splitlines()]


def test_a_return_that_waits_says_so_in_sentences_and_logs_elsewhere(home: Home) -> None:
    home.enter(NOTES, 3)
    ran = home.run("rollback", WARD, "--legacy-is-sick", "--yes", "--patience", "1.2")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "not written yet" in ran.err
    assert "rollback.delayed" not in ran.err
    delayed = [one for one in lines(home) if one["event"] == "rollback.delayed"]
    assert len(delayed) > 1
    assert delayed[0]["process"] == "wardshift"


def test_a_stop_tells_its_page_in_words_only(home: Home) -> None:
    home.enter(NOTES, 3)
    ran = home.run("stop", WARD, "--role", "nurse", "--yes")
    assert "{" not in ran.err
    assert any("page" in one["event"] for one in lines(home))


def test_whoever_asks_gets_the_log_on_the_terminal(home: Home) -> None:
    home.enter(NOTES, 3)
    ran = home.run(
        "rollback",
        WARD,
        "--legacy-is-sick",
        "--yes",
        "--patience",
        "0.1",
        env={"WARDSHIFT_LOG": "1"},
    )
    assert "rollback.delayed" in ran.err


def test_a_home_that_cannot_be_written_holds_no_return_up(home: Home) -> None:
    (home.path / "commands.log").mkdir()
    home.enter(NOTES, 3)
    ran = home.run("rollback", WARD, "--legacy-is-sick", "--yes", "--patience", "0.1")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "could NOT be written" in ran.out
