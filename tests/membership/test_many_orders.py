"""Orders as all rooms hear of them through the outbox: the tier first and in one step, the others many at once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from catalog.models import ReviewTicket, StockFigure
from common import clock
from events import registry
from events.models import Delivery
from events.services import fan_out, relay
from membership.models import (
    Activity,
    Benefit,
    Dwell,
    MemberTier,
    Nudge,
    PointsBack,
    Program,
    Task,
    TaskProgress,
)
from membership.selectors import points_balance
from membership.services import draft_rule_set, evaluation, note_dwell, publish_rule_set, show_nudge
from notifications.models import Message
from tenancy.models import MAIN_ID
from tests.membership.perks import hold, publish
from tests.shelf import books

pytestmark = pytest.mark.django_db


def buy_later(shelf, user, *wanted, after: timedelta):
    with clock.travel(clock.now() + after):
        order = shelf.buy(user, *wanted, from_wallet=user is not None)
        relay()
    return order


def test_an_order_is_one_step_for_the_tier_and_goes_before_the_others(shelf, alice, monkeypatch):
    """Its day and its lines are of one moment: one after the other, the second would be late, and all be folded again."""
    # Rewards are facts of their own.
    Task.objects.update(is_active=False)
    relay()

    def folded_again(*_):
        raise AssertionError("nothing of it is late")

    monkeypatch.setattr(evaluation, "folded_again", folded_again)
    sku = shelf.sku("200.00", keys=1)
    with clock.travel(clock.now() + timedelta(minutes=1)):
        shelf.buy(alice, (sku, 1), from_wallet=True)
        fan_out()
        first = Delivery.objects.filter(rank=Delivery.Rank.FIRST)
        assert set(first.values_list("subscriber", flat=True)) == {"membership.record_order_lines"}
        relay()
    member = MemberTier.objects.get(user=alice)
    assert member.rank == 1
    facts = Activity.objects.filter(member=member).order_by("id").values_list("metric", "quantity", "amount")
    assert list(facts) == [("online_days", 1, 0), ("spend", 0, Decimal("200.00"))]
    # What led there is the purchase.
    assert member.decisions.latest("id").activity_ref.startswith("line:")
    assert not Delivery.objects.exclude(state=Delivery.State.DONE).exists()


def test_points_come_back_by_the_tier_that_was_held_not_by_the_one_that_the_order_led_to(shelf, alice):
    tiers = [
        {"rank": 0, "name": "普通会员"},
        {"rank": 1, "name": "白银会员", "enter": {"m": "spend", "win": "life", "op": ">=", "v": "100.00"}},
    ]
    draft = draft_rule_set(program=Program.objects.get(storefront=None), document={"tiers": tiers}, author=None)
    Benefit.objects.create(tier=draft.tiers.get(rank=1), layer="everyday", kind="points_back", value=Decimal("0.5"))
    publish_rule_set(version_id=draft.pk, approver=None)
    Task.objects.update(is_active=False)
    relay()
    sku = shelf.sku("200.00", keys=2)
    buy_later(shelf, alice, (sku, 1), after=timedelta(minutes=1))
    assert MemberTier.objects.get(user=alice).rank == 1
    assert points_balance(user_id=alice.pk, at=clock.now()) == 0
    buy_later(shelf, alice, (sku, 1), after=timedelta(minutes=2))
    assert points_balance(user_id=alice.pk, at=clock.now()) == 100


def heard(shelf, make_member, sku) -> dict:
    """What a newcomer, a member to whom points come back and one who was nudged bought, and what came of it."""
    people = {name: make_member(balance="1000.00") for name in ("new", "gold", "nudged")}
    relay()
    hold(people["gold"], 2)
    at = clock.now()
    show_nudge(user_id=people["nudged"].pk, storefront_id=MAIN_ID, kind="cart", subject="cart", detail={}, at=at)
    for user in people.values():
        note_dwell(user_id=user.pk, storefront_id=MAIN_ID, mark="goods", at=at)
    # The second order of the newcomer is known to the tier before anybody asks whether the first was one.
    for minutes, name in enumerate(("new", "gold", "nudged", "new"), 5):
        with clock.travel(at + timedelta(minutes=minutes)):
            shelf.buy(people[name], (sku, 1), from_wallet=True)
    with clock.travel(at + timedelta(minutes=10)):
        relay()
    assert not Delivery.objects.exclude(state=Delivery.State.DONE).exists()

    def of(user):
        return {
            "told": sorted(Message.objects.filter(user=user).values_list("kind", flat=True)),
            "may review": ReviewTicket.objects.filter(user=user, sku=sku, delivered_at__isnull=False).count(),
            "points": points_balance(user_id=user.pk, at=clock.now()),
            "back": sorted(PointsBack.objects.filter(user=user).values_list("rate", "granted")),
            "tasks": sorted(TaskProgress.objects.filter(user=user).values_list("task__name", "count")),
            "looks at": Dwell.objects.filter(user=user).count(),
            "nudges that worked": Nudge.objects.filter(user=user, converted_at__isnull=False).count(),
        }

    return {name: of(user) for name, user in people.items()}


def test_heard_many_at_once_they_are_what_each_is_alone(shelf, make_member, monkeypatch):
    publish([], [], [{"kind": "points_back", "value": Decimal("0.5")}])
    Task.objects.update(is_active=False)
    Task.objects.create(kind=Task.Kind.FIRST_ORDER, name="首单", points=10, window=Task.Window.ONCE)
    Task.objects.create(
        kind=Task.Kind.CATEGORY_ORDER, name="点卡", points=5, target=2, window=Task.Window.ONCE, category=shelf.category
    )
    sku = shelf.sku("20.00", keys=20)
    together = heard(shelf, make_member, sku)
    assert together["new"]["tasks"] == [("点卡", 2), ("首单", 1)]
    assert together["gold"]["back"] == [(Decimal("0.5000"), 10)]
    assert together["nudged"]["back"] == [(Decimal("0.0000"), 0)]
    assert together["nudged"]["nudges that worked"] == 1
    assert (together["new"]["may review"], together["new"]["looks at"]) == (2, 0)
    assert StockFigure.objects.get(sku=sku).sold == 4
    assert books() == {}

    monkeypatch.setattr(
        registry, "_handlers", {name: replace(one, many=None) for name, one in registry._handlers.items()}
    )
    assert heard(shelf, make_member, sku) == together
    assert StockFigure.objects.get(sku=sku).sold == 8
