"""What tiers change for a buyer: prices, access, limits; and what they never change."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from catalog.models import Product
from common import clock
from membership.models import MemberTier, ProductTierRate, Program, SkuTierPrice
from orders import selectors, services
from orders.exceptions import BadQuantity, NotYetOnSale, TooManyTogether, TooManyUnpaid
from orders.services import Item, add_to_cart, cart_saving, month_saving, preview, quote
from orders.services.carts import set_cart_quantity
from tenancy.selectors import main_storefront
from tests.architecture.source import ROOT, imported
from tests.desk import at_desk
from tests.marketing.coupons import give, template
from tests.membership.perks import hold, publish
from tests.people import Visitor
from tests.shelf import books

pytestmark = pytest.mark.django_db


def line_of(user, sku, count: int = 1):
    return quote(storefront=main_storefront(), user_id=user.pk, items=[Item(sku.public_id, count)]).lines[0]


def steps(line) -> list[tuple[str, str]]:
    return [(step.stage, str(step.amount)) for step in line.steps]


class TestStacking:
    def test_the_better_of_member_and_quantity_price(self, shelf, alice):
        publish([], [{"kind": "price_rate", "value": Decimal("0.9")}])
        sku = shelf.sku("10.00")
        sku.breaks.create(min_quantity=10, unit_price=Decimal("8.0000"))
        assert steps(line_of(hold(alice, 1), sku, 10)) == [("list", "100.00"), ("quantity", "-20.00")]
        assert steps(line_of(alice, sku, 9)) == [("list", "90.00"), ("member", "-9.00")]

    def test_one_on_top_of_the_other_where_the_benefit_says_so(self, shelf, alice):
        publish([], [{"kind": "price_rate", "value": Decimal("0.9"), "stacking": "add"}])
        sku = shelf.sku("10.00")
        sku.breaks.create(min_quantity=10, unit_price=Decimal("8.0000"))
        line = line_of(hold(alice, 1), sku, 10)
        assert steps(line) == [("list", "100.00"), ("quantity", "-20.00"), ("member", "-8.00")]
        assert (line.unit_price, line.cash) == (Decimal("7.2000"), Decimal("72.00"))

    def test_a_price_of_its_own_is_final(self, shelf, alice):
        publish([], [{"kind": "price_rate", "value": Decimal("0.9"), "stacking": "add"}])
        sku = shelf.sku("10.00")
        sku.breaks.create(min_quantity=10, unit_price=Decimal("8.0000"))
        program = Program.objects.get(storefront=None)
        SkuTierPrice.objects.create(program=program, sku=sku, rank=1, unit_price=Decimal("7.5000"))
        assert steps(line_of(hold(alice, 1), sku, 10)) == [("list", "100.00"), ("member", "-25.00")]


class TestEarlyAccess:
    @pytest.fixture
    def coming(self, shelf):
        """On sale to everybody in ten hours; gold members come 24 hours early, silver ones one hour."""
        publish([], [{"kind": "early_access", "value": Decimal(1)}], [{"kind": "early_access", "value": Decimal(24)}])
        sku = shelf.sku("10.00", keys=5)
        Product.objects.filter(pk=sku.product_id).update(on_sale_from=clock.now() + timedelta(hours=10))
        return sku

    def test_who_sees_it_and_who_may_buy(self, coming, shelf, alice, bob, client):
        hold(alice, 2), hold(bob, 1)
        page = reverse("shop:product", args=[coming.product.slug])
        lists = [reverse("shop:categories"), reverse("shop:category", args=[shelf.category.slug])]
        assert client.get(page).status_code == 404
        for user, sees in ((bob, False), (alice, True)):
            client.force_login(user)
            assert client.get(page).status_code == (200 if sees else 404)
            shown = [coming.product.name in Visitor(client).see(one) for one in lists]
            assert shown == [sees, sees]
        with pytest.raises(NotYetOnSale):
            shelf.buy(bob, (coming, 1))
        with pytest.raises(NotYetOnSale):
            shelf.buy(None, (coming, 1))
        assert shelf.buy(alice, (coming, 1), from_wallet=True).delivered_at

    def test_everybody_once_the_time_has_come(self, coming, shelf, bob, client):
        Product.objects.filter(pk=coming.product_id).update(on_sale_from=clock.now())
        assert client.get(reverse("shop:product", args=[coming.product.slug])).status_code == 200
        assert shelf.buy(bob, (coming, 1))

    def test_what_was_put_into_the_cart_early_waits_there(self, coming, shelf, alice, client):
        hold(alice, 2)
        other = shelf.sku("3.00", keys=1)
        for sku in (coming, other):
            cart = add_to_cart(
                storefront=main_storefront(), user=alice, device="", sku=sku.public_id, quantity=1, fields={}
            )
        MemberTier.objects.filter(user=alice).update(rank=1)
        client.force_login(alice)
        assert "已下架或不再按这个数量出售" in Visitor(client).see(reverse("shop:cart"))
        assert cart.items.count() == 2


class TestLimits:
    def test_more_at_once(self, shelf, alice, bob):
        publish([], [{"kind": "quantity_limit", "value": Decimal("2.5")}])
        sku = shelf.sku("1.00", keys=8, max_quantity=3)
        with pytest.raises(BadQuantity) as caught:
            line_of(bob, sku, 4)
        assert caught.value.params == {"min": 1, "max": 3}
        assert line_of(hold(alice, 1), sku, 7).cash == Decimal("7.00")
        with pytest.raises(BadQuantity) as caught:
            line_of(alice, sku, 8)
        assert caught.value.params == {"min": 1, "max": 7}
        cart = add_to_cart(
            storefront=main_storefront(), user=alice, device="", sku=sku.public_id, quantity=5, fields={}
        )
        set_cart_quantity(cart=cart, item_id=cart.items.get().pk, quantity=7)
        with pytest.raises(BadQuantity):
            set_cart_quantity(cart=cart, item_id=cart.items.get().pk, quantity=8)
        assert shelf.buy(alice, (sku, 7), from_wallet=True).total == Decimal("7.00")

    def test_what_nobody_asked_for_opens_no_second_limit(self, shelf, alice):
        publish([], [{"kind": "quantity_limit", "value": Decimal(2)}])
        sku = shelf.sku("1.00", keys=9, max_quantity=3)
        sku.breaks.create(min_quantity=4, unit_price=Decimal("0.5000"))
        split = [Item(sku.public_id, 2, {"x": str(n)}) for n in range(2)]
        for ask in (quote, preview):
            with pytest.raises(BadQuantity):
                ask(storefront=main_storefront(), user_id=alice.pk, items=split)
        hold(alice, 1)
        for ask in (quote, preview):
            [line] = ask(storefront=main_storefront(), user_id=alice.pk, items=split).lines
            assert (line.quantity, line.fields, line.cash) == (4, {}, Decimal("2.00"))

    def test_the_limit_is_that_of_the_whole_order(self, shelf, alice, bob):
        """Also where each piece is for another account."""
        publish([], [{"kind": "quantity_limit", "value": Decimal(2)}])
        asks = [{"name": "account", "label": "账号"}]
        sku = shelf.sku("1.00", kind=Product.Kind.TOP_UP, buyer_fields=asks, max_quantity=3)
        for user, most in ((bob, 3), (hold(alice, 1), 6)):
            items = [Item(sku.public_id, 1, {"account": f"{n}"}) for n in range(most)]
            assert len(quote(storefront=main_storefront(), user_id=user.pk, items=items).lines) == most
            with pytest.raises(TooManyTogether) as caught:
                more = [*items, Item(sku.public_id, 1, {"account": "one more"})]
                quote(storefront=main_storefront(), user_id=user.pk, items=more)
            assert caught.value.code == "bad_quantity"
            assert str(caught.value) == (
                f"「{sku.product} {sku}」每单最多 {most} 件，各行合计有 {most + 1} 件，请减少其中一行"
            )

    def test_more_unpaid_orders(self, shelf, alice, bob, settings):
        settings.UNPAID_CAPS = {"account": 1, "device": 1, "address": 99}
        publish([], [{"kind": "unpaid_limit", "value": Decimal(3)}])
        sku = shelf.sku("1.00", keys=9)
        hold(alice, 1)
        for user, most in ((alice, 3), (bob, 1)):
            for _ in range(most):
                shelf.buy(user, (sku, 1), buyer={"device": f"device-of-{user.pk}".ljust(22, "-")})
            with pytest.raises(TooManyUnpaid):
                shelf.buy(user, (sku, 1), buyer={"device": f"device-of-{user.pk}".ljust(22, "-")})


class TestDeliveryOrder:
    """Scenario 27: automatic delivery is first come, first served; tiers change price and service, never the queue."""

    def test_27_a_later_vip_gets_the_later_key(self, shelf, alice, bob):
        publish([], [], [], [], [{"kind": "service_queue", "value": Decimal(9)}])
        sku = shelf.sku("10.00")
        keys = shelf.stock(sku, 2)
        ordinary = shelf.buy(bob, (sku, 1), from_wallet=True)
        vip = shelf.buy(hold(alice, 4), (sku, 1), from_wallet=True)
        got = [selectors.delivered_of(order)[0].text for order in (ordinary, vip)]
        assert got == keys

    def test_nothing_that_hands_out_keys_knows_of_tiers(self):
        handing = [
            ROOT / "catalog/services/stock.py",
            *(ROOT / f"orders/services/{name}.py" for name in ("delivering", "pieces", "paying", "holding")),
        ]
        names = [name for path in handing for _line, name in imported(path)]
        assert [name for name in names if name.startswith("membership")] == []

    def test_staff_see_who_is_served_first(self, shelf, alice, bob, olga):
        publish([], [], [], [], [{"kind": "service_queue", "value": Decimal(9)}])
        sku = shelf.sku("30.00", kind=Product.Kind.MANUAL)
        for user in (bob, hold(alice, 4)):
            shelf.buy(user, (sku, 1), from_wallet=True)
        for name in ("orders_order", "orders_orderline"):
            page = at_desk(olga).get(reverse(f"admin:{name}_changelist")).content.decode()
            assert page.count("优先 9") == 1, name


class TestNextTier:
    def test_a_cart_at_the_next_tier(self, shelf, alice):
        """Scenario 21's figures: the true saving of a cart, ¥100 → ¥90."""
        publish([], [], [], [], [{"kind": "price_rate", "value": Decimal("0.9")}])
        items = [Item(shelf.sku("60.00").public_id, 1), Item(shelf.sku("40.00").public_id, 1)]
        found = cart_saving(storefront=main_storefront(), user_id=alice.pk, items=items)
        assert (found.tier, found.now, found.then, found.saved) == (
            "钻石会员",
            Decimal("100.00"),
            Decimal("90.00"),
            Decimal("10.00"),
        )
        assert cart_saving(storefront=main_storefront(), user_id=alice.pk, items=items, rank=4) == found
        assert cart_saving(storefront=main_storefront(), user_id=alice.pk, items=items, rank=2) is None
        assert cart_saving(storefront=main_storefront(), user_id=hold(alice, 4).pk, items=items) is None

    def test_it_is_true_beside_coupons_and_quantity_prices(self, shelf, alice):
        publish([], [{"kind": "price_rate", "value": Decimal("0.9")}])
        sku = shelf.sku("10.00")
        sku.breaks.create(min_quantity=10, unit_price=Decimal("8.5000"))
        items = [Item(sku.public_id, 10)]
        assert cart_saving(storefront=main_storefront(), user_id=alice.pk, items=items) is None
        other = [Item(shelf.sku("100.00").public_id, 1)]
        give(alice, off="95.00", with_member_price=False)
        assert cart_saving(storefront=main_storefront(), user_id=alice.pk, items=other) is None

    def test_the_last_month(self, shelf, alice, olga):
        publish(
            [],
            [{"kind": "price_rate", "value": Decimal("0.9")}, {"kind": "points_back", "value": Decimal("0.5")}],
        )
        at = clock.now()
        rated, special, broken = (shelf.sku("10.00", keys=30) for _ in range(3))
        program = Program.objects.get(storefront=None)
        ProductTierRate.objects.create(program=program, product=rated.product, rank=1, rate=Decimal("0.8"))
        SkuTierPrice.objects.create(program=program, sku=special, rank=1, unit_price=Decimal("3.3333"))
        broken.breaks.create(min_quantity=10, unit_price=Decimal("8.0000"))
        with clock.travel(at - timedelta(days=31)):
            shelf.buy(alice, (rated, 5), from_wallet=True)
        shelf.buy(alice, (rated, 1), (special, 3), from_wallet=True)
        shelf.buy(alice, (broken, 10), from_wallet=True)
        shelf.buy(alice, (shelf.sku("20.00", keys=1), 1), from_wallet=True)
        shelf.buy(alice, (rated, 1))
        half = shelf.buy(alice, (rated, 2), from_wallet=True)
        services.refund(
            order_id=half.pk, amounts={half.lines.get().pk: Decimal("10.00")}, ref="r", reason="", actor=olga
        )
        found = month_saving(storefront=main_storefront(), user_id=alice.pk, at=clock.now())
        # 10 − 8, 30 − 10.00, nothing beside the quantity price, 20 − 18, and half of 20 − 16.
        assert (found.saved, found.lines) == (Decimal("26.00"), 5)
        # Half a point for each yuan of the 124.00 that are left to pay.
        assert (found.spent, found.points) == (Decimal("150.00"), 62)
        assert month_saving(storefront=main_storefront(), user_id=hold(alice, 4).pk, at=clock.now()) is None

    @pytest.mark.parametrize(
        ("coupon", "paid", "saved"),
        [
            ({"off": "20.00"}, "80.00", "10.00"),
            ({"rate": "0.9"}, "90.00", "9.00"),
            ({"rate": "0.5", "max_off": "20.00"}, "80.00", "10.00"),
            # The better of the two: 80 with the coupon, 90 with the tier's price.
            ({"off": "20.00", "with_member_price": False}, "80.00", "0.00"),
            ({"off": "4.00", "with_member_price": False}, "96.00", "6.00"),
            # At the tier's price it is not enough for the coupon any more.
            ({"off": "20.00", "min_spend": "95.00"}, "80.00", "0.00"),
        ],
    )
    def test_the_last_month_is_true_beside_coupons(self, shelf, alice, coupon, paid, saved):
        """As the same order would cost at the tier, bought with the same coupon or the better of the two."""
        publish([], [{"kind": "price_rate", "value": Decimal("0.9")}])
        made = template(**{**coupon, "min_spend": Decimal(coupon.get("min_spend", 0))})
        items = [(shelf.sku("60.00", keys=2), 1), (shelf.sku("40.00", keys=2), 1)]
        give(alice, made)
        order = shelf.buy(alice, *items, from_wallet=True, coupon="auto")
        assert order.total == Decimal(paid)
        found = month_saving(storefront=main_storefront(), user_id=alice.pk, at=clock.now())
        assert found.saved == Decimal(saved)
        give(hold(alice, 1), template(**{**coupon, "min_spend": made.min_spend}))
        then = shelf.buy(alice, *items, from_wallet=True, coupon="auto").total
        assert found.saved == max(order.total - then, 0)

    def test_the_last_month_on_top_of_quantity_prices(self, shelf, alice):
        publish([], [{"kind": "price_rate", "value": Decimal("0.9"), "stacking": "add"}])
        sku, own = shelf.sku("10.00", keys=20), shelf.sku("10.00", keys=20)
        for one in (sku, own):
            one.breaks.create(min_quantity=10, unit_price=Decimal("8.0000"))
        program = Program.objects.get(storefront=None)
        SkuTierPrice.objects.create(program=program, sku=own, rank=1, unit_price=Decimal("7.5000"))
        order = shelf.buy(alice, (sku, 10), (own, 10), from_wallet=True)
        found = month_saving(storefront=main_storefront(), user_id=alice.pk, at=clock.now())
        assert found.saved == Decimal("13.00")
        assert shelf.buy(hold(alice, 1), (sku, 10), (own, 10), from_wallet=True).total == order.total - found.saved

    @pytest.mark.parametrize("coupon", [None, {"off": "2.00"}, {"rate": "0.9"}, {"rate": "0.9", "max_off": "1.50"}])
    @pytest.mark.parametrize("together", [{}, {"with_member_price": False}, {"with_quantity_price": False}])
    @pytest.mark.parametrize("plain", [1, 5])
    def test_the_last_month_is_true_where_the_next_tier_is_dearer_on_some_lines(
        self, shelf, alice, plain, together, coupon
    ):
        """Per order what the price pipeline says at that tier; an order that would cost more takes from what others save."""
        publish([], *([{"kind": "price_rate", "value": Decimal(rate), "stacking": "add"}] for rate in ("0.90", "0.85")))
        broken, rated, own = (shelf.sku("10.00", keys=9) for _ in range(3))
        whole = shelf.sku("10.00", keys=30)
        broken.breaks.create(min_quantity=2, unit_price=Decimal("8.0000"))
        program = Program.objects.get(storefront=None)
        ProductTierRate.objects.create(program=program, product=broken.product, rank=2, rate=Decimal("0.80"))
        ProductTierRate.objects.create(program=program, product=rated.product, rank=2, rate=Decimal("0.95"))
        SkuTierPrice.objects.create(program=program, sku=own, rank=1, unit_price=Decimal("7.9990"))
        orders = [[(broken, 2), (whole, plain)], [(rated, 1), (whole, plain)], [(own, 1), (whole, plain)]]

        def bought(rank):
            hold(alice, rank)
            for _ in orders if coupon else ():
                give(alice, made)
            return sum(
                shelf.buy(alice, *items, from_wallet=True, coupon="auto" if coupon else "").total for items in orders
            )

        made = template(**coupon, **together) if coupon else None
        now = bought(1)
        found = month_saving(storefront=main_storefront(), user_id=alice.pk, at=clock.now())
        assert found.spent == now
        assert found.saved == max(now - bought(2), 0)

    def test_it_asks_a_handful_of_questions(self, shelf, alice, django_assert_max_num_queries):
        publish([], [{"kind": "price_rate", "value": Decimal("0.9")}])
        month_saving(storefront=main_storefront(), user_id=alice.pk, at=clock.now())
        with django_assert_max_num_queries(6):
            month_saving(storefront=main_storefront(), user_id=alice.pk, at=clock.now())
        assert books() == {}
