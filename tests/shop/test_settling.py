"""Lines settle when their warranty ends; where the rules say so, spend counts from then on, on the day of its payment."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from catalog.models import Product
from common import clock
from events.contracts import OrderDelivered, OrderSettled, from_payload
from events.models import Event
from events.services import relay
from membership.models import Activity, MemberTier, Program, Referral
from membership.selectors.ledger_lines import ledger_of
from membership.services import (
    clear_activity,
    draft_rule_set,
    flag_activity,
    publish_rule_set,
    record_order,
    record_settlement,
)
from membership.services.invites import mirror_spend
from orders import services
from orders.models import OrderLine
from tests.shelf import books

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
SILVER = {"rank": 1, "name": "白银会员", "enter": {"m": "spend", "win": "60d", "op": ">=", "v": "30.00"}}


@pytest.fixture
def settled_rules(db):
    """Silver from 30 yuan of settled spend in 60 days on."""
    document = {"counts": "settled", "tiers": [{"rank": 0, "name": "普通会员"}, SILVER]}
    document["exclude"] = [{"reason": "gift_cards", "category": "gift_card"}]
    draft = draft_rule_set(program=Program.objects.get(storefront=None), document=document, author=None)
    return publish_rule_set(version_id=draft.pk, approver=None)


@pytest.fixture
def warranted(shelf):
    """A SKU with a warranty of thirty days."""
    sku = shelf.sku("30.00", keys=9)
    Product.objects.filter(pk=sku.product_id).update(warranty_days=30)
    return sku


@pytest.fixture
def referral(alice, bob):
    """Alice came by Bob's link and has stayed."""
    relay()
    at = clock.now()
    return Referral.objects.create(
        inviter=bob,
        invitee=alice,
        storefront_id=alice.home_storefront_id,
        inviter_joined_at=at - DAY,
        joined_at=at,
        active_at=at,
    )


def settle(after: timedelta) -> int:
    with clock.travel(clock.now() + after):
        done = services.settle_due()
        relay()
    return done


def counted(user) -> Decimal:
    lines = ledger_of(MemberTier.objects.get(user=user)).counted
    return sum((Decimal(line.figure.strip("¥ ")) for line in lines if "¥" in line.figure), Decimal(0))


def rank(user) -> int:
    return MemberTier.objects.get(user=user).rank


def news(kind: type):
    """The last event of a kind, as it was told."""
    event = Event.objects.filter(kind=kind.kind).latest("id")
    return from_payload(event.kind, event.version, event.payload)


def test_a_line_settles_once_when_its_warranty_ends(shelf, warranted, alice):
    shelf.buy(alice, (warranted, 1), from_wallet=True)
    line = OrderLine.objects.get()
    assert line.settles_at == line.delivered_at + 30 * DAY
    assert settle(30 * DAY - timedelta(minutes=1)) == 0
    assert settle(30 * DAY + timedelta(minutes=1)) == 1
    assert settle(31 * DAY) == 0
    line.refresh_from_db()
    assert line.settled_at >= line.settles_at
    told = news(OrderSettled)
    assert [one.id for one in told.lines] == [line.pk] and told.paid_at == line.order.paid_at


def test_what_has_no_warranty_is_settled_by_its_delivery(shelf, alice, settled_rules):
    sku = shelf.sku("30.00", keys=1)
    Product.objects.filter(pk=sku.product_id).update(warranty_days=0)
    shelf.buy(alice, (sku, 1), from_wallet=True)
    relay()
    assert OrderLine.objects.get().settled_at and rank(alice) == 1
    assert settle(DAY) == 0


def test_only_what_was_given_back_whole_never_settles(shelf, warranted, alice):
    for amount in ("30.00", "10.00"):
        order = shelf.buy(alice, (warranted, 1), from_wallet=True)
        line = order.lines.get()
        services.refund(order_id=order.pk, amounts={line.pk: Decimal(amount)}, ref=amount, reason="", actor=None)
    assert settle(31 * DAY) == 1
    assert OrderLine.objects.get(settled_at__isnull=False).refunded == Decimal("10.00")


def test_spend_waits_for_its_settlement_and_counts_on_the_day_of_its_payment(shelf, warranted, alice, settled_rules):
    shelf.buy(alice, (warranted, 1), from_wallet=True)
    relay()
    assert (rank(alice), counted(alice)) == (0, Decimal(0))
    settle(31 * DAY)
    assert (rank(alice), counted(alice)) == (1, Decimal("30.00"))
    spend = Activity.objects.get(metric="spend", valid=True)
    assert spend.occurred_at == OrderLine.objects.get().order.paid_at
    assert books() == {}


