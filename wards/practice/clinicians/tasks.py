"""What each task does, and what its doer can see going wrong.

Invariant: harm is counted only when the same system took and gave back the record; a
task that a switch cut in two proves nothing about either side.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wards.practice import notes
from wards.practice.clinicians import forms
from wards.practice.clinicians.errand import Answer, Errand
from wards.practice.clinicians.tempo import Task
from wards.practice.ehr.resource import note_of

NOT_FOUND = 404
LABORATORY_TAKES_S = 0.3
RESULT_PATIENCE_S = 15.0
LOOK_AGAIN_S = (0.5, 1.0, 2.0, 4.0)  # the last one again and again
ALLERGY_EVERY = 4  # patients
STAFF = 20  # pseudonyms a ward
DOSES = (2.5, 5.0, 7.5, 10.0, 20.0)


async def log_in(errand: Errand) -> None:
    """Log in under a pseudonym."""
    desk = errand.desk
    user = {"user": f"{desk.ward}-staff-{desk.rng.randint(1, STAFF)}"}
    answer = await errand.write("admissions", "/session/login", user)
    desk.telemetry.logins.labels(desk.ward, answer.system).inc()
    if not answer.is_good:
        desk.telemetry.logins_failed.labels(desk.ward, answer.system).inc()
    errand.finish("admissions", answer, ok=answer.is_good)


async def write_note(errand: Errand) -> None:
    """Write a note, read it again, and miss no word."""
    desk, typed = errand.desk, notes.note_text(errand.desk.rng)
    sent = forms.note(desk.patient(), desk.key("note"), typed, desk.clock.now())
    answers = await _written_and_read(errand, "notes", sent)
    if answers is None:
        return
    _, read = answers
    loss = notes.loss(typed, note_of(read.body) or "")
    desk.telemetry.notes.labels(desk.ward, read.system).inc()
    if loss.words:
        desk.telemetry.text_lost.labels(desk.ward, read.system).inc()
    if loss.negations:
        desk.telemetry.negation_lost.labels(desk.ward, read.system).inc()
    errand.finish("notes", read, ok=read.is_good)


async def order_test(errand: Errand) -> None:
    """Order a test; the laboratory answers; look until the result is there."""
    desk = errand.desk
    who, now = desk.patient(), desk.clock.now()
    begun = desk.clock.monotonic()
    path = "/fhir/ServiceRequest"
    ordered = await errand.write("results", path, forms.order(who, desk.key("order"), now))
    if not ordered.is_good:
        errand.finish("results", ordered, ok=False)
        return
    order_id = ordered.body["id"]
    reported = await _deliver_result(errand, who, order_id)
    seen = await _look_for_result(errand, order_id, begun)
    if seen.system != reported.system:
        errand.finish("results", seen, ok=seen.is_good)
        return
    desk.telemetry.result_seconds.labels(desk.ward, seen.system).observe(
        desk.clock.monotonic() - begun
    )
    report = _first(seen)
    if report is not None:
        desk.telemetry.results.labels(desk.ward, seen.system).inc()
        if "subject" not in report:
            desk.telemetry.orphans.labels(desk.ward, seen.system).inc()
    errand.finish("results", seen, ok=report is not None)


async def prescribe(errand: Errand) -> None:
    """Prescribe, and compare the dose as typed with the dose as stored."""
    desk = errand.desk
    typed = forms.Dose(value=desk.rng.choice(DOSES), unit="mg")
    sent = forms.prescription(desk.patient(), desk.key("prescription"), typed, desk.clock.now())
    answers = await _written_and_read(errand, "medication", sent)
    if answers is None:
        return
    _, read = answers
    desk.telemetry.orders.labels(desk.ward, read.system).inc()
    if forms.dose_of(dict(read.body)) != typed:
        desk.telemetry.wrong_doses.labels(desk.ward, read.system).inc()
    errand.finish("medication", read, ok=read.is_good)


async def give_dose(errand: Errand) -> None:
    """Give a dose and sign for it."""
    desk = errand.desk
    dose = forms.Dose(value=desk.rng.choice(DOSES), unit="mg")
    body = forms.administration(desk.patient(), desk.key("dose"), dose, desk.clock.now())
    answer = await errand.write("medication", "/fhir/MedicationAdministration", body)
    errand.finish("medication", answer, ok=answer.is_good)


async def take_vitals(errand: Errand) -> None:
    """Take a pulse."""
    desk = errand.desk
    pulse = desk.rng.randint(55, 110)
    body = forms.vitals(desk.patient(), desk.key("vitals"), pulse, desk.clock.now())
    answer = await errand.write("vitals", "/fhir/Observation", body)
    errand.finish("vitals", answer, ok=answer.is_good)


async def admit(errand: Errand) -> None:
    """Admit the next patient, who sometimes has an allergy to tell."""
    desk = errand.desk
    who = desk.admit()
    path = f"/fhir/Patient/{who.id}"
    answer = await errand.write("admissions", path, forms.patient(who), method="PUT")
    if answer.is_good:
        body = forms.encounter(who, desk.key("stay"), desk.clock.now())
        answer = await errand.write("admissions", "/fhir/Encounter", body)
    if answer.is_good and who.number % ALLERGY_EVERY == 0:
        body = forms.allergy(who, desk.key("allergy"))
        answer = await errand.write("admissions", "/fhir/AllergyIntolerance", body)
    errand.finish("admissions", answer, ok=answer.is_good)


TASKS: Mapping[Task, Callable[[Errand], Awaitable[None]]] = {
    Task.LOGIN: log_in,
    Task.NOTE: write_note,
    Task.ORDER: order_test,
    Task.PRESCRIBE: prescribe,
    Task.DOSE: give_dose,
    Task.VITALS: take_vitals,
    Task.ADMIT: admit,
}


async def _written_and_read(
    errand: Errand, slice_: str, body: Mapping[str, Any]
) -> tuple[Answer, Answer] | None:
    """Enter a record and read it again; None when there is nothing to compare."""
    path = f"/fhir/{body['resourceType']}"
    written = await errand.write(slice_, path, body)
    if not written.is_good:
        errand.finish(slice_, written, ok=False)
        return None
    read = await errand.read(slice_, f"{path}/{written.body['id']}")
    if read.system != written.system:
        errand.finish(slice_, read, ok=read.status in (200, NOT_FOUND))
        return None
    if not read.is_good and read.status != NOT_FOUND:
        errand.finish(slice_, read, ok=False)
        return None
    return written, read


async def _deliver_result(errand: Errand, who: forms.Patient, order_id: str) -> Answer:
    desk = errand.desk
    await asyncio.sleep(LABORATORY_TAKES_S)
    value, now = desk.rng.randint(95, 160), desk.clock.now()
    measured = await errand.deliver(
        "results", "/fhir/Observation", forms.observation(who, desk.key("value"), value, now)
    )
    value_id = measured.body.get("id", "unknown")
    body = forms.report(who, desk.key("report"), order_id, value_id, now)
    return await errand.deliver("results", "/fhir/DiagnosticReport", body)


async def _look_for_result(errand: Errand, order_id: str, begun: float) -> Answer:
    path = f"/fhir/DiagnosticReport?based-on=ServiceRequest/{order_id}&_total=none"
    looks = 0
    while True:
        answer = await errand.read("results", path)
        waited_s = errand.desk.clock.monotonic() - begun
        if _first(answer) is not None or waited_s > RESULT_PATIENCE_S:
            return answer
        await asyncio.sleep(LOOK_AGAIN_S[min(looks, len(LOOK_AGAIN_S) - 1)])
        looks += 1


def _first(answer: Answer) -> Mapping[str, Any] | None:
    match answer.body:
        case {"entry": [{"resource": dict(report)}, *_]}:
            return report
        case _:
            return None
