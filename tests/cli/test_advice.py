"""What is advised is true, can be typed as it stands, and names who was asked."""

from orchestrator.core.event import Cause, RollbackIntended, RollbackWritten, Trigger
from tests.cli.conftest import NOTES, WARD, Home

CAUSE = Cause(trigger=Trigger.PERSON, reason="operations: wrong dose")


def row_of(home: Home, ward: str = WARD) -> dict[str, str]:
    """The ward's line of the list."""
    return next(
        row for row in home.run("list", "--format", "json").json["wards"] if row["ward"] == ward
    )


def test_a_return_that_is_not_written_waits_for_the_routes(home: Home) -> None:
    home.enter(NOTES, 3)
    now = home.installation.clock.now()
    home.happen(RollbackIntended(cause=CAUSE, seen_at=now))
    assert "waits for the routes" in row_of(home)["next"]
    assert "proof" not in row_of(home)["next"]
    home.happen(RollbackWritten(epoch=5, after_s=0.1))
    assert row_of(home)["next"] == "proof of the return"