def test_the_member_reads_that_it_waits_and_until_when(shelf, warranted, alice, settled_rules, as_member):
    shelf.buy(alice, (warranted, 1), from_wallet=True)
    relay()
    day = clock.day_of(OrderLine.objects.get().settles_at).isoformat()
    visitor, page = as_member(alice), reverse("shop:member_spending")
    seen = visitor.see(page)
    assert "未计入：还在质保期内" in seen and f"{day} 质保期满后计入" in seen
    assert "还在质保期内" in visitor.see(reverse("shop:member"))
    settle(31 * DAY)
    seen = visitor.see(page)
    assert "质保期" not in seen and seen.count("¥30.00") == 1


def test_what_is_given_back_while_it_waits_is_not_counted_later(shelf, warranted, alice, settled_rules, as_member):
    order = shelf.buy(alice, (warranted, 1), from_wallet=True)
    relay()
    line = order.lines.get()
    services.refund(order_id=order.pk, amounts={line.pk: Decimal("10.00")}, ref="r", reason="", actor=None)
    relay()
    assert "已退 ¥10.00" in as_member(alice).see(reverse("shop:member_spending"))
    settle(31 * DAY)
    assert rank(alice) == 0
    services.refund(order_id=order.pk, amounts={line.pk: Decimal("1.00")}, ref="s", reason="", actor=None)
    relay()
    member = MemberTier.objects.get(user=alice)
    rows = Activity.objects.filter(member=member, metric="spend").exclude(invalid_reason="unsettled")
    assert sum(row.amount for row in rows) == Decimal("19.00")
    assert books() == {}


def test_what_was_found_a_wash_trade_while_it_waited_does_not_count_after_that(
    shelf, warranted, alice, bob, referral, olga, settled_rules
):
    shelf.buy(alice, (warranted, 1), from_wallet=True)
    relay()
    member = MemberTier.objects.get(user=alice)
    [waiting] = [line for line in ledger_of(member).can_be_flagged if line.ref.startswith("line:")]
    flag_activity(member_id=member.pk, refs=[waiting.ref], reason="wash_trade", actor=olga, at=clock.now())
    settle(31 * DAY)
    assert (rank(alice), counted(alice)) == (0, Decimal(0))
    assert counted(bob) == 0
    [found] = ledger_of(member).flagged
    with clock.travel(clock.now() + 32 * DAY):
        clear_activity(member_id=member.pk, refs=[found.ref], reason="appeal", actor=olga, at=clock.now())
        relay()
    assert (rank(alice), counted(alice), counted(bob)) == (1, Decimal("30.00"), Decimal("30.00"))
    assert books() == {}


def test_what_was_given_back_whole_is_not_promised_to_count(shelf, warranted, alice, settled_rules, as_member):
    order = shelf.buy(alice, (warranted, 1), from_wallet=True)
    relay()
    line, visitor = order.lines.get(), as_member(alice)
    for ref, amount, promised in (("part", "10.00", True), ("rest", "20.00", False)):
        services.refund(order_id=order.pk, amounts={line.pk: Decimal(amount)}, ref=ref, reason="", actor=None)
        relay()
        for page in ("shop:member_spending", "shop:member"):
            assert ("质保期满后计入" in visitor.see(reverse(page))) is promised, page


def test_excluded_goods_do_not_wait(shelf, warranted, alice, settled_rules):
    shelf.category.__class__.objects.filter(pk=shelf.category.pk).update(code="gift_card")
    shelf.buy(alice, (warranted, 1), from_wallet=True)
    relay()
    assert set(Activity.objects.filter(metric="spend").values_list("invalid_reason", flat=True)) == {"gift_cards"}
    settle(31 * DAY)
    assert Activity.objects.filter(metric="spend").count() == 1


@pytest.mark.parametrize("times", [1, 2])
def test_news_may_come_in_any_order_and_more_than_once(shelf, warranted, alice, settled_rules, times):
    shelf.buy(alice, (warranted, 1), from_wallet=True)
    with clock.travel(clock.now() + 31 * DAY):
        services.settle_due()
        delivered, told = news(OrderDelivered), news(OrderSettled)
        for _ in range(times):
            record_settlement(order=told, at=clock.now())
            record_order(order=delivered, at=clock.now())
    assert (rank(alice), counted(alice)) == (1, Decimal("30.00"))
    assert len(ledger_of(MemberTier.objects.get(user=alice)).not_counted) == 0


def test_what_counted_when_it_was_delivered_changes_nothing(shelf, warranted, alice):
    shelf.buy(alice, (warranted, 1), from_wallet=True)
    relay()
    before = Activity.objects.count()
    settle(31 * DAY)
    assert Activity.objects.count() == before


def test_a_friends_spend_counts_for_the_inviter_once_it_is_settled(
    shelf, warranted, alice, bob, referral, settled_rules
):
    shelf.buy(alice, (warranted, 1), from_wallet=True)
    relay()
    mirror_spend(referral=referral, at=clock.now())
    mirrored = Activity.objects.filter(member__user=bob, metric="invitee_spend")
    assert not mirrored.exists()
    settle(31 * DAY)
    assert [(row.amount, row.valid) for row in mirrored] == [(Decimal("30.00"), True)]
