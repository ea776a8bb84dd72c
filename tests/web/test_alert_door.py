"""The door for pushed alerts, by people and programs that mean it no good, and by many at once."""

import asyncio
import json
import os
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.tokens import TokenFile, add_token
from orchestrator.core.event import AlertStatus
from orchestrator.web.alerts import DESCRIPTION, Limits, description
from orchestrator.web.bucket import Bucket
from tests.fakes import FakeClock
from tests.fakes_ledger import HangingJournal
from tests.plans import FIRST
from tests.web.apart import apart
from tests.web.door import CLOCK, Door, door_open, message, patient_door

pytestmark = pytest.mark.real


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with door_open(tmp_path) as made:
        yield made


def is_well(door: Door) -> bool:
    """It still answers, and takes what it should."""
    with urllib.request.urlopen(f"{door.url}/healthz", timeout=30) as answer:
        assert answer.status == 200
    return door.post(message({"ward": "med-2", "pod": os.urandom(4).hex()}))[0] == 200


def test_a_known_sender_s_alert_returns_the_ward_before_the_answer(door: Door) -> None:
    status, said = door.post(message())
    assert status == 200
    assert not door.is_exposed()
    assert said["wards"] == {FIRST: "written"}
    assert said["journalled"]
    assert len(door.heard()) == 1


@pytest.mark.parametrize(
    "header",
    ["", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer \xe5"],
)
def test_whoever_has_no_token_gets_no_further(door: Door, header: str) -> None:
    said = {"Authorization": header.format(token=door.token)}
    status, answer = door.post(message(), headers=said)
    assert status == 401
    assert "token" in answer["problem"]
    assert door.is_exposed()
    assert not door.heard()
    assert is_well(door)


def test_without_any_token_nothing_is_taken(door: Door) -> None:
    door.tokens_path.unlink()
    for _ in range(2):
        door.receiver.tokens.read()  # pyright: ignore[reportAttributeAccessIssue]
    status, answer = door.post(message())
    assert status == 401
    assert "wardshift alerts token" in answer["problem"]
    assert door.is_exposed()


def test_tokens_rotate_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    old = add_token(path, "old")
    file = TokenFile(path, every_s=0.01)
    file.start()
    path.write_text("# by hand, without a last line's end\n" + path.read_text().strip())
    new = add_token(path, "new sender")
    assert wait_until(lambda: file.takes(new) and file.takes(old), timeout_s=30)
    path.write_text("\n".join(path.read_text().splitlines()[2:]))
    assert wait_until(lambda: file.takes(new) and not file.takes(old), timeout_s=30)
    path.write_text("not a hash\n")
    assert wait_until(lambda: file.is_empty, timeout_s=30)
    file.stop()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert new not in path.read_text()


def test_a_file_that_is_empty_while_somebody_saves_it_loses_no_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    token = add_token(path, "old")
    file = TokenFile(path)
    kept = path.read_text()
    path.write_text("")
    file.read()
    assert file.takes(token)
    path.write_text(kept)
    file.read()
    path.unlink()
    file.read()
    assert file.takes(token)
    file.read()
    assert file.is_empty


def test_a_token_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    token = add_token(path, "old")
    file = TokenFile(path)
    path.write_bytes(b"\xff\xfe")
    file.read()
    assert file.takes(token)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"not json", 400),
        (b"\xff\xfe\x00", 400),
        (b"[" * 900_000, 400),
        (b'{"alerts":' + b'{"a":' * 100_000, 400),
        (b"null", 422),
        (b"[]", 422),
        (b'{"version":"3","alerts":[]}', 422),
        (b'{"version":"4"}', 422),
        (b'{"version":"4","alerts":{}}', 422),
        (b'{"version":"4","alerts":[{"status":"firing"}]}', 422),
        (json.dumps(message(truncatedAlerts=-1)).encode(), 422),
        (json.dumps(message(truncatedAlerts=0.5)).encode(), 422),
        (json.dumps(message(truncatedAlerts=True)).encode(), 422),
        (b'{"version":"4","alerts":[{"status":"firing","labels":{},"startsAt":"12"}]}', 422),
        (json.dumps(message({"ward": 5})).encode(), 422),  # type: ignore[dict-item]
        (json.dumps(message(status="pending")).encode(), 422),
        (b'{"version":"4","alerts":[]} {"version":"4"}', 400),
    ],
)
def test_what_is_no_message_is_refused_in_a_sentence_and_people_hear_of_it(
    door: Door, body: bytes, status: int
) -> None:
    found, answer = door.post(body)
    assert found == status
    assert answer["problem"]
    assert [page.code for page in door.notifier.pages] == ["alerts_refused"]
    assert door.is_exposed()
    assert is_well(door)


def test_a_refusal_never_says_what_was_sent(door: Door) -> None:
    secret = "19121212-1212"
    odd = message({"patient": [secret]}, **{secret: secret})  # type: ignore[dict-item]
    _, answer = door.post(odd)
    assert secret not in json.dumps(answer)
    door.post(message({"ward": secret}))
    assert secret not in str(door.notifier.pages)


def test_one_bad_alert_among_good_ones_half_applies_nothing(door: Door) -> None:
    mixed = message({}, {"pod": "b"})
    mixed["alerts"][1]["startsAt"] = "yesterday"
    assert door.post(mixed)[0] == 422
    assert door.is_exposed()
    assert not door.heard()


