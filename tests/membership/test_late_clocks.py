"""Whoever waits for a member's lock has read the clock before it; what others brought meanwhile is not forgotten."""

from datetime import timedelta

import pytest

from common import clock
from membership.services import evaluate_member, record_activity
from tests.membership.club import Club, at_least, causes, on, rank

pytestmark = pytest.mark.django_db
NOON = on("2026-03-02")
SECOND = timedelta(seconds=1)


@pytest.fixture
def club():
    return Club(at_least("spend", "30d", "500.00"))


@pytest.fixture
def silver(club):
    """Bought the tier at noon and a second, heard of a second later."""
    member = club.join()
    club.buy(member, "600.00", paid=NOON + SECOND, heard=NOON + 2 * SECOND)
    assert rank(member) == 1
    return member


def order(club, member):
    club.buy(member, "10.00", paid=NOON, heard=NOON + SECOND / 2)


def check_in(club, member):
    with clock.travel(NOON + SECOND / 2):
        record_activity(
            member_id=member.pk, metric="checkin", quantity=1, occurred_at=clock.now(), at=clock.now(), ref="c"
        )


def glance(club, member):
    evaluate_member(member_id=member.pk, at=NOON + SECOND / 2)


def fold_again(club, member):
    evaluate_member(member_id=member.pk, at=NOON + SECOND / 2, refold=True)


@pytest.mark.parametrize("act", [order, check_in, glance, fold_again])
def test_news_with_an_older_clock_takes_nothing(club, silver, act):
    seen = silver.evaluated_at
    act(club, silver)
    silver.refresh_from_db()
    assert (rank(silver), causes(silver)) == (1, ["default", "enter"])
    assert silver.evaluated_at >= seen
    # The minimum stay ends.
    assert clock.day_of(silver.next_check_at).isoformat() == "2026-03-16"
