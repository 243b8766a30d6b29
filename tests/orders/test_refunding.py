"""Money given back for a part of an order: what is still owed afterwards, and what counts."""

import logging
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts.models import User
from catalog.models import Key, Product
from common import clock
from common.exceptions import OwnMatter
from common.money import CENT
from events.contracts import OrderDelivered, OrderRefunded
from events.models import Event
from events.services import relay
from membership.models import Activity
from orders import services
from orders.exceptions import NothingToDeliver
from orders.models import Order, OrderLine
from tests.desk import at_desk
from tests.orders.test_buying import pay
from tests.shelf import books
from wallet.models import Account, Transfer
from wallet.selectors import balance_of
from wallet.services import Posting, post, shop_account, user_wallet

pytestmark = pytest.mark.django_db
LONG = timedelta(hours=48)


def short_of(shelf, user, *, delivered: int, wanted: int = 2, price: str = "2.67") -> tuple[Order, OrderLine]:
    """A paid order with one line of `wanted`, of which stock had only `delivered` when the money came."""
    sku = shelf.sku(price, keys=wanted)
    order = shelf.buy(user, (sku, wanted))
    lost = Key.objects.filter(line_id=order.lines.get().pk).order_by("-pk")[: wanted - delivered]
    Key.objects.filter(pk__in=[key.pk for key in lost]).update(state="void", line_id=None)
    pay(order, ref=f"attempt:{order.pk}")
    return Order.objects.get(pk=order.pk), order.lines.get()


def give(order: Order, line: OrderLine, amount: str, actor) -> None:
    services.refund(
        order_id=order.pk,
        amounts={line.pk: Decimal(amount)},
        ref=f"staff:{order.pk}:{amount}",
        reason="缺货",
        actor=actor,
    )
    order.refresh_from_db()
    line.refresh_from_db()


def sweep(order: Order) -> int:
    with clock.travel(order.paid_at + LONG):
        return services.refund_overdue_short()


def post_under(ref: str, user: User) -> None:
    """Take a reference in the ledger for something else."""
    legs = [Posting(user_wallet(user.pk), -CENT), Posting(shop_account(Account.Purpose.ADJUSTMENT), CENT)]
    with transaction.atomic():
        post(ref=ref, kind=Transfer.Kind.ADJUSTMENT, postings=legs, at=clock.now())