def test_fifty_megabytes_are_not_taken(door: Door) -> None:
    head = f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.token}\r\n"
    said = f"{head}Content-Length: {50 * 2**20}\r\n\r\n".encode()
    assert b" 413 " in door.talk(said)
    chunk = b"%x\r\n%s\r\n" % (2**16, b"a" * 2**16)
    answer = door.talk(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), *([chunk] * 800))
    assert b" 413 " in answer or not answer  # it hangs up while we still send
    assert wait_until(lambda: door.answered.count(413) == 2, timeout_s=30)
    assert is_well(door)


def test_a_slow_body_is_given_up_and_others_are_not_kept_waiting(tmp_path: Path) -> None:
    with door_open(tmp_path, limits=Limits(body_within_s=2.0)) as door:
        head = (
            f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.token}\r\n"
            "Content-Length: 1000\r\n\r\n{"
        )
        assert b" 408 " in door.talk(head.encode(), *([b" "] * 60), pause_s=0.1)
        assert is_well(door)


def test_a_sender_that_hangs_up_leaves_nothing_behind(door: Door) -> None:
    head = f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.token}\r\n"
    import socket

    for _ in range(20):
        with socket.create_connection(("127.0.0.1", door.port)) as raw:
            raw.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
    assert is_well(door)
    assert door.is_exposed()


def test_a_replayed_message_is_known_and_an_old_one_raises_nothing(door: Door) -> None:
    firing = message({"severity": "warning"})
    over = message({"severity": "warning"}, status="resolved")
    over["alerts"][0] |= {
        "startsAt": firing["alerts"][0]["startsAt"],
        "endsAt": CLOCK.now().isoformat(),
    }
    said = [door.post(one)[1] for one in (firing, firing, over, over, firing)]
    names = [[name for name in ("new", "known", "replayed") if one[name]] for one in said]
    assert names == [["new"], ["known"], ["new"], ["known"], ["replayed"]]
    assert [one.status for one in door.heard()] == [AlertStatus.FIRING, AlertStatus.RESOLVED]


def test_a_wrong_ward_is_told_to_people(door: Door) -> None:
    status, said = door.post(message({"ward": "nowhere-1"}))
    assert (status, said["unplaced"], said["wards"]) == (200, 1, {})
    assert "nowhere-1" in door.notifier.pages[0].message
    assert door.is_exposed()


def test_alerts_that_the_sender_left_out_are_told_to_people(door: Door) -> None:
    assert door.post(message(truncatedAlerts=7.0))[0] == 200
    assert "left out 7 alerts" in door.notifier.pages[0].message


async def _all_at_once(door: Door, bodies: list[bytes]) -> list[int]:
    async def one(body: bytes) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        head = (
            f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.token}\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1])

    return await asyncio.gather(*(one(body) for body in bodies))


def test_a_thousand_messages_at_once_are_all_taken_and_the_ward_returns_once(door: Door) -> None:
    bodies = [json.dumps(message({"pod": str(number)})).encode() for number in range(1000)]
    assert set(asyncio.run(_all_at_once(door, bodies))) == {200}
    assert not door.is_exposed()
    assert len(door.heard()) == 1000
    assert len([route for route in door.routes.writes if route.epoch > 2]) == 1
    assert is_well(door)


def test_a_thousand_alerts_in_one_message_with_the_ledger_down(door: Door) -> None:
    door.ledger.down = True
    status, said = door.post(message(*({"pod": str(number)} for number in range(1000))))
    assert (status, said["new"]) == (200, 1000)
    assert not door.is_exposed()
    door.ledger.down = False
    assert len(door.heard()) == 1000


def test_beyond_its_rate_it_says_when_to_come_again(tmp_path: Path) -> None:
    with door_open(tmp_path, limits=Limits(most_at_once=3, a_second=0.01)) as door:
        statuses = [door.post(message({"pod": str(number)}))[0] for number in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        head = f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.token}\r\n"
        assert b"retry-after: " in door.talk(f"{head}Content-Length: 0\r\n\r\n".encode()).lower()
        assert door.post(message(), token="wrong")[0] == 401
        assert len(door.heard()) == 3


def test_a_bucket_gains_what_it_should_and_never_overflows() -> None:
    clock = FakeClock()
    bucket = Bucket(clock, most=2, a_second=0.5)
    assert [bucket.take(), bucket.take(), bucket.take()] == [0, 0, 2]
    clock.advance(2.0)
    assert [bucket.take(), bucket.take()] == [0, 2]
    clock.advance(1000.0)
    assert [bucket.take(), bucket.take(), bucket.take()] == [0, 0, 2]


def test_while_the_journal_s_disk_hangs_the_ward_returns_and_the_answer_is_send_again(
    tmp_path: Path,
) -> None:
    with HangingJournal() as disk, door_open(tmp_path, journal=disk) as door:
        status, said = door.post(message())
        assert (status, said["journalled"]) == (503, False)
        assert not door.is_exposed()


def test_its_description_is_served_and_is_that_of_the_code(door: Door) -> None:
    with urllib.request.urlopen(f"{door.url}{DESCRIPTION}", timeout=30) as answer:
        assert json.load(answer) == description()


door_schema = schemathesis.openapi.from_dict(description())["/alerts"]["POST"]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Its disk is waited for: 503 for one that is slow for a moment has a test of its own."""
    with apart(patient_door, tmp_path_factory.mktemp("fuzzed")) as where:
        yield where


@pytest.mark.parametrize("mode", list(GenerationMode))
@settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_the_description_allows_or_not_is_answered_as_it_says(
    mode: GenerationMode, fuzzed: tuple[str, str], data: st.DataObject
) -> None:
    url, token = fuzzed
    case = data.draw(door_schema.as_strategy(generation_mode=mode))
    case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {token}"})
