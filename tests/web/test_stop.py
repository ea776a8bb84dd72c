"""The stop form and its JSON over a real service and fakes: what is taken, told and turned away."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Semaphore, Thread

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from orchestrator.adapters.stop_codes import StaffDigest, StopCodes
from orchestrator.core import event as ev
from orchestrator.core.receipt import Became
from orchestrator.web.stop import HEADERS, stop_routes
from orchestrator.web.stop_en import ENGLISH
from orchestrator.web.stop_sv import SWEDISH
from tests.plans import CSO, FIRST, HEAD, LEAD, LEGACY_UP
from tests.stops import NURSE
from tests.web.bedside import Bedside


@pytest.fixture
def bedside(tmp_path):
    return Bedside(tmp_path)


def test_a_press_gives_a_receipt_that_tells_what_became_of_it(bedside):
    answer = bedside.press(staff_code="A12", words="texten försvinner")
    assert answer.status_code == 303
    page = bedside.phone.get(answer.headers["location"])
    assert page.status_code == 200
    assert SWEDISH.told[Became.FROZEN].title in page.text
    assert SWEDISH.frozen in page.text
    (made,) = bedside.happened(ev.StopReported)
    assert made.words == "texten försvinner"
    assert f"{made.report[:4]}-{made.report[4:]}" in page.text
    assert 'http-equiv="refresh"' in page.text
    second = bedside.press(staff_code="B34", lang="en")
    page = bedside.phone.get(second.headers["location"])
    assert ENGLISH.told[Became.RETURNED].title in page.text
    assert not bedside.world.exposed()


@pytest.mark.parametrize("words", [SWEDISH, ENGLISH], ids=["sv", "en"])
def test_a_form_for_a_ward_that_is_not_there_says_so_and_that_nothing_was_sent(bedside, words):
    page = bedside.phone.get("/stop/nosuch", params={"lang": words.lang})
    assert page.status_code == 404
    assert "nosuch" in page.text
    assert {"sv": "Inget är skickat än", "en": "Nothing has been sent yet"}[words.lang] in page.text
    assert words.not_received not in page.text
    answer = bedside.press(ward="nosuch", lang=words.lang)
    assert words.not_received in answer.text, "that was a press, and it was turned away"


def test_the_form_promises_about_the_staff_code_no_more_than_is_kept(bedside):
    assert "sparas inte i klartext" in bedside.phone.get("/stop").text
    form = bedside.phone.get("/stop", params={"lang": "en"}).text
    assert "not kept as it is typed" in form


def test_two_people_are_told_apart_and_nobody_is_named(bedside, tmp_path):
    for staff_code in ("XQ12", " xq-12 ", ""):
        bedside.press(staff_code=staff_code)
    reporters = [one.reporter for one in bedside.happened(ev.StopReported)]
    assert reporters[0] == reporters[1]
    assert reporters[2] == "somebody"
    assert re.fullmatch("[a-p]{16}", reporters[0])
    assert bedside.world.exposed() is False, "one with a staff code and one without are two"
    # No random number has these letters.
    assert "xq12" not in str(bedside.world.drafts()).lower()
    for name in ("stop-key", "stop-codes.json"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    other = StaffDigest(tmp_path / "other-key").of("XQ12")
    assert other not in (None, reporters[0])


@pytest.mark.parametrize("press", ["press", "send"])
@pytest.mark.parametrize(
    ("role", "code"),
    [(NURSE, "wrong"), (NURSE, ""), (LEAD, "wrong"), ("no such role", "wrong"), (HEAD, "nurse's")],
    ids=["wrong", "none", "no code for it", "unknown role", "another role's"],
)
def test_whatever_proves_no_role_is_answered_alike_and_pages(bedside, press, role, code):
    code = bedside.code[NURSE] if code == "nurse's" else code or " "
    answer = getattr(bedside, press)(role=role, code=code, words="black")
    assert answer.status_code == {"press": 303, "send": 202}[press]
    assert bedside.happened(ev.StopReported) == []
    assert len(bedside.happened(ev.StopUnproven)) == 1
    assert [page.code for page in bedside.world.notifier.pages] == ["stop_unproven"]
    assert bedside.world.state().freeze is None
    assert bedside.world.exposed()


def test_an_identity_in_any_field_reaches_neither_record_nor_page(bedside):
    number = "19121212-1212"
    bedside.press(role=number, code="wrong", words=number)
    bedside.press(words=number, staff_code=number)
    kept = f"{bedside.world.drafts()} {bedside.world.notifier.pages}"
    assert number not in kept
    assert "1212" not in kept.replace("2027", "")


def test_wrong_codes_are_kept_only_so_often_and_a_right_one_always(bedside):
    answers = [bedside.send(code="wrong").status_code for _ in range(12)]
    assert answers == [202] * 10 + [429] * 2
    assert bedside.send(code="wrong", ward="med-2").status_code == 202
    assert bedside.send().status_code == 201
    bedside.world.clock.advance(60.0)
    assert bedside.send(code="wrong").status_code == 202


def test_a_crowd_with_the_right_code_is_taken_whole(bedside):
    barrier, answers = Barrier(12), []

    def press(which):
        barrier.wait()
        answers.append(bedside.send(staff_code=str(which)).status_code)

    crowd = [Thread(target=press, args=(which,)) for which in range(12)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert answers == [201] * 12
    assert len(bedside.happened(ev.StopReported)) == 12
    assert len(bedside.happened(ev.RollbackIntended)) == 1
    assert not bedside.world.exposed()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"[]", 422),
        (b"{", 422),
        (b"[" * 8000, 422),
        (b'{"ward": 7, "role": []}', 422),
        (b'{"ward": "nowhere", "role": "nurse"}', 422),
        (b'{"ward": "\\ud800", "role": "nurse"}', 422),
        (b"\xff\xfe", 422),
        (b"x" * 9000, 413),
    ],
    ids=[
        "empty",
        "list",
        "torn",
        "deep",
        "no texts",
        "no ward",
        "half a letter",
        "no text",
        "too long",
    ],
)
def test_what_is_no_stop_is_said_not_to_be_received(bedside, body, status):
    before = len(bedside.world.drafts())
    for path in ("/api/stop", "/stop"):
        answer = bedside.phone.post(path, content=body)
        assert answer.status_code == (422 if path == "/stop" and status != 413 else status)
        assert '"received":false' in answer.text or SWEDISH.not_received in answer.text
    assert len(bedside.world.drafts()) == before


def test_an_unknown_slice_is_no_reason_to_turn_a_stop_away(bedside):
    assert bedside.send(slice="nonsense").status_code == 201
    assert bedside.send(slice="notes").json()["slice"] == "notes"


def test_without_any_code_the_door_says_how_it_is_opened(bedside, tmp_path):
    bedside.codes = StopCodes(tmp_path / "none.json")
    phone = TestClient(Starlette(routes=stop_routes(bedside.door())))
    for answer in (phone.get("/stop"), phone.post("/stop", data={"ward": FIRST, "role": NURSE})):
        assert answer.status_code == 403
        assert "wardshift stop-code" in answer.text
    assert phone.post("/api/stop", json={}).json()["received"] is False
    (tmp_path / "none.json").write_text("not json")
    assert phone.get("/stop").status_code == 403


def test_a_key_that_does_not_read_costs_no_stop(bedside, tmp_path):
    (tmp_path / "stop-key").write_bytes(b"short")
    assert bedside.send(staff_code="A12").status_code == 201
    assert bedside.happened(ev.StopReported)[0].reporter == "somebody"


def test_nothing_from_elsewhere_is_on_a_page_and_nothing_is_kept_by_a_browser(bedside):
    report = bedside.press().headers["location"]
    for path in ("/stop", f"/stop/{FIRST}", "/stop?lang=en", report, "/stop/nowhere"):
        answer = bedside.phone.get(path)
        assert (
            HEADERS.items()
            <= {name.title(): value for name, value in answer.headers.items()}.items()
        )
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "<script" not in answer.text
        assert not re.search(r"(src|href|action)=\"(https?:)?//", answer.text)
    assert f'value="{FIRST}" selected' in bedside.phone.get(f"/stop/{FIRST}").text


def test_what_somebody_types_is_shown_and_never_run(bedside):
    answer = bedside.press(ward="", words="</textarea><script>x</script>")
    assert answer.status_code == 422
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_a_receipt_says_who_took_it_and_an_unknown_one_what_to_do(bedside):
    made = bedside.send().json()
    bedside.line.acknowledge(made["report"], CSO)
    page = bedside.phone.get(made["receipt"]).text
    assert "Patientsäkerhetsansvarig har tagit hand om det" in page
    shown = bedside.phone.get(f"/api/stop/{made['report'].upper()}").json()
    assert (shown["acknowledged_by"], shown["became"]) == (CSO, "frozen")
    assert bedside.phone.get("/stop/receipt/zzzz").status_code == 404
    assert bedside.phone.get("/api/stop/zzzz").status_code == 404


def test_sick_legacy_is_told_at_the_bedside_with_the_downtime_procedure(bedside):
    bedside.world.numbers[LEGACY_UP] = 0.0
    bedside.world.sentinels[0].turn()
    receipt = bedside.press(role=HEAD).headers["location"]
    bedside.world.sentinels[0].turn()
    page = bedside.phone.get(receipt).text
    assert SWEDISH.told[Became.BLOCKED].title in page
    assert "red binder" in page


def test_every_state_has_its_words_in_both_languages():
    assert set(SWEDISH.told) == set(ENGLISH.told) == set(Became)


def test_who_guesses_codes_keeps_nobody_from_asking_whether_we_live(bedside, monkeypatch):
    """Each guess costs a hash; what hangs there hangs on threads of its own."""
    goes_on, begun = Event(), Semaphore(0)

    def hang(*_: object) -> bool:
        begun.release()
        return goes_on.wait(60) and False

    monkeypatch.setattr(bedside.codes, "is_right", hang)
    alive = Route("/healthz", lambda _: PlainTextResponse("alive"))
    with TestClient(Starlette(routes=[alive, *stop_routes(bedside.door())])) as phone:
        body = {"ward": FIRST, "role": NURSE, "code": "guess"}
        with ThreadPoolExecutor(60) as guessers:
            guesses = [guessers.submit(phone.post, "/api/stop", json=body) for _ in range(60)]
            assert begun.acquire(timeout=30)
            assert phone.get("/healthz").text == "alive"
            assert not any(one.done() for one in guesses)
            goes_on.set()
