"""Every view of the stop form and its receipts, as the door answers."""

from pathlib import Path

import pytest

from orchestrator.core.receipt import Became
from orchestrator.web.stop_en import ENGLISH
from orchestrator.web.stop_sv import SWEDISH
from tests.web.bedside import Bedside
from tests.web.shown import shown_plan
from tests.web.views import VIEWS


@pytest.mark.parametrize("name", VIEWS)
def test_the_form_and_its_receipts_in_every_view(name: str, tmp_path: Path) -> None:
    view = VIEWS[name]
    answer = view.come(Bedside(tmp_path, shown_plan()))
    assert answer.status_code == view.status
    for words in view.words:
        assert words in answer.text
    if view.became is not None:
        told = (ENGLISH if "english" in name else SWEDISH).told[view.became]
        assert f'<div class="state {view.became}"' in answer.text
        assert f"<h2>{told.title}</h2>" in answer.text


def test_a_stop_that_was_taken_back_is_not_said_to_be_paged_again(tmp_path: Path) -> None:
    again = SWEDISH.not_taken.format(minutes="5")
    for name, says_so in (("frozen", True), ("taken-back", False)):
        (tmp_path / name).mkdir()
        answer = VIEWS[name].come(Bedside(tmp_path / name, shown_plan()))
        assert (again in answer.text) is says_so


def test_whatever_a_report_can_become_is_among_the_views() -> None:
    assert {view.became for view in VIEWS.values()} - {None} == set(Became)
