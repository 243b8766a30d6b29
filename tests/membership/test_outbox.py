"""The shop's own events move members: registration, delivery and refund reach membership through the outbox."""

from decimal import Decimal

import pytest

from events.models import Delivery, Event
from events.services import relay
from membership.models import Activity, MemberTier
from orders.services import refund
from tests.shelf import books

pytestmark = pytest.mark.django_db


def tier_of(user):
    return MemberTier.objects.get(user=user)


def parked():
    return Delivery.objects.exclude(state="done").filter(subscriber__startswith="membership.").count()


def test_registration_makes_an_ordinary_member(charlie):
    relay()
    member = tier_of(charlie)
    assert member.rank == 0
    assert member.decisions.get().cause == "default"
    assert parked() == 0


def test_a_purchase_lifts_the_member_and_tells_the_others(shelf, alice):
    sku = shelf.sku("200.00", keys=1)
    shelf.buy(alice, (sku, 1), from_wallet=True)
    relay()
    member = tier_of(alice)
    assert member.rank == 1
    told = Event.objects.filter(kind="tier.changed").order_by("id").last().payload
    assert (told["from_rank"], told["to_rank"], told["to_name"], told["user_id"]) == (0, 1, "白银会员", alice.pk)
    spent = Activity.objects.get(member=member, metric="spend")
    assert (spent.amount, spent.category, spent.valid) == (Decimal("200.00"), "test_card", True)
    assert parked() == 0


def test_what_is_not_delivered_does_not_count_yet(shelf, alice):
    sku = shelf.sku("200.00", kind="manual")
    shelf.buy(alice, (sku, 1), from_wallet=True)
    relay()
    assert tier_of(alice).rank == 0
    assert not Activity.objects.exists()


def test_a_refund_takes_the_tier_back(shelf, alice, olga):
    sku = shelf.sku("200.00", keys=1)
    order = shelf.buy(alice, (sku, 1), from_wallet=True)
    relay()
    assert tier_of(alice).rank == 1
    line = order.lines.get()
    refund(order_id=order.pk, amounts={line.pk: line.cash}, ref="after-sale-1", reason="坏卡", actor=olga)
    relay()
    member = tier_of(alice)
    assert member.rank == 0
    assert list(member.decisions.order_by("id").values_list("cause", flat=True)) == ["default", "enter", "reversal"]
    assert books() == {}


def test_hearing_everything_twice_changes_nothing(shelf, alice):
    shelf.buy(alice, (shelf.sku("200.00", keys=1), 1), from_wallet=True)
    relay()
    before = (Activity.objects.count(), tier_of(alice).decisions.count())
    Delivery.objects.filter(subscriber__startswith="membership.").update(state="pending", done_at=None)
    relay()
    assert (Activity.objects.count(), tier_of(alice).decisions.count()) == before


def test_guests_leave_no_trace(shelf):
    order = shelf.buy(None, (shelf.sku("200.00", keys=1), 1))
    assert order.buyer_id is None
    relay()
    assert not MemberTier.objects.exists()
