"""Many workers hear about one member at once. One row, one lock: nothing counts twice, nothing is lost."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction

from common import clock
from events.models import Event
from membership.exceptions import RulesRefused
from membership.models import Activity, Bucket, MemberTier, TierDecision, Total
from membership.services import (
    copy_rule_set,
    ensure_member,
    evaluate_member,
    publish_rule_set,
    recalculate,
    record_order_lines,
    record_refund,
)
from membership.services.ledger import append
from tests.membership.club import Club, at_least, causes, make_line, rank
from tests.races.conftest import Race

pytestmark = pytest.mark.django_db(transaction=True)

RACERS = 8


@pytest.fixture
def race(transactional_db) -> Race:
    return Race()


def hear(news):
    at = clock.now()
    return record_order_lines(order=news, at=at) if hasattr(news, "delivered_at") else record_refund(refund=news, at=at)


def failures(results):
    return [result for result in results if isinstance(result, Exception)]


def test_one_event_heard_by_all_counts_once(race):
    club = Club(at_least("spend", "life", "100.00"))
    member = club.join()
    order = club.delivered(member.user_id, "100.00", "3.00", paid=clock.now())
    assert failures(race.run(*[partial(hear, order)] * RACERS)) == []
    assert rank(member) == 1
    assert causes(member) == ["default", "enter"]
    assert Activity.objects.filter(member=member).count() == 2
    assert Event.objects.filter(kind="tier.changed", payload__to_rank=1).count() == 1


def test_many_events_of_one_member_all_count(race):
    club = Club(at_least("orders", "life", RACERS))
    member = club.join()
    at = clock.now()
    orders = [club.delivered(member.user_id, "10.00", paid=at - timedelta(days=n % 3)) for n in range(RACERS)]
    assert failures(race.run(*[partial(hear, order) for order in orders])) == []
    assert rank(member) == 1
    assert sum(Bucket.objects.filter(member=member, metric="spend").values_list("amount", flat=True)) == 10 * RACERS
    assert Total.objects.get(member=member, metric="orders").quantity == RACERS
    assert Total.objects.get(member=member, metric="buy_days").quantity == 3
    assert causes(member) == ["default", "enter"]


def test_a_naive_sum_loses_what_the_lock_keeps(race):
    """Reading a bucket and writing it back without the member's lock is what the services must not do."""
    club = Club(at_least("spend", "life", "100.00"))
    member = club.join()
    append(member, [])
    Bucket.objects.create(member=member, day="2026-03-01", metric="spend", category="x", amount=0)
    reached = []

    def naive():
        with transaction.atomic():
            bucket = Bucket.objects.get(member=member, metric="spend")
            reached.append(bucket.amount)
            while len(reached) < RACERS:
                pass
            Bucket.objects.filter(member=member, metric="spend").update(amount=bucket.amount + 10)

    race.run(*[naive] * RACERS)
    assert Bucket.objects.get(member=member, metric="spend").amount < 10 * RACERS


def test_delivery_and_refund_at_once_end_alike(race):
    club = Club(at_least("spend", "life", "100.00"))
    for _ in range(4):
        member = club.join()
        order = club.delivered(member.user_id, make_line("100.00"), paid=clock.now())
        refund = club.refunded(order)
        news = [order, refund] * (RACERS // 2)
        assert failures(race.run(*[partial(hear, one) for one in news])) == []
        assert rank(member) == 0
        assert not Bucket.objects.filter(member=member, metric="spend", amount__gt=0).exists()
        assert not Total.objects.filter(member=member, metric="orders", quantity__gt=0).exists()


def test_one_membership_per_person(race):
    club = Club(at_least("spend", "life", "100.00"))
    user = Club(at_least("spend", "life", "1.00")).join().user
    join = partial(ensure_member, user_id=user.pk, storefront_id=club.storefront.pk, at=clock.now())
    results = race.run(*[join] * RACERS)
    assert failures(results) == []
    assert len({member.pk for member in results}) == 1
    assert TierDecision.objects.filter(member__user=user, member__program=club.program).count() == 1


def test_of_many_publications_at_once_each_knows_the_others(race):
    club = Club(at_least("spend", "life", "100.00"))
    starts = clock.now() + timedelta(days=1)
    drafts = [copy_rule_set(version=club.version, author=None) for _ in range(RACERS)]
    results = race.run(
        *[partial(publish_rule_set, version_id=one.pk, approver=None, effective_from=starts) for one in drafts]
    )
    assert [type(one) for one in failures(results)] == [RulesRefused] * (RACERS - 1)
    assert club.program.versions.filter(effective_from=starts).count() == 1


def test_the_nightly_pass_among_purchases(race):
    club = Club(at_least("spend", "30d", "40.00"))
    members = [club.join() for _ in range(6)]
    at = clock.now()
    orders = [club.delivered(member.user_id, "10.00", paid=at) for member in members for _ in range(4)]

    def buy(part):
        for order in part:
            hear(order)

    def night():
        return [recalculate(everyone=True, batch=2).finished_at for _ in range(3)]

    def evaluate():
        for member in members:
            evaluate_member(member_id=member.pk, at=clock.now())

    results = race.run(partial(buy, orders[::2]), partial(buy, orders[1::2][::-1]), night, evaluate)
    assert failures(results) == []
    assert [rank(member) for member in members] == [1] * 6
    assert MemberTier.objects.filter(program=club.program, rank=1).count() == 6
    assert all(causes(member) == ["default", "enter"] for member in members)


def test_the_day_is_the_day_of_payment_for_all(race):
    club = Club(at_least("streak", "now", 3))
    member = club.join()
    at = clock.now()
    orders = [club.delivered(member.user_id, "1.00", paid=at - timedelta(days=days)) for days in (0, 2, 1)]
    assert failures(race.run(*[partial(hear, order) for order in orders])) == []
    assert rank(member) == 1
