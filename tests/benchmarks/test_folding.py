"""The soak of tier-folding in small: members brought forward event by event end where a fold from their first day does."""

from datetime import timedelta

import pytest

from benchmarks import tier_folding
from benchmarks.frame.crowd import open_program
from benchmarks.frame.stories import RULES
from membership.engine.tally import Tally
from membership.models import Bucket


@pytest.mark.parametrize("seed", range(40))
def test_the_engine_in_memory(seed):
    assert tier_folding.engine(seed) is None


@pytest.fixture
def program(db):
    return open_program(tier_folding.SHOP, RULES, tier_folding.BEGIN - timedelta(days=1))


@pytest.mark.parametrize("seed", range(4))
def test_the_live_services(program, seed):
    assert tier_folding.live(seed) is None


def test_a_difference_in_memory_is_found(monkeypatch):
    """Sums that forget one metric on the way, but not when the member is folded again at the end."""
    put, fold_again = Tally.put_day, tier_folding.refold
    forgetful = True

    def forget(tally, day, sums):
        if forgetful:
            sums.cells.pop(("checkin", ""), None)
        put(tally, day, sums)

    def remember(*args):
        nonlocal forgetful
        forgetful = False
        return fold_again(*args)

    monkeypatch.setattr(Tally, "put_day", forget)
    monkeypatch.setattr(tier_folding, "refold", remember)
    found = []
    for seed in range(10):
        forgetful = True
        found.append(tier_folding.engine(seed))
    assert any(one and "days" in one and "totals" in one for one in found)


def test_a_difference_in_what_is_stored_is_found(program, monkeypatch):
    evaluate = tier_folding.evaluate_member

    def lose_a_sum(*, member_id, at):
        evaluate(member_id=member_id, at=at)
        Bucket.objects.filter(member=member_id, metric="orders").update(quantity=9)

    monkeypatch.setattr(tier_folding, "evaluate_member", lose_a_sum)
    assert "days" in (tier_folding.live(0) or "")
