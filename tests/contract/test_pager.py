"""A page through a real Alertmanager: told each time, never heard again as an alert."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.adapters.alertmanager import AlertmanagerAlerts
from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.notify import FanOut
from orchestrator.adapters.pager import AlertmanagerPager
from orchestrator.adapters.retrying import retrying
from orchestrator.bootstrap import notifier_of
from orchestrator.core.event import Via
from orchestrator.core.placing import Notice, is_own_page, place
from orchestrator.errors import Unavailable
from orchestrator.ports import Notifier, Page
from orchestrator.settings import Site
from tests.fakes import FakeClock
from tests.plans import FIRST, plan
from tests.real.alertmanager_server import AlertmanagerServer, alertmanager_running
from tests.real.servers import Asked, Reply, WebServer, refused_url, web_server
from tests.web.door import door_open

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
LIMIT_S = 60.0
AMPLE_S = 20.0
PAGE = Page(ward=FIRST, code="stop_waits", message="It waits.", next_action="Call the ward now.")
# Not ours: whatever a region groups by, and no word again for a day.
THEIRS = """
route:
  receiver: oncall
  group_by: {group_by}
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 24h
receivers:
  - name: oncall
    webhook_configs: [{{url: "{url}/page", send_resolved: true}}]
"""


def pager(url: str, *, token_file: Path | None = None, budget_s: float = 20.0) -> AlertmanagerPager:
    again = retrying(FakeClock(), budget_s=budget_s, first_s=0.5, ceiling_s=5.0)
    return AlertmanagerPager(url, timeout_s=5.0, again=again, token_file=token_file)


@contextmanager
def oncall(folder: Path, group_by: str) -> Iterator[tuple[AlertmanagerServer, WebServer]]:
    """An Alertmanager, and the people whom it tells."""
    with web_server(lambda _: Reply()) as people:
        config = THEIRS.format(group_by=group_by, url=people.url)
        with alertmanager_running(folder, config) as alertmanager:
            yield alertmanager, people


def firing(people: WebServer) -> list[dict[str, Any]]:
    """The messages that told of something that was not told before, or again."""
    told = [json.loads(one.body) for one in people.asked]
    return [one for one in told if one["status"] == "firing"]


@pytest.mark.parametrize("group_by", ["[alertname, ward]", "[]", '["..."]'])
def test_a_page_that_is_said_again_is_told_again(tmp_path: Path, group_by: str) -> None:
    """Every reminder of one report is the same words."""
    with oncall(tmp_path, group_by) as (alertmanager, people):
        one = pager(alertmanager.url)
        for number in range(1, 4):
            one.page(PAGE)
            assert wait_until(lambda n=number: len(firing(people)) >= n, timeout_s=LIMIT_S)
        assert len(firing(people)) == 3
        assert not [one for one in people.asked if json.loads(one.body)["status"] == "resolved"]


def test_the_same_alert_sent_again_would_not_have_been_told(tmp_path: Path) -> None:
    """Why each page has a label of its own."""
    with oncall(tmp_path, "[alertname]") as (alertmanager, people):
        pager(alertmanager.url).page(PAGE)
        assert wait_until(lambda: len(firing(people)) == 1, timeout_s=LIMIT_S)
        (alert,) = alertmanager.alerts()
        pager(alertmanager.url)._post(
            [{key: alert[key] for key in ("labels", "annotations", "startsAt", "endsAt")}]
        )
        pager(alertmanager.url).page(replace(PAGE, code="later"))
        assert wait_until(lambda: len(firing(people)) == 2, timeout_s=LIMIT_S)
        assert len(firing(people)[1]["alerts"]) == 2  # both stand, and only the later one was news


def test_people_are_told_what_happened_where_and_what_to_do(tmp_path: Path) -> None:
    with oncall(tmp_path, "[]") as (alertmanager, people):
        pager(alertmanager.url).page(PAGE)
        assert wait_until(lambda: bool(firing(people)), timeout_s=LIMIT_S)
        (alert,) = firing(people)[0]["alerts"]
    labels = {name: value for name, value in alert["labels"].items() if name != "wardshift_page"}
    assert labels == {
        "alertname": "WardshiftPage", "code": "stop_waits", "wardshift_ward": FIRST,
        "severity": "page", "lane": "people", "service": "wardshift",
    }  # fmt: skip
    assert alert["annotations"] == {"summary": "It waits.", "action": "Call the ward now."}


def test_a_page_comes_back_to_no_sentinel_as_an_alert(tmp_path: Path) -> None:
    """Polled without a receiver's name, and pushed by a route that leaves nothing out."""
    with door_open(tmp_path) as door:
        config = THEIRS.format(group_by="[]", url=door.url).replace(
            '/page"', f'/alerts", http_config: {{authorization: {{credentials: "{door.token}"}}}}'
        )
        with alertmanager_running(tmp_path, config) as alertmanager:
            one = pager(alertmanager.url)
            one.page(PAGE)
            one.page(replace(PAGE, ward=None, code="alert_unplaced"))
            source = AlertmanagerAlerts(alertmanager.url, timeout_s=5.0)
            assert wait_until(lambda: len(source.read().notices) == 2, timeout_s=LIMIT_S)
            assert wait_until(lambda: bool(door.answered), timeout_s=LIMIT_S)
            door.hearing.seen(source.read(), Via.ALERTMANAGER)
            assert set(door.answered) == {200}
            assert door.notifier.pages == []
            assert door.heard() == []
            assert door.is_exposed()
            assert all(is_own_page(one) for one in source.read().notices)


