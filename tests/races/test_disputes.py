"""Races over after-sale cases: two who decide, deciding against taking back, keys against money, and settling."""

from datetime import timedelta
from decimal import Decimal

import pytest

from catalog.models import Key, Product
from common import clock
from orders import services
from orders.exceptions import AlreadyDisputed, DisputeMoved, RefundTooLarge, WarrantyOver
from orders.models import Dispute, Order, OrderLine, OrderRefund
from tests.complaints import complain, decide, keys_on
from tests.shelf import books
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5
Outcome, State = Dispute.Outcome, Dispute.State


def kinds(results: list) -> list[str]:
    return sorted(type(one).__name__ for one in results)


@pytest.fixture
def warranted(shelf):
    sku = shelf.sku("10.00", keys=60)
    Product.objects.filter(pk=sku.product_id).update(warranty_days=1)
    sku.product.refresh_from_db()
    return sku


def test_the_same_key_is_reported_once(race, shelf, warranted, alice):
    order = shelf.buy(alice, (warranted, 1), from_wallet=True)
    results = race.run(*[lambda: complain(order)] * 6)
    assert kinds(results) == ["AlreadyDisputed"] * 5 + ["Dispute"]
    assert OrderLine.objects.get().open_disputes == 1
    assert AlreadyDisputed.status == 409


def test_two_members_of_staff_decide_at_once(race, shelf, warranted, alice, olga, bob):
    for _ in range(ROUNDS):
        dispute = complain(shelf.buy(alice, (warranted, 1), from_wallet=True))
        results = race.run(
            lambda d=dispute: decide(d, Outcome.REFUND, by=olga),
            lambda d=dispute: decide(d, Outcome.REPLACE, by=bob),
        )
        assert sum(isinstance(one, DisputeMoved) for one in results) == 1
        dispute.refresh_from_db()
        given = Key.objects.filter(line_id=dispute.line_id, state="replaced").count()
        # Money or a key, never both.
        assert (dispute.refunded > 0) + given == 1
    assert books() == {}


def test_deciding_against_taking_back(race, shelf, warranted, alice, olga):
    for _ in range(ROUNDS):
        dispute = complain(shelf.buy(alice, (warranted, 1), from_wallet=True))
        results = race.run(
            lambda d=dispute: decide(d, Outcome.REFUND, by=olga),
            lambda d=dispute: services.withdraw_dispute(dispute_id=d.pk, actor=alice),
        )
        assert sum(isinstance(one, DisputeMoved) for one in results) == 1
        dispute.refresh_from_db()
        assert OrderRefund.objects.filter(order=dispute.order_id).exists() == (dispute.state == State.CLOSED)
        assert OrderLine.objects.get(pk=dispute.line_id).open_disputes == 0
    assert books() == {}


def test_a_new_key_against_the_whole_money(race, shelf, warranted, alice, olga):
    """Staff refund the order at its own page while somebody else replaces by the case."""
    for number in range(ROUNDS):
        order = shelf.buy(alice, (warranted, 1), from_wallet=True)
        dispute, line = complain(order), order.lines.get()
        replaced, refunded = race.run(
            lambda d=dispute: decide(d, Outcome.REPLACE, by=olga),
            lambda o=order, n=number, pk=line.pk: services.refund(
                order_id=o.pk, amounts={pk: o.total}, ref=f"r{n}", reason="", actor=olga
            ),
        )
        assert isinstance(refunded, OrderRefund)
        assert isinstance(replaced, Dispute | DisputeMoved)
        assert len(keys_on(line)) == 1
    assert balance_of(alice) == Decimal("1000.00")
    assert Order.objects.exclude(state=Order.State.REFUNDED).count() == 0
    assert books() == {}


def test_two_cases_and_a_refund_never_give_back_more_than_was_paid(race, shelf, warranted, alice, olga, bob):
    order = shelf.buy(alice, (warranted, 3), from_wallet=True)
    line = order.lines.get()
    first, second, third = keys_on(line)
    cases = [complain(order, first, second), complain(order, third)]
    results = race.run(
        lambda: decide(cases[0], Outcome.REFUND, by=olga),
        lambda: decide(cases[1], Outcome.REFUND, by=bob),
        lambda: services.refund(order_id=order.pk, amounts={line.pk: Decimal("15.00")}, ref="r", reason="", actor=olga),
    )
    assert all(isinstance(one, Dispute | OrderRefund | RefundTooLarge | DisputeMoved) for one in results), results
    line.refresh_from_db()
    assert line.refunded <= line.cash
    assert balance_of(alice) == Decimal("970.00") + line.refunded
    assert books() == {}


def test_reporting_against_settling(race, shelf, warranted, alice):
    """At the last moment of the warranty a line is either reported or settled."""
    for _ in range(ROUNDS):
        order = shelf.buy(alice, (warranted, 1), from_wallet=True)
        until = clock.now() + timedelta(milliseconds=1)
        OrderLine.objects.filter(order=order).update(settles_at=until)

        def settle(until=until) -> int:
            with clock.travel(until):
                return services.settle_due()

        def report(order=order, until=until) -> Dispute:
            with clock.travel(until):
                return complain(order)

        settled, reported = race.run(settle, report)
        line = order.lines.get()
        assert (settled, isinstance(reported, Dispute)) in {(0, True), (1, False)}, (settled, reported)
        assert isinstance(reported, Dispute | WarrantyOver)
        assert (line.settled_at is None) == bool(line.open_disputes)
        if line.open_disputes:
            services.withdraw_dispute(dispute_id=reported.pk, actor=alice)
            settle()
    assert books() == {}


def test_what_waits_for_stock_is_served_or_paid_back(race, shelf, alice, olga):
    sku = shelf.sku("10.00", keys=1)
    for _ in range(ROUNDS):
        order = shelf.buy(alice, (sku, 1), from_wallet=True)
        dispute = decide(complain(order), Outcome.REPLACE, by=olga, wait=True)
        shelf.stock(sku, 1)
        race.run(
            services.serve_restocked,
            lambda d=dispute: services.take_money_instead(dispute_id=d.pk, actor=alice),
        )
        dispute.refresh_from_db()
        given = Key.objects.filter(line_id=dispute.line_id, state="replaced").count()
        assert (dispute.refunded > 0) + given == 1
        if given:
            services.accept_decision(dispute_id=dispute.pk)
            shelf.stock(sku, 1)
    assert books() == {}
