"""Pages on-call through the region's Alertmanager, which knows how to reach people.

What Alertmanager does with an alert (v0.31, `notify.DedupStage.needsUpdate`): it tells a receiver
when a group gets a firing alert that it has not told yet, and says nothing of one that it has
until `repeat_interval` is over. Two pages with the same labels would therefore be one, the second
unheard. So every page is an alert of its own by a label that no other page has, and a reminder is
a new page: each is told once, whatever the region's grouping and intervals are.

A page ends by itself after STANDS_S, for nobody would end it: long enough that a receiver which is
down for a while is still told, short enough that a list of alerts stays readable. That end says
nothing about what the page was about, so the receiver should have `send_resolved: false`.
Alertmanager keeps alerts in memory: one that it took and had not told when it was killed is lost.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.http import Failure, Http
from orchestrator.adapters.retrying import retrying
from orchestrator.core.placing import NAME_LABEL, PAGE_LABEL, PAGE_NAME
from orchestrator.core.text import plain, without_identity
from orchestrator.errors import Unavailable
from orchestrator.ports import Page

STANDS_S: Final = 3600.0
TRIES_FOR_S: Final = 60.0
PORT: Final = "pager"


class AlertmanagerPager:
    """The notifier port over `POST /api/v2/alerts`. To be used behind FanOut: it takes its time.

    The ward is in the label `wardshift_ward`, so that whoever hears alerts by the label `ward`
    does not take a page for one of a ward.

    Args:
        url: of the Alertmanager, without `/api`.
        timeout_s: of one exchange, in real seconds.
        again: repeats an exchange that failed; twice the same page is one page.
        token_file: holds the bearer token, read anew for each exchange; no such file: no token.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        again: Callable[[Callable[[], None]], None],
        token_file: Path | None = None,
    ) -> None:
        self._url = f"{url.rstrip('/')}/api/v2/alerts"
        self._http = Http(PORT, timeout_s=timeout_s)
        self._again = again
        self._token_file = token_file
        self._clock = SystemClock()  # Alertmanager's is a wall clock too, whatever a rehearsal's is

    def page(self, page: Page) -> None:
        """Hand it to Alertmanager. Raises: Unavailable; whoever calls it isolates that."""
        alerts = [self._alert(page)]
        self._again(lambda: self._post(alerts))

    def _alert(self, page: Page) -> dict[str, Any]:
        now = self._clock.now()
        labels = {
            NAME_LABEL: PAGE_NAME,
            PAGE_LABEL: uuid4().hex[:12],
            "code": plain(page.code),
            "wardshift_ward": plain(page.ward or ""),
            "severity": "page",
            "lane": "people",
            "service": "wardshift",
        }
        return {
            "labels": {name: value for name, value in labels.items() if value},
            "annotations": {
                "summary": _sendable(page.message),
                "action": _sendable(page.next_action),
            },
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(seconds=STANDS_S)).isoformat(),
        }

    def _post(self, alerts: list[dict[str, Any]]) -> None:
        answer = self._http.ask("POST", self._url, headers=self._authorization(), json=alerts)
        if isinstance(answer, Failure):
            raise Unavailable(PORT, answer.reason)
        if not answer.is_good:
            raise Unavailable(PORT, f"answered {answer.status}")

    def _authorization(self) -> dict[str, str]:
        """Raises: Unavailable for a token that is there and does not read."""
        if self._token_file is None:
            return {}
        try:
            token = self._token_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Unavailable(PORT, "its token file does not read") from error
        return {"authorization": f"Bearer {token}"}


def pager(url: str, *, timeout_s: float, token_file: Path | None) -> AlertmanagerPager:
    """A pager that goes on trying for TRIES_FOR_S; the next page waits meanwhile."""
    again = retrying(SystemClock(), budget_s=TRIES_FOR_S, first_s=0.5, ceiling_s=5.0)
    return AlertmanagerPager(url, timeout_s=timeout_s, again=again, token_file=token_file)


def _sendable(text: str) -> str:
    """Half of a pair is no text and cannot be sent; an identity must not leave the house."""
    return without_identity(text.encode(errors="replace").decode())
