"""What is advised is true, can be typed as it stands, and names who was asked."""

import json
from pathlib import Path

import pytest

from orchestrator.adapters.processes import free_port
from orchestrator.core.event import Cause, RollbackIntended, RollbackWritten, Trigger
from tests.cli.conftest import NOTES, SHADOW, WARD, Home, make_home

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


@pytest.fixture
def on_cluster(tmp_path: Path) -> Home:
    """A programme on a cluster whose API server is down, whatever its gateways do."""
    file = tmp_path / "kubeconfig"
    server = f"https://127.0.0.1:{free_port()}"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "one",
                "clusters": [{"name": "one", "cluster": {"server": server}}],
                "users": [{"name": "one", "user": {"token": "t"}}],
                "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
            }
        )
    )  # fmt: skip
    made = make_home(tmp_path / "home", kubeconfig=str(file))
    made.start()
    made.enter(SHADOW, 2)
    return made


def test_the_api_server_is_named_and_no_gateway_is_to_be_restarted(on_cluster: Home) -> None:
    for words in (("list",), ("show", WARD, "--quick"), ("rollback", WARD, "--patience", "0.1")):
        ran = on_cluster.run(*words, *(("--yes",) if words[0] == "rollback" else ()))
        assert "The Kubernetes API server does not answer" in ran.err, words
        assert "Do not restart a gateway" in ran.err, words
        assert "gateway does not answer" not in ran.err, words


def test_in_practice_the_gateways_administration_is_named(home: Home) -> None:
    ran = home.run("list")
    assert "The practice gateway's administration does not answer" in ran.err
