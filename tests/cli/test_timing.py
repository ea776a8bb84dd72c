"""The four parts of the harm window, as a sentinel's own metrics page has them after a return."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.adapters.clock import wait_until
from orchestrator.core.route import is_exposed
from tests.cli.conftest import WARD, Home, expose
from tests.cli.test_watching import get, leads, running
from wards.practice.hospital import Hospital

LIMIT_S = 60.0
PARTS = ("detect", "decide", "write", "prove")

pytestmark = pytest.mark.real


class StaffPage:
    """What the clinicians' page says of notes whose text was lost."""

    lost = 0

    def text(self) -> bytes:
        """The page now."""
        labels = f'{{ward="{WARD}",system="candidate"}}'
        return (
            "# TYPE staff_note_text_lost_total counter\n"
            f"staff_note_text_lost_total{labels} {self.lost}\n"
        ).encode()


@contextmanager
def served(page: StaffPage) -> Iterator[str]:
    """That page over HTTP; its address."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page.text()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()


def counted(address: str) -> Mapping[str, float]:
    """How often each part has been timed."""
    seen = {
        sample.name: sample.value
        for family in text_string_to_metric_families(get(f"{address}/metrics")[1])
        for sample in family.samples
    }
    return {part: seen.get(f"wardshift_{part}_seconds_count", -1.0) for part in PARTS}


def test_one_return_is_timed_in_all_its_parts_on_the_sentinels_own_page(
    make_ready: Callable[..., Home], hospital: Hospital
) -> None:
    page = StaffPage()
    where = hospital.addresses
    with served(page) as staff:
        addresses = {name: where[f"{name}_url"] for name in ("legacy", "candidate")}
        ready = make_ready(addresses=json.dumps({**addresses, "staff_metrics": staff}))
        expose(ready)
        with running(ready, "sentinel") as one:
            address = one.address()
            assert leads(address), one.log.read_text()[-2000:]
            assert wait_until(lambda: counted(address)["decide"] > 0, timeout_s=LIMIT_S)
            before = counted(address)
            assert {before[part] for part in ("detect", "write", "prove")} == {0}
            page.lost = 1
            routes = ready.installation.routes
            assert wait_until(lambda: not is_exposed(routes.get(WARD).route), timeout_s=LIMIT_S)
            assert wait_until(lambda: min(counted(address).values()) > 0, timeout_s=LIMIT_S), (
                counted(address),
                one.log.read_text()[-2000:],
            )
            after = counted(address)
    assert {after[part] for part in ("detect", "write", "prove")} == {1}, after
    assert after["decide"] > before["decide"]
