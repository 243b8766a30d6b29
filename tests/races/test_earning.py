"""Double clicks and parallel news: one check-in a day, one floor a pass, one reward a task and a friend."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction

from common import clock
from events.services import relay
from membership import handlers
from membership.models import (
    ActiveDay,
    Activity,
    CheckIn,
    EarningRules,
    Override,
    Pass,
    PassOffer,
    PointsEntry,
    Referral,
    Task,
    TaskProgress,
    Total,
)
from membership.selectors import audit_points, points_balance
from membership.services import (
    buy_pass,
    check_in,
    count_step,
    ensure_member,
    grant_points,
    invite_code_for,
    record_view,
    redeem_pass,
    reward_referral,
)
from tenancy.models import MAIN_ID
from tests.membership.club import OPENING, Club, at_least

pytestmark = pytest.mark.django_db(transaction=True)
RACERS = 10


@pytest.fixture(autouse=True)
def quiet_rules(transactional_db):
    EarningRules.objects.update(daily_points=0, weekly_points=0)


@pytest.fixture
def member(alice):
    return ensure_member(user_id=alice.pk, storefront_id=MAIN_ID, at=clock.now())


def failures(results):
    return [result for result in results if isinstance(result, Exception)]


def test_check_in_is_clicked_by_ten_fingers(race, alice):
    results = race.run(*[partial(check_in, user_id=alice.pk, storefront_id=MAIN_ID)] * RACERS)
    assert failures(results) == []
    assert sorted(one.is_new for one in results) == [False] * (RACERS - 1) + [True]
    assert CheckIn.objects.count() == ActiveDay.objects.count() == 1
    assert Activity.objects.filter(metric="checkin").count() == 1
    assert points_balance(user_id=alice.pk, at=clock.now()) == 5


def test_a_pass_is_bought_and_used_by_ten_fingers(race, alice, member):
    offer = PassOffer.objects.get(kind="boost")
    grant_points(user_id=alice.pk, amount=10_000, cause=PointsEntry.Cause.GIFT, ref="g", at=clock.now())
    bought = race.run(*[partial(buy_pass, user=alice, offer_id=offer.pk, key="one")] * RACERS)
    assert failures(bought) == [] and len({one.pk for one in bought}) == 1
    used = race.run(*[partial(redeem_pass, user=alice, public_id=bought[0].public_id, storefront_id=MAIN_ID)] * RACERS)
    assert failures(used) == [] and len({one.redeemed_at for one in used}) == 1
    assert Override.objects.count() == 1
    assert points_balance(user_id=alice.pk, at=clock.now()) == 10_000 - offer.price
    assert not any(audit_points().values())


def test_the_limit_of_an_offer_holds_for_all_at_once(race, alice):
    offer = PassOffer.objects.get(kind="boost")
    grant_points(user_id=alice.pk, amount=10_000, cause=PointsEntry.Cause.GIFT, ref="g", at=clock.now())
    race.run(*[partial(buy_pass, user=alice, offer_id=offer.pk, key=f"k{number}") for number in range(RACERS)])
    assert Pass.objects.count() == offer.limit
    assert points_balance(user_id=alice.pk, at=clock.now()) == 10_000 - offer.limit * offer.price


def test_two_passes_at_once_do_not_stack(race, alice, member):
    offer = PassOffer.objects.get(kind="boost")
    grant_points(user_id=alice.pk, amount=10_000, cause=PointsEntry.Cause.GIFT, ref="g", at=clock.now())
    mine = [buy_pass(user=alice, offer_id=offer.pk, key=key) for key in "ab"]
    results = race.run(
        *[partial(redeem_pass, user=alice, public_id=one.public_id, storefront_id=MAIN_ID) for one in mine * 3]
    )
    assert len(failures(results)) == 3
    assert Override.objects.count() == 1


def test_a_task_is_rewarded_once_by_parallel_news(race, alice, member):
    Task.objects.all().delete()
    Task.objects.create(kind=Task.Kind.SHARE, name="t", points=10, target=3)
    at = clock.now()

    def step(subject):
        return count_step(
            user_id=alice.pk, storefront_id=MAIN_ID, kind=Task.Kind.SHARE, subject=subject, at=at, told_at=at
        )

    results = race.run(*[partial(step, f"s{number % 5}") for number in range(RACERS)])
    assert failures(results) == []
    progress = TaskProgress.objects.get()
    assert (progress.count, progress.points, progress.rounds) == (5, 10, 1)
    assert points_balance(user_id=alice.pk, at=at) == 10


def test_everything_at_once_deadlocks_nobody(race, alice, member):
    """Check-in, browsing, sharing and a purchase of points, all of one member, in whatever order."""
    grant_points(user_id=alice.pk, amount=1000, cause=PointsEntry.Cause.GIFT, ref="g", at=clock.now())
    offer, at = PassOffer.objects.get(kind="boost"), clock.now()
    acts = [
        partial(check_in, user_id=alice.pk, storefront_id=MAIN_ID),
        partial(buy_pass, user=alice, offer_id=offer.pk, key="k"),
        *[partial(record_view, user_id=alice.pk, storefront_id=MAIN_ID, product_id=n, at=at) for n in range(5)],
    ]
    assert failures(race.run(*acts * 2)) == []
    assert ActiveDay.objects.count() == 1
    assert not any(audit_points().values())


def test_a_friend_is_rewarded_once(race, alice, bob):
    Referral.objects.create(
        inviter=alice,
        invitee=bob,
        storefront_id=MAIN_ID,
        inviter_joined_at=alice.date_joined - timedelta(days=1),
        joined_at=bob.date_joined,
    )
    referral = Referral.objects.get()
    results = race.run(*[partial(reward_referral, referral_id=referral.pk, at=clock.now())] * RACERS)
    assert failures(results) == []
    assert points_balance(user_id=alice.pk, at=clock.now()) == 200
    assert points_balance(user_id=bob.pk, at=clock.now()) == 100
    assert Activity.objects.filter(metric="invitee_active").count() == 1


def test_a_refund_beside_the_reward_of_a_friend_reaches_the_inviter(race):
    """The reward is given while the refund of the friend's order is not committed yet: neither sees the other."""
    club = Club(at_least("spend", "life", "1000.00"))
    inviter, friend = club.join(at=OPENING), club.join(at=OPENING + timedelta(days=1))
    referral = Referral.objects.create(
        inviter=inviter.user,
        invitee=friend.user,
        storefront=club.storefront,
        inviter_joined_at=inviter.user.date_joined,
        joined_at=friend.user.date_joined,
    )
    order = club.buy(friend, "100.00", paid=clock.now())
    written, rewarded = threading.Event(), threading.Event()

    def refund():
        try:
            with transaction.atomic():
                handlers.take_back(club.refunded(order), at=clock.now())
                written.set()
                rewarded.wait()
        finally:
            written.set()

    def reward():
        written.wait()
        try:
            reward_referral(referral_id=referral.pk, at=clock.now())
        finally:
            rewarded.set()

    assert failures(race.run(refund, reward)) == []
    relay()
    spent = Total.objects.get(member=inviter, metric="invitee_spend")
    assert spent.amount == 0


def test_a_code_is_made_once(race, alice):
    assert len(set(race.run(*[partial(invite_code_for, user=alice)] * RACERS))) == 1
