"""A token by the command line, and with it an alert to a sentinel of its own process."""

import hashlib
import json
import urllib.request
from typing import Any

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.core.event import AlertHeard, RollbackIntended, Trigger
from orchestrator.core.route import is_exposed
from orchestrator.ledger import drain
from tests.cli.conftest import WARD, Home
from tests.cli.test_watching import leads, running

LIMIT_S = 60.0


def test_a_token_is_shown_once_and_only_its_hash_is_kept(home: Home) -> None:
    made = home.run("alerts", "token", "--name", "alertmanager")
    assert made.code == 0
    token = made.out.strip()
    kept = (home.path / "alert-tokens").read_text()
    assert hashlib.sha256(token.encode()).hexdigest() in kept
    assert "alertmanager" in kept
    assert token not in kept + made.err


def test_where_no_token_can_be_kept_none_is_made(home: Home) -> None:
    (home.path / "alert-tokens").mkdir()
    made = home.run("alerts", "token")
    assert (made.code, made.out) == (4, "")
    assert "alert-tokens" in made.err


def post(address: str, token: str, body: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/alerts", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.real
def test_an_alert_returns_the_ward_through_the_real_gateway(exposed: Home) -> None:
    token = exposed.run("alerts", "token").out.strip()
    with running(exposed, "sentinel") as one:
        address = one.address()
        assert leads(address), one.log.read_text()[-2000:]
        alert = {
            "status": "firing",
            "labels": {"alertname": "NotesSlow", "ward": WARD, "severity": "critical"},
            "startsAt": exposed.installation.clock.now().isoformat(),
        }
        said = post(address, token, {"version": "4", "alerts": [alert]})
        assert said["new"] == 1
        routes = exposed.installation.routes
        assert wait_until(lambda: not is_exposed(routes.get(WARD).route), timeout_s=LIMIT_S)
        assert one.stop() == 0
    drain(exposed.installation.site.journal_dir, exposed.installation.ledger)
    happened = exposed.events()
    assert [one.name for one in happened if isinstance(one, AlertHeard)] == ["NotesSlow"]
    begun = [one.cause.trigger for one in happened if isinstance(one, RollbackIntended)]
    assert begun == [Trigger.ALERT]
