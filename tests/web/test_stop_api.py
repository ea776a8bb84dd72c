"""The JSON door for stops against its own description, by a program that draws what it sends."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from starlette.applications import Starlette

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.processes import free_port
from orchestrator.adapters.stop_codes import StaffDigest, StopCodes
from orchestrator.web.pages import serve
from orchestrator.web.stop import StopDoor, stop_routes
from orchestrator.web.stop_api import DESCRIPTION, description
from tests.plans import FIRST
from tests.stops import NURSE, exposed_world, line_of, stop_plan
from tests.web.apart import apart

pytestmark = pytest.mark.real


@contextmanager
def stop_door(folder: Path) -> Iterator[tuple[str, str]]:
    """The address of a ward's door over real HTTP, and the nurses' code."""
    world, codes, port = exposed_world(), StopCodes(folder / "stop-codes.json"), free_port()
    code = codes.make(NURSE)
    digest = StaffDigest(folder / "stop-key")
    # Its own time passes, so that who has no code is heard again after a while.
    line, clock = line_of(world), SystemClock()
    door = StopDoor(plan=world.plan, line=line, codes=codes, digest=digest.of, clock=clock)
    server = serve(Starlette(routes=stop_routes(door)), port, host="127.0.0.1")
    try:
        assert wait_until(lambda: server.started, timeout_s=30)
        yield f"http://127.0.0.1:{port}", code
    finally:
        server.force_exit = True
        server.should_exit = True


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with apart(stop_door, tmp_path_factory.mktemp("stop")) as where:
        yield where


def test_its_description_is_served_and_is_that_of_the_plan(served: tuple[str, str]) -> None:
    with urllib.request.urlopen(f"{served[0]}{DESCRIPTION}", timeout=30) as answer:
        assert json.load(answer) == description(stop_plan())


operation = schemathesis.openapi.from_dict(description(stop_plan()))["/api/stop"]["POST"]


@pytest.mark.parametrize("mode", list(GenerationMode))
@settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_the_description_allows_or_not_is_answered_as_it_says(
    mode: GenerationMode, served: tuple[str, str], data: st.DataObject
) -> None:
    case = data.draw(operation.as_strategy(generation_mode=mode))
    case.call_and_validate(base_url=served[0])


def test_after_all_that_a_nurse_with_a_code_is_heard(served: tuple[str, str]) -> None:
    url, code = served
    body = json.dumps({"ward": FIRST, "role": NURSE, "code": code}).encode()
    with urllib.request.urlopen(f"{url}/api/stop", body, timeout=60) as answer:
        assert answer.status == 201
        made = json.load(answer)
    with urllib.request.urlopen(f"{url}/api/stop/{made['report']}", timeout=30) as answer:
        assert json.load(answer)["report"] == made["report"]
