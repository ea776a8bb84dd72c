"""What a broken EHR makes of a record."""

from datetime import UTC, datetime
from random import Random

import pytest

from wards.practice.clinicians import forms
from wards.practice.ehr.faults import NONE, Chance, Faults, changed, damaged
from wards.practice.ehr.resource import note_of
from wards.practice.notes import loss, note_text

AT = datetime(2026, 11, 24, 7, tzinfo=UTC)
WHO = forms.Patient(ward="ward-1", number=7)
TEXT = note_text(Random(1))
NOTE = forms.note(WHO, "k", TEXT, AT)
REPORT = forms.report(WHO, "k", "o", "v", AT)
PRESCRIPTION = forms.prescription(WHO, "k", forms.Dose(value=5.0, unit="mg"), AT)
VITALS = forms.vitals(WHO, "k", 70, AT)
EVERYTHING = Faults(drop_text_rate=1, lose_negation_rate=1, orphan_result_rate=1, wrong_dose_rate=1)


@pytest.mark.parametrize("resource", [NOTE, REPORT, PRESCRIPTION, VITALS])
def test_without_faults_a_record_is_stored_as_sent(resource: forms.Resource) -> None:
    assert damaged(resource, NONE, Chance(1)) == resource


def test_a_note_loses_words_only() -> None:
    stored = note_of(damaged(NOTE, Faults(drop_text_rate=1), Chance(1)))
    assert stored is not None
    assert (loss(TEXT, stored).words > 0, loss(TEXT, stored).negations) == (True, 0)


def test_a_note_loses_a_negation_only() -> None:
    stored = note_of(damaged(NOTE, Faults(lose_negation_rate=1), Chance(1)))
    assert stored is not None
    assert (loss(TEXT, stored).words, loss(TEXT, stored).negations) == (0, 1)


def test_a_result_loses_its_patient() -> None:
    assert "subject" not in damaged(REPORT, Faults(orphan_result_rate=1), Chance(1))


def test_a_dose_changes_and_its_unit_stays() -> None:
    stored = damaged(PRESCRIPTION, Faults(wrong_dose_rate=1), Chance(1))
    assert forms.dose_of(stored) == forms.Dose(value=50.0, unit="mg")


def test_other_records_are_left_alone() -> None:
    assert damaged(VITALS, EVERYTHING, Chance(1)) == VITALS


def test_chance_is_repeatable_and_keeps_its_rate() -> None:
    first, second = ([Chance(7).comes(0.3) for _ in range(100)] for _ in range(2))
    assert first == second
    chance = Chance(7)
    assert 250 < sum(chance.comes(0.3) for _ in range(1000)) < 350


def test_faults_name_their_wards() -> None:
    faults = changed(NONE, {"latency_s": 2, "wards": ["ward-1"]})
    assert isinstance(faults, Faults)
    assert (faults.strike("ward-1"), faults.strike("ward-2")) == (True, False)
    assert (faults.latency_s, NONE.strike("ward-2")) == (2.0, True)


@pytest.mark.parametrize(
    ("wanted", "problems"),
    [
        pytest.param({"drop_text_rate": 1.5}, 1, id="rate-over-one"),
        pytest.param({"latency_s": -1}, 1, id="negative"),
        pytest.param({"latency_s": True}, 1, id="not-a-number"),
        pytest.param({"latency_s": float("nan")}, 1, id="nan"),
        pytest.param({"latency": 1, "drop_text_rate": 2}, 2, id="all-at-once"),
        pytest.param({"wards": "ward-1"}, 1, id="wards-not-a-list"),
        pytest.param(["latency_s"], 1, id="not-an-object"),
    ],
)
def test_wrong_faults_are_refused_with_every_problem(wanted: object, problems: int) -> None:
    found = changed(NONE, wanted)
    assert isinstance(found, tuple)
    assert len(found) == problems
