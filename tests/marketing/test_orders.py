"""Coupons in orders: chosen, held, given back; what an order says about its price adds up."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from common import clock
from marketing.exceptions import CouponGone, CouponNotFound, CouponUnusable
from marketing.models import Coupon, CouponUse
from marketing.services import revoke_coupon, use_coupon
from membership.models import MemberTier, ProductTierRate, Program
from membership.services import ensure_member
from orders import services
from orders.exceptions import PriceMoved
from orders.models import Order
from orders.services import AUTO, Item, PaymentOutcome, preview, quote
from tenancy.models import MAIN_ID
from tenancy.selectors import main_storefront
from tests.marketing.coupons import give, template
from tests.shelf import books
from wallet.exceptions import InsufficientBalance
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def gold(alice):
    """Alice pays 0.97 of the list price."""
    ensure_member(user_id=alice.pk, storefront_id=MAIN_ID, at=clock.now())
    MemberTier.objects.filter(user=alice).update(rank=2)
    return alice


def ask(user, *wanted, coupon=AUTO):
    items = [Item(sku.public_id, count) for sku, count in wanted]
    return quote(storefront=main_storefront(), user_id=user and user.pk, items=items, coupon=coupon)


def steps(line) -> list[tuple[str, str]]:
    return [(step.stage, str(step.amount)) for step in line.steps]


def state(coupon: Coupon) -> str:
    coupon.refresh_from_db()
    return coupon.state


def pay(order: Order, ref: str = "late") -> PaymentOutcome:
    with transaction.atomic():
        return services.receive_payment(order_id=order.pk, amount=order.total, channel="epay", ref=ref, at=clock.now())


class TestQuote:
    def test_the_best_one_is_chosen(self, shelf, alice):
        sku = shelf.sku("100.00")
        give(alice, off="5.00")
        best = give(alice, rate="0.9")
        give(alice, off="50.00", min_spend=Decimal("200.00"))
        quoted = ask(alice, (sku, 1))
        assert (quoted.coupon, quoted.total, quoted.coupon_off) == (best, Decimal("90.00"), Decimal("10.00"))
        assert steps(quoted.lines[0]) == [("list", "100.00"), ("coupon", "-10.00")]
        assert [offer.works for offer in quoted.offers] == [True, True, False]
        assert quoted.offers[-1].discount.reason == "还差 ¥100.00 可用"

    def test_of_equal_ones_the_first_to_end(self, shelf, alice):
        give(alice, template(valid_days=30))
        soon = give(alice, template(valid_days=3))
        assert ask(alice, (shelf.sku("100.00"), 1)).coupon == soon

    def test_another_may_be_chosen_or_none(self, shelf, alice):
        sku = shelf.sku("100.00")
        small, _large = give(alice, off="5.00"), give(alice, off="9.00")
        assert ask(alice, (sku, 1), coupon=small.public_id).total == Decimal("95.00")
        assert ask(alice, (sku, 1), coupon="").total == Decimal("100.00")

    def test_guests_and_members_without_coupons(self, shelf, alice, bob):
        sku = shelf.sku("100.00")
        give(bob)
        assert ask(None, (sku, 1)).coupon is None
        assert ask(alice, (sku, 1)).total == Decimal("100.00")

    @pytest.mark.parametrize("made_up", ["x" * 22, "autO", "1", "\x00", "券", "' OR 1=1 --"])
    def test_made_up_coupons(self, shelf, alice, made_up):
        with pytest.raises(CouponNotFound):
            ask(alice, (shelf.sku(), 1), coupon=made_up.replace("\x00", "0"))

    def test_a_strangers_coupon_is_not_there(self, shelf, alice, bob):
        coupon = give(bob)
        for user in (alice, None):
            with pytest.raises(CouponNotFound):
                ask(user, (shelf.sku(), 1), coupon=coupon.public_id)

    def test_one_that_does_not_fit_says_why(self, shelf, alice):
        coupon = give(alice, min_spend=Decimal("50.00"))
        with pytest.raises(CouponUnusable, match="还差 ¥40.00 可用"):
            ask(alice, (shelf.sku("10.00"), 1), coupon=coupon.public_id)

    def test_one_that_is_over(self, shelf, alice, olga):
        coupon, sku = give(alice), shelf.sku()
        with clock.travel(coupon.expires_at):
            assert ask(alice, (sku, 1), coupon=coupon.public_id).coupon == coupon
        with clock.travel(coupon.expires_at + timedelta(seconds=1)), pytest.raises(CouponGone):
            ask(alice, (sku, 1), coupon=coupon.public_id)
        revoke_coupon(coupon_id=coupon.pk, reason="误发", actor=olga)
        with pytest.raises(CouponGone):
            ask(alice, (sku, 1), coupon=coupon.public_id)

    def test_it_comes_on_top_of_the_member_price(self, shelf, gold):
        give(gold, off="7.00", min_spend=Decimal("97.00"))
        quoted = ask(gold, (shelf.sku("100.00"), 1))
        assert steps(quoted.lines[0]) == [("list", "100.00"), ("member", "-3.00"), ("coupon", "-7.00")]
        assert quoted.total == Decimal("90.00")

    def test_or_instead_of_it_when_that_is_better(self, shelf, gold):
        sku = shelf.sku("100.00")
        give(gold, off="2.99", with_member_price=False)
        assert steps(ask(gold, (sku, 1)).lines[0]) == [("list", "100.00"), ("member", "-3.00")]
        give(gold, off="4.00", with_member_price=False)
        line = ask(gold, (sku, 1)).lines[0]
        assert steps(line) == [("list", "100.00"), ("coupon", "-4.00")]
        assert line.unit_price == Decimal("100.0000")

    def test_a_category_holds_for_its_children_and_a_product_for_itself(self, shelf, alice):
        parent = type(shelf.category).objects.create(slug="parent", code="parent", name="上级")
        shelf.category.parent = parent
        shelf.category.save()
        sku, other = shelf.sku("100.00"), shelf.sku("100.00")
        give(alice, template("3.00", categories=[parent]))
        assert ask(alice, (sku, 1)).total == Decimal("97.00")
        give(alice, template("8.00", products=[other.product]))
        assert [line.cash for line in ask(alice, (sku, 1), (other, 1)).lines] == [Decimal("100.00"), Decimal("92.00")]

    def test_the_page_asks_a_handful_of_questions(self, shelf, alice, django_assert_max_num_queries):
        for _ in range(10):
            give(alice, template("3.00", categories=[shelf.category]))
        items = [Item(shelf.sku("100.00").public_id, 1)]
        arguments = {"storefront": main_storefront(), "user_id": alice.pk, "items": items, "coupon": AUTO}
        preview(**arguments)
        with django_assert_max_num_queries(10):
            preview(**arguments)


class TestPlacing:
    def test_the_order_holds_the_coupon(self, shelf, alice):
        coupon = give(alice, off="5.00")
        order = shelf.buy(alice, (shelf.sku("60.01", keys=1), 1), (shelf.sku("40.01", keys=1), 1), coupon=AUTO)
        assert (order.coupon, order.coupon_off, order.total) == (coupon, Decimal("5.00"), Decimal("95.02"))
        assert [line.coupon_off for line in order.lines.all()] == [Decimal("3.00"), Decimal("2.00")]
        assert state(coupon) == "used" and coupon.order_id == order.pk
        assert ask(alice, (shelf.sku(), 1)).coupon is None
        assert books() == {}

    def test_a_repeated_click_uses_it_once(self, shelf, alice):
        coupon, sku = give(alice), shelf.sku("50.00", keys=5)
        orders = [shelf.buy(alice, (sku, 1), coupon=coupon.public_id, key="click", from_wallet=True) for _ in "12"]
        assert orders[0].pk == orders[1].pk
        assert CouponUse.objects.count() == 1
        assert balance_of(alice) == Decimal("955.00")
        with pytest.raises(CouponGone):
            shelf.buy(alice, (sku, 1), coupon=coupon.public_id)

    def test_a_failed_order_leaves_it_alone(self, shelf, alice, charlie):
        coupon, sku = give(charlie), shelf.sku("50.00", keys=5)
        with pytest.raises(InsufficientBalance):
            shelf.buy(charlie, (sku, 1), coupon=coupon.public_id, from_wallet=True)
        assert state(coupon) == "usable"
        assert not CouponUse.objects.exists()

    def test_the_price_that_was_shown_is_the_price(self, shelf, alice):
        sku = shelf.sku("50.00", keys=5)
        give(alice, off="5.00")
        with pytest.raises(PriceMoved):
            shelf.buy(alice, (sku, 1), coupon=AUTO, expected_total=Decimal("50.00"))
        shelf.buy(alice, (sku, 1), coupon=AUTO, expected_total=Decimal("45.00"))

    def test_it_never_makes_an_order_free(self, shelf, alice):
        give(alice, off="500.00")
        order = shelf.buy(alice, (shelf.sku("3.00", keys=2), 2), coupon=AUTO, from_wallet=True)
        assert (order.total, order.coupon_off) == (Decimal("0.01"), Decimal("5.99"))
        assert books() == {}

    def test_a_strangers_coupon_is_refused_at_the_last_step_too(self, alice, bob):
        coupon = give(bob)
        with pytest.raises(CouponNotFound), transaction.atomic():
            use_coupon(coupon_id=coupon.pk, user_id=alice.pk, order_id=1, amount=Decimal(1), at=clock.now())

    @pytest.mark.damages_books
    def test_the_database_holds_a_coupon_in_one_order(self, alice):
        coupon = give(alice)
        CouponUse.objects.create(coupon=coupon, order_id=1, amount=1, at=clock.now())
        with pytest.raises(IntegrityError), transaction.atomic():
            CouponUse.objects.create(coupon=coupon, order_id=2, amount=1, at=clock.now())


class TestGivingBack:
    def test_cancelling_gives_it_back_once(self, shelf, alice):
        coupon, sku = give(alice), shelf.sku("50.00", keys=5)
        first = shelf.buy(alice, (sku, 1), coupon=AUTO)
        services.cancel(order_id=first.pk, actor=alice)
        assert state(coupon) == "usable"
        second = shelf.buy(alice, (sku, 1), coupon=AUTO)
        services.cancel(order_id=first.pk, actor=alice)
        assert state(coupon) == "used" and coupon.order_id == second.pk
        assert books() == {}

    def test_expiry_gives_it_back(self, shelf, alice):
        coupon = give(alice)
        order = shelf.buy(alice, (shelf.sku("50.00", keys=5), 1), coupon=AUTO)
        with clock.travel(order.pay_deadline + timedelta(seconds=1)):
            services.expire_due()
        assert state(coupon) == "usable"
        assert CouponUse.objects.get().cause == "expired"
        assert books() == {}

    def test_the_last_of_the_money_brings_it_back(self, shelf, alice, olga):
        coupon = give(alice, off="10.00")
        order = shelf.buy(
            alice, (shelf.sku("30.00", keys=1), 1), (shelf.sku("70.00", keys=1), 1), coupon=AUTO, from_wallet=True
        )
        small, large = order.lines.all()
        assert (small.cash, large.cash) == (Decimal("27.00"), Decimal("63.00"))

        def give_money(line, amount: Decimal, ref: str) -> None:
            with clock.travel(coupon.expires_at + timedelta(days=1)):
                services.refund(order_id=order.pk, amounts={line.pk: amount}, ref=ref, reason="坏卡", actor=olga)

        give_money(small, Decimal("27.00"), "r1")
        give_money(large, Decimal("62.99"), "r2")
        assert state(coupon) == "used"
        give_money(large, Decimal("0.01"), "r3")
        give_money(large, Decimal("0.01"), "r3")
        # What was paid comes back, and not a cent of the coupon in money.
        assert balance_of(alice) == Decimal("1000.00")
        assert state(coupon) == "usable"
        # Its end had passed: some days are left to use it.
        assert coupon.expires_at > clock.now() + timedelta(days=30)
        assert books() == {}

    def test_late_money_takes_it_again(self, shelf, alice):
        coupon = give(alice)
        order = shelf.buy(alice, (shelf.sku("50.00", keys=5), 1), coupon=AUTO)
        services.cancel(order_id=order.pk, actor=alice)
        with clock.travel(coupon.expires_at + timedelta(days=1)):
            assert pay(order) == PaymentOutcome.PAID
        assert state(coupon) == "used" and coupon.order_id == order.pk
        assert books() == {}

    def test_late_money_for_a_price_whose_coupon_is_gone_is_credited(self, shelf, alice):
        coupon, sku = give(alice, off="5.00"), shelf.sku("50.00", keys=5)
        order = shelf.buy(alice, (sku, 1), coupon=AUTO)
        services.cancel(order_id=order.pk, actor=alice)
        other = shelf.buy(alice, (sku, 1), coupon=AUTO)
        assert pay(order) == PaymentOutcome.CREDITED
        assert balance_of(alice) == Decimal("1045.00")
        assert state(coupon) == "used" and coupon.order_id == other.pk
        assert pay(other, "other") == PaymentOutcome.PAID
        assert books() == {}


def test_a_product_price_explains_itself_beside_a_coupon(shelf, gold):
    sku = shelf.sku("100.00", keys=1)
    ProductTierRate.objects.create(
        program=Program.objects.get(storefront=None), product=sku.product, rank=2, rate=Decimal("0.95")
    )
    give(gold, template("5.00", name="满减"))
    order = shelf.buy(gold, (sku, 1), coupon=AUTO, from_wallet=True)
    shown = [(step.stage, step.amount, step.why) for step in order.lines.get().price_steps.all()]
    assert shown == [
        ("list", Decimal("100.00"), ""),
        ("member", Decimal("-5.00"), "黄金会员，本商品 9.5 折"),
        ("coupon", Decimal("-5.00"), "优惠券 · 满减"),
    ]
