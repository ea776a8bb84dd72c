"""The record of the poll path's bench: an old return is not taken for a new one. Pure."""

import pytest

from orchestrator.adapters.clock import SystemClock
from orchestrator.core.event import (
    Cause,
    RollbackIntended,
    RollbackProven,
    RollbackWritten,
    Trigger,
)
from orchestrator.core.route import RETURN_MARK, Annotation, all_legacy, desired_route
from orchestrator.core.state import Phase
from orchestrator.core.view import foreign_return, view
from tests.bench import reaction
from tests.drafts import START, draft

OF = reaction.bench_plan(1.0)
ONE, OTHER = OF.wards[0].id, OF.wards[1].id
CAUSE = Cause(trigger=Trigger.BREACH, reason="harm")


def returned(life, epoch):
    for happening in (
        RollbackIntended(cause=CAUSE, seen_at=START),
        RollbackWritten(epoch=epoch, after_s=0.1),
        RollbackProven(epoch=epoch, probes=2, after_s=0.2, still_open=0),
    ):
        life.hear(draft(ONE, happening))


def home_route(epoch):
    note = Annotation(who="sentinel:bench", why=f"{RETURN_MARK}harm")
    out = desired_route(OF, ONE, OF.stages[2], epoch=epoch - 1, annotation=note)
    return all_legacy(out, epoch=epoch, annotation=note)


def test_a_ward_sent_out_again_knows_its_last_return_in_an_old_picture():
    life = reaction.Life(OF, SystemClock())
    returned(life, 4)
    life.send_out(ONE, 5)
    seen = view(OF, life.state().ward(ONE), home_route(4))
    assert foreign_return(seen) is None
    assert seen.exposed == OF.stages[2].candidate, "it is watched by what the record says"


def test_a_return_by_another_hand_is_still_seen():
    life = reaction.Life(OF, SystemClock())
    returned(life, 4)
    life.send_out(ONE, 5)
    seen = view(OF, life.state().ward(ONE), home_route(7))
    assert foreign_return(seen) is not None


def test_what_was_heard_of_one_ward_is_not_taken_for_anothers():
    life = reaction.Life(OF, SystemClock())
    returned(life, 4)
    assert set(life.heard[ONE]) == {"decided", "written", "proven"}
    assert life.heard[OTHER] == {}
    assert life.state().ward(ONE).phase is Phase.ROLLED_BACK
    life.send_out(ONE, 5)
    assert life.heard[ONE] == {}


def test_only_a_ward_that_harms_may_have_returned():
    life = reaction.Life(OF, SystemClock())
    poll = reaction._Bench(OF, {}, None, life, None, None)  # type: ignore[arg-type]
    poll._check_all_out()
    returned(life, 4)
    with pytest.raises(RuntimeError, match=f"{ONE} returned, and its number was well: harm"):
        poll._check_all_out()