def test_a_page_names_no_ward_by_the_plans_policy(tmp_path: Path) -> None:
    """Nor would it return one if it were heard: the second lock on the same door."""
    with oncall(tmp_path, "[]") as (alertmanager, _):
        pager(alertmanager.url).page(PAGE)
        (notice,) = AlertmanagerAlerts(alertmanager.url, timeout_s=5.0).read().notices
    heard = Notice(
        labels={name: value for name, value in notice.labels.items() if name != "wardshift_page"},
        status=notice.status,
        started_at=notice.started_at,
    )
    assert not hasattr(place(plan(), heard, Via.ALERTMANAGER), "ward")


def answers(*statuses: int) -> Callable[[Asked], Reply]:
    """One after the other, the last one for ever."""
    left = list(statuses)
    return lambda _: Reply(left.pop(0) if len(left) > 1 else left[0])


def test_what_fails_is_tried_again_as_the_same_page() -> None:
    with web_server(answers(503, 429, 401, 200)) as server:
        pager(server.url + "/").page(PAGE)
    assert {(one.method, one.path) for one in server.asked} == {("POST", "/api/v2/alerts")}
    assert len(server.asked) == 4
    assert len({one.body for one in server.asked}) == 1


def test_what_goes_on_failing_is_said_in_the_log_and_the_next_page_is_tried() -> None:
    with web_server(answers(500)) as server, capture_logs() as lines:
        fan_out = FanOut((pager(server.url),))
        fan_out.page(PAGE)
        fan_out.page(PAGE)
        assert fan_out.close(timeout_s=LIMIT_S)
    assert [one["event"] for one in lines if one["event"] != "attempt.repeated"] == [
        "page.failed"
    ] * 2
    assert len({json.loads(one.body)[0]["labels"]["wardshift_page"] for one in server.asked}) == 2


def test_one_that_is_not_there_is_unavailable_in_bounded_time() -> None:
    with pytest.raises(Unavailable):
        pager(refused_url()).page(PAGE)


def test_the_token_is_read_anew_for_each_try(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")

    def take(asked: Asked) -> Reply:
        token.write_text("new\n")
        return Reply(200 if asked.headers["authorization"] == "Bearer new" else 401)

    with web_server(take) as server:
        pager(server.url, token_file=token).page(PAGE)
    assert [one.headers["authorization"] for one in server.asked] == ["Bearer old", "Bearer new"]


def test_a_token_file_that_is_not_there_asks_for_none(tmp_path: Path) -> None:
    with web_server(answers(200)) as server:
        pager(server.url, token_file=tmp_path / "none").page(PAGE)
    assert "authorization" not in server.asked[0].headers


def test_a_token_file_that_does_not_read_is_unavailable_and_shows_nothing(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_bytes(b"secr\xc3\xa5t")
    with web_server(answers(200)) as server, pytest.raises(Unavailable) as caught:
        pager(server.url, token_file=token).page(PAGE)
    assert server.asked == []
    assert "secr" not in str(caught.value)


def test_no_identity_leaves_the_house() -> None:
    with web_server(answers(200)) as server:
        pager(server.url).page(replace(PAGE, message="about 19121212-1212, at once"))
    assert "1212" not in server.asked[0].body.decode().split('"summary"')[1].split("startsAt")[0]


def told(notifier: Notifier) -> None:
    notifier.page(PAGE)
    assert isinstance(notifier, FanOut)
    assert notifier.close(timeout_s=AMPLE_S)


def test_a_site_with_a_pager_pages_through_it_too(tmp_path: Path) -> None:
    with web_server(answers(200)) as server:
        told(notifier_of(Site(home=tmp_path, pager=server.url)))
    assert len(server.asked) == 1
    assert len((tmp_path / "pages.jsonl").read_text().splitlines()) == 1


def test_a_site_without_one_pages_as_before(tmp_path: Path) -> None:
    told(notifier_of(Site(home=tmp_path)))
    assert len((tmp_path / "pages.jsonl").read_text().splitlines()) == 1