def refuse_moves_of(order: Order) -> None:
    """Let the database refuse every change of this one order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_move() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'refused by a test'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse_move BEFORE UPDATE ON orders_order FOR EACH ROW"
            f" WHEN (OLD.id = {int(order.pk)}) EXECUTE FUNCTION refuse_move()"
        )


def test_what_staff_gave_back_for_missing_pieces_is_not_given_back_again(shelf, alice, olga):
    order, line = short_of(shelf, alice, delivered=1)
    give(order, line, "2.67", olga)
    assert (line.state, order.state) == ("delivered", "delivered"), "nothing is owed any more"
    assert sweep(order) == 0
    order.refresh_from_db()
    assert order.refunded_total == Decimal("2.67")
    assert balance_of(alice) == Decimal("1002.67")
    assert books() == {}


def test_a_part_given_back_by_staff_is_taken_off_the_automatic_refund(shelf, alice, olga):
    order, line = short_of(shelf, alice, delivered=1)
    give(order, line, "1.00", olga)
    assert line.state == "short"
    assert sweep(order) == 1
    order.refresh_from_db()
    line.refresh_from_db()
    assert (order.refunded_total, line.state) == (Decimal("2.67"), "delivered")
    assert books() == {}


def test_a_piece_that_was_refunded_is_not_delivered_any_more(shelf, alice, olga):
    order, line = short_of(shelf, alice, delivered=0, wanted=3, price="3.33")
    give(order, line, "6.66", olga)
    assert (line.state, line.pieces_due, line.pieces_waived) == ("short", 1, 2)
    shelf.stock(line.sku, 5)
    assert services.redeliver(order_id=order.pk, actor=olga) == 1
    line.refresh_from_db()
    order.refresh_from_db()
    assert (line.state, line.pieces_delivered, order.state) == ("delivered", 1, "delivered")
    assert Key.objects.filter(line_id=line.pk, state="sold").count() == 1
    with pytest.raises(NothingToDeliver):
        services.redeliver(order_id=order.pk, actor=olga)
    assert books() == {}


def test_shares_that_do_not_divide_count_whole_pieces(shelf, alice, olga):
    sku = shelf.sku("3.3333", keys=3)
    order = shelf.buy(alice, (sku, 3))
    Key.objects.filter(line_id=order.lines.get().pk).update(state="void", line_id=None)
    pay(order)
    order, line = Order.objects.get(pk=order.pk), order.lines.get()
    assert line.cash == Decimal("10.00")
    give(order, line, "3.33", olga)
    assert line.pieces_waived == 1
    give(order, line, "3.34", olga)
    assert line.pieces_waived == 2
    assert sweep(order) == 1
    order.refresh_from_db()
    assert order.refunded_total == Decimal("10.00")
    assert order.state == Order.State.REFUNDED


def test_a_refund_before_delivery_by_hand_lowers_what_is_due(shelf, alice, olga):
    order = shelf.buy(alice, (shelf.sku("5.00", kind=Product.Kind.MANUAL), 2), from_wallet=True)
    line = order.lines.get()
    give(order, line, "5.00", olga)
    services.deliver_by_hand(line_id=line.pk, text="一份已充值", actor=olga)
    line.refresh_from_db()
    assert (line.state, line.pieces_delivered, line.pieces_due) == ("delivered", 1, 1)
    assert books() == {}


@pytest.mark.parametrize("by_staff", [False, True])
def test_what_was_delivered_of_a_short_line_counts_for_the_tier(shelf, alice, olga, by_staff):
    order, line = short_of(shelf, alice, delivered=1, price="10.00")
    if by_staff:
        give(order, line, "10.00", olga)
    else:
        assert sweep(order) == 1
    told = [row.kind for row in Event.objects.order_by("pk") if row.kind in {OrderDelivered.kind, OrderRefunded.kind}]
    assert told == [OrderDelivered.kind, OrderRefunded.kind]
    assert Event.objects.get(kind=OrderDelivered.kind).payload["complete"] is True
    relay()
    counted = Activity.objects.filter(member__user=alice, metric="spend", valid=True)
    assert sum(row.amount for row in counted) == Decimal("10.00")


def test_one_bad_row_does_not_stop_the_round_of_refunds(shelf, alice, bob, caplog):
    bad, line = short_of(shelf, alice, delivered=1)
    good, _ = short_of(shelf, bob, delivered=1)
    post_under(f"refund:short:{line.pk}", alice)
    with caplog.at_level(logging.ERROR):
        assert sweep(good) == 1
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.state, bad.state) == ("delivered", "paid")
    assert f"line {line.pk}" in caplog.text
    assert "ReferenceReused" in caplog.text


def test_one_bad_row_does_not_stop_the_round_of_expiry(shelf, alice, bob, caplog):
    bad, good = shelf.buy(alice, (shelf.sku(keys=1), 1)), shelf.buy(bob, (shelf.sku(keys=1), 1))
    Order.objects.filter(pk=bad.pk).update(pay_deadline=bad.pay_deadline - timedelta(minutes=1))
    refuse_moves_of(bad)
    with caplog.at_level(logging.ERROR), clock.travel(good.pay_deadline + timedelta(seconds=1)):
        assert services.expire_due() == 1
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.state, bad.state) == ("expired", "unpaid")
    assert f"order {bad.pk}" in caplog.text
    assert "refused by a test" in caplog.text


def test_nobody_refunds_their_own_order(shelf, olga):
    shelf.fund(olga, "10.00")
    order = shelf.buy(olga, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
    wish = {"order_id": order.pk, "amounts": {order.lines.get().pk: order.total}, "reason": "买错"}
    with pytest.raises(OwnMatter):
        services.refund(ref="r", actor=olga, **wish)
    assert f"/admin/orders/order/{order.pk}/refund/" not in text_of_page(olga, order)
    services.refund(ref="r", actor=None, **wish)
    assert balance_of(olga) == Decimal("10.00")


def text_of_page(user: User, order: Order) -> str:
    return at_desk(user).get(f"/admin/orders/order/{order.pk}/change/").content.decode()
