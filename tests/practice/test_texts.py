"""Notes and what is gone from them."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wards.practice.notes import Loss, loss, note_text, without_negation, without_words

NOTES = st.integers(0, 10_000).map(lambda seed: note_text(Random(seed)))


@pytest.mark.parametrize(
    ("typed", "stored", "lost"),
    [
        pytest.param("Ingen blödning.", "Ingen blödning.", Loss(words=0, negations=0), id="same"),
        pytest.param("Ingen blödning.", "Blödning.", Loss(words=0, negations=1), id="negation"),
        pytest.param("Ingen blödning i dag.", "Ingen blödning", Loss(words=2, negations=0), id="2"),
        pytest.param("Ej ont, ej feber", "Ont, ej feber", Loss(words=0, negations=1), id="one-of"),
        pytest.param("Utan anmärkning", "", Loss(words=1, negations=1), id="all"),
        pytest.param(
            "Nej till illamående", "till illamående nej", Loss(words=0, negations=0), id="order"
        ),
    ],
)
def test_loss_tells_negations_from_other_words(typed: str, stored: str, lost: Loss) -> None:
    assert loss(typed, stored) == lost


@given(NOTES)
def test_every_note_has_a_negation_to_lose(text: str) -> None:
    assert loss(text, without_negation(text)) == Loss(words=0, negations=1)


@given(NOTES, st.integers(0, 1000))
def test_lost_words_are_no_negations(text: str, seed: int) -> None:
    assert loss(text, without_words(text, Random(seed))) == Loss(words=2, negations=0)


def test_a_text_of_negations_alone_loses_no_word() -> None:
    assert without_words("ej inte nej", Random(1)) == "ej inte nej"
