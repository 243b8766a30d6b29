"""Gateway money stays for some days, whichever way it reached the wallet, and each payment is looked at by itself."""

from datetime import timedelta
from decimal import Decimal

import pytest

from common import clock
from orders.services import cancel, refund
from payments.models import PaymentAttempt, TopUp
from payments.selectors import returnable, withdrawable
from payments.services import apply_second, place_top_up, refund_top_up, return_payment
from tenancy.selectors import main_storefront
from tests.payments.withdrawals import open_withdrawals

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]
A_MONTH = timedelta(days=30)


def fresh_and_free(user) -> tuple[Decimal, Decimal]:
    found = withdrawable(user, open_withdrawals(), None, clock.now())
    return found.fresh, found.free


@pytest.fixture
def begin(till, channel):
    """Two ways to pay the same; one of the forms is kept for later."""
    return lambda made: (till.start(made, channel), till.start(made, till.channel()))


@pytest.fixture
def topping_up(begin, alice) -> tuple[PaymentAttempt, PaymentAttempt]:
    amount = Decimal(300)
    return begin(place_top_up(user=alice, storefront=main_storefront(), amount=amount, idempotency_key="k"))


@pytest.fixture
def for_nothing(begin, shelf, alice, bob) -> tuple[PaymentAttempt, PaymentAttempt]:
    """Of an order that is cancelled and whose goods are gone: whatever comes is the buyer's."""
    attempts = begin(shelf.buy(alice, (sku := shelf.sku("300.00", keys=1), 1)))
    cancel(order_id=attempts[0].order_id, actor=alice)
    shelf.buy(bob, (sku, 1), from_wallet=True)
    return attempts


def test_gateway_money_waits_however_it_came(alice, olga, till, channel, shelf, bob):
    """Late, too much, or given back of an order: its payer can have it called back as a top-up's can."""
    late = till.start(shelf.buy(alice, (sku := shelf.sku("300.00", keys=1), 1)), channel)
    cancel(order_id=late.order_id, actor=alice)
    shelf.buy(bob, (sku, 1), from_wallet=True)
    till.pay(late)
    over = till.start(shelf.buy(alice, (shelf.sku("10.00", keys=1), 1)), channel)
    till.sandbox.act(over.number, "wrong_amount", money="15.00")
    till.send(channel, till.fields(over))
    refund(order_id=over.order_id, amounts={over.order.lines.get().pk: Decimal(10)}, ref="a", reason="", actor=None)
    own = shelf.buy(alice, (shelf.sku("20.00", keys=1), 1), from_wallet=True)
    refund(order_id=own.pk, amounts={own.lines.get().pk: Decimal(20)}, ref="b", reason="", actor=None)
    assert fresh_and_free(alice) == (Decimal("315.00"), Decimal("1000.00")), "what was the wallet's before is free"
    return_payment(attempt_id=late.pk, amount=Decimal(300), reason="多付", ref="s", actor=olga)
    assert fresh_and_free(alice) == (Decimal("15.00"), Decimal("1000.00"))
    with clock.travel(clock.now() + timedelta(days=8)):
        assert fresh_and_free(alice) == (0, Decimal("1015.00"))


def test_a_second_payment_of_an_old_top_up_is_fresh_too(topping_up, till, alice):
    """She paid once, kept the other signed form, and pays it a month later with a stolen card."""
    first, kept = topping_up
    till.pay(first)
    with clock.travel(clock.now() + A_MONTH):
        assert fresh_and_free(alice) == (0, Decimal("1300.00"))
        till.pay(kept)
        apply_second(attempt_id=first.pk, provider_txn="AGAIN", amount=Decimal(50))
        assert fresh_and_free(alice) == (Decimal("350.00"), Decimal("1300.00"))


def test_a_top_up_that_was_given_back_long_ago_hides_no_second_payment(topping_up, till, alice, olga):
    first, kept = topping_up
    till.pay(first)
    refund_top_up(top_up_id=first.top_up_id, amount=Decimal(300), reason="退款", ref="t", actor=olga)
    with clock.travel(clock.now() + A_MONTH):
        till.pay(kept)
        assert fresh_and_free(alice) == (Decimal("300.00"), Decimal("1000.00"))
        assert [returnable(one) for one in PaymentAttempt.objects.order_by("pk")] == [0, Decimal("300.00")]
        refund_top_up(top_up_id=first.top_up_id, amount=Decimal(100), reason="退款", ref="u", actor=olga)
        assert fresh_and_free(alice) == (Decimal("200.00"), Decimal("1000.00"))
        return_payment(attempt_id=kept.pk, amount=Decimal(200), reason="误充", ref="s", actor=olga)
        assert (TopUp.objects.get().refunded, fresh_and_free(alice)) == (Decimal("400.00"), (0, Decimal("1000.00")))


def test_what_was_sent_back_long_ago_hides_no_new_money(for_nothing, till, alice, olga):
    """Late money of an order was sent back to its payer; a month later money comes for the same order again."""
    first, kept = for_nothing
    till.pay(first)
    return_payment(attempt_id=first.pk, amount=Decimal(300), reason="多付", ref="s", actor=olga)
    with clock.travel(clock.now() + A_MONTH):
        till.pay(kept)
        assert fresh_and_free(alice) == (Decimal("300.00"), Decimal("1000.00"))
        return_payment(attempt_id=kept.pk, amount=Decimal(200), reason="多付", ref="t", actor=olga)
        assert fresh_and_free(alice) == (Decimal("100.00"), Decimal("1000.00"))


def test_old_money_that_is_sent_back_hides_no_new_money(for_nothing, till, alice, olga):
    first, kept = for_nothing
    till.pay(first)
    with clock.travel(clock.now() + A_MONTH):
        till.pay(kept)
        return_payment(attempt_id=first.pk, amount=Decimal(300), reason="多付", ref="s", actor=olga)
        assert fresh_and_free(alice) == (Decimal("300.00"), Decimal("1000.00"))
