"""The real sentinel's pages over fakes, in every state: what is so, and what to do."""

import pytest

from orchestrator.core.event import RollbackProven
from orchestrator.reports.board import Head
from orchestrator.reports.board_sv import SV
from tests.plans import FIRST, SLOW
from tests.web.stage import Stage
from tests.web.states import STATES


@pytest.mark.parametrize("name", STATES)
def test_the_board_in_every_state(name: str) -> None:
    state = STATES[name]
    seen: list[tuple[str, str, Head]] = []
    state.come(lambda one: seen.append((one.card(), one.page(), one.head())))
    card, whole, head = seen[0]
    assert head is state.head
    assert f'<p class="title">{SV.heads[head].title}</p>' in card
    for words in state.words:
        assert words in whole


def test_every_head_that_a_card_can_have_is_among_the_states() -> None:
    assert {state.head for state in STATES.values()} == set(Head)


def test_a_return_is_shown_to_its_end() -> None:
    stages: list[Stage] = []
    STATES["returning"].come(stages.append)
    one = stages[0]
    one.tick()
    assert any(isinstance(each.happening, RollbackProven) for each in one.world.drafts())
    assert '<p class="title">TILLBAKA</p>' in one.card()


def test_another_ward_is_shown_as_it_is_too() -> None:
    stages: list[Stage] = []
    STATES["exposed-pass"].come(stages.append)
    page = stages[0].page()
    assert page.count("<article") == len(stages[0].world.plan.wards)
    assert page.index(f"ward-{FIRST}") < page.index("ward-med-2")


def test_a_hung_sentinels_last_verdicts_are_not_shown_as_todays() -> None:
    stages: list[Stage] = []
    STATES["sentinel-hung"].come(stages.append)
    card = stages[0].card()
    assert "Bedöms inte just nu" in card
    assert "INOM GRÄNSERNA" not in card


def test_a_sentinel_that_lost_its_lead_shows_the_ledgers_verdicts_while_fresh() -> None:
    stages: list[Stage] = []
    STATES["exposed-pass"].come(stages.append)
    one = stages[0]
    first, second = one.world.sentinels
    first.sentinel.is_active = False  # as after a renewal that another one won
    one.world.numbers[SLOW] = 1.5
    for _ in range(8):
        one.world.clock.advance(2.1)
        second.turn()
        one.world.guards[0].turn()
        first.follower.round()
        first.sentinel.book.see(one.world.leases.all())
    page = one.page()
    assert "visas av reserven" in page
    assert "VARNING" in one.card()
    one.world.ledger.down = True
    for _ in range(5):
        one.world.clock.advance(2.1)
        second.turn()
        first.sentinel.book.see(one.world.leases.all())
    assert '<p class="title">VI SER INTE</p>' in one.card()
    assert "VARNING" not in one.card()
