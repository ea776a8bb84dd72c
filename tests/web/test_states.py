"""The real sentinel's pages over fakes, in every state: what is so, and what to do."""

import pytest

from orchestrator.core.event import RollbackProven
from tests.plans import FIRST
from tests.web.stage import Stage
from tests.web.states import STATES


@pytest.mark.parametrize("name", STATES)
def test_the_board_in_every_state(name: str) -> None:
    come, head, besides = STATES[name]
    seen: list[tuple[str, str]] = []
    come(lambda one: seen.append((one.card(), one.page())))
    card, whole = seen[0]
    assert f'<p class="title">{head}</p>' in card
    for words in besides:
        assert words in whole


def test_a_return_is_shown_to_its_end() -> None:
    stages: list[Stage] = []
    come, _, _ = STATES["returning"]
    come(stages.append)
    one = stages[0]
    one.tick()
    assert any(isinstance(each.happening, RollbackProven) for each in one.world.drafts())
    assert '<p class="title">TILLBAKA</p>' in one.card()


def test_another_ward_is_shown_as_it_is_too() -> None:
    stages: list[Stage] = []
    STATES["exposed_pass"][0](stages.append)
    page = stages[0].page()
    assert page.count("<article") == len(stages[0].world.plan.wards)
    assert page.index(f"ward-{FIRST}") < page.index("ward-med-2")
