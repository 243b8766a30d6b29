"""Many at one account of points: nothing is spent twice, booked twice or lost."""

from datetime import timedelta
from functools import partial

import pytest

from common import clock
from membership.exceptions import InsufficientPoints
from membership.models import EarningRules, PointsAccount, PointsEntry
from membership.selectors import audit_points, points_balance
from membership.services import expire_points, grant_points, reverse_points, spend_points

pytestmark = pytest.mark.django_db(transaction=True)
Cause = PointsEntry.Cause
RACERS = 12


def give(user, amount, ref, **extra):
    return grant_points(user_id=user.pk, amount=amount, cause=Cause.TASK, ref=ref, at=clock.now(), **extra)


def spend(user, amount, ref):
    return spend_points(user_id=user.pk, amount=amount, cause=Cause.COUPON, ref=ref, at=clock.now())


@pytest.fixture(autouse=True)
def no_caps(transactional_db):
    EarningRules.objects.update(daily_points=0, weekly_points=0)


def test_one_balance_many_spenders(race, alice):
    give(alice, 50, "a")
    results = race.run(*[partial(spend, alice, 10, f"s{n}") for n in range(RACERS)])
    refused = [one for one in results if isinstance(one, Exception)]
    assert len(refused) == RACERS - 5 and all(isinstance(one, InsufficientPoints) for one in refused)
    assert points_balance(user_id=alice.pk, at=clock.now()) == 0
    assert not any(audit_points().values())


def test_one_reference_is_booked_once_by_all(race, alice):
    granted = race.run(*[partial(give, alice, 10, "a")] * RACERS)
    assert sorted(one.is_new for one in granted) == [False] * (RACERS - 1) + [True]
    spent = race.run(*[partial(spend, alice, 10, "s")] * RACERS)
    assert sorted(one.is_new for one in spent) == [False] * (RACERS - 1) + [True]
    assert PointsAccount.objects.get(pk=alice.pk).balance == 0
    assert not any(audit_points().values())


def test_the_cap_holds_for_all_at_once(race, alice):
    EarningRules.objects.update(daily_points=35)
    granted = race.run(*[partial(give, alice, 10, f"a{n}") for n in range(RACERS)])
    assert sum(one.amount for one in granted) == 35


def test_spending_expiring_and_undoing_at_once(race, alice):
    at = clock.now()
    give(alice, 40, "old", expires_at=at + timedelta(hours=1))
    give(alice, 40, "new")
    spend(alice, 20, "s")
    later = at + timedelta(hours=2)

    def undo(number):
        return reverse_points(user_id=alice.pk, of_ref="s", ref=f"r{number}", at=later, amount=5)

    results = race.run(
        *[partial(expire_points, user_id=alice.pk, at=later)] * 3,
        *[partial(undo, number) for number in range(6)],
        *[partial(spend, alice, 10, f"t{n}") for n in range(3)],
    )
    assert not [one for one in results if isinstance(one, Exception)]
    assert not any(audit_points().values())
    returned = PointsEntry.objects.filter(reverses="s")
    assert sum(one.amount for one in returned) == 20


def test_a_balance_read_without_the_lock_is_spent_twice(race, alice):
    """What the service must not do: read, think, write."""
    give(alice, 10, "a")
    seen = []

    def naive():
        balance = PointsAccount.objects.get(pk=alice.pk).balance
        seen.append(balance)
        while len(seen) < 4:
            pass
        PointsAccount.objects.filter(pk=alice.pk).update(balance=balance - 10)
        return balance >= 10

    assert race.run(*[naive] * 4).count(True) > 1
    PointsAccount.objects.filter(pk=alice.pk).update(balance=10)
