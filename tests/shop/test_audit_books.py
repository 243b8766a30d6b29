"""The audit finds every kind of damage. Damage is done by raw SQL with triggers and constraints out of the way."""

# Fixtures are taken from the room that knows gateways, and named as arguments.
# ruff: noqa: F401, F811

import io
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from catalog.models import Key, Product
from common import clock
from common.findings import SHOWN, find
from events.contracts import StockArrived
from events.models import Delivery, Event
from membership.models import PointsBack, PointsEntry
from membership.services import grant_points, reverse_points, spend_points
from orders import services
from orders.models import Dispute, Order, OrderRefund
from orders.services import AUTO
from payments.models import Refund
from payments.services import (
    approve_withdrawal,
    begin_refund,
    confirm_withdrawal,
    place_top_up,
    push_refund,
    refund_top_up,
)
from shop.books import audit
from tenancy.selectors import main_storefront
from tests.complaints import complain, decide
from tests.desk import staff
from tests.marketing.coupons import give, template
from tests.opinions import published
from tests.payments.conftest import channel, running_sandbox, sandbox, till
from tests.payments.withdrawals import ask, bonus_rule, open_withdrawals, verified_account
from tests.wallet.cards import batch, codes
from tests.wallet.credit import credit
from torture import oracle
from torture.report import Budget, Report
from wallet.services import approve_codes, ask_codes, draw_credit, redeem_card, repay_credit, take_codes

pytestmark = pytest.mark.django_db


@pytest.fixture
def history(shelf, alice, bob, olga, till, channel):
    """A bit of everything: wallet, gateway, guest, top-up, by hand, short, refunded, unpaid, cancelled; some news."""
    sku = shelf.sku("10.00", keys=30)
    shelf.buy(alice, (sku, 3), from_wallet=True)
    by_gateway = shelf.buy(bob, (sku, 2))
    till.pay(till.start(by_gateway, channel))
    guest = shelf.buy(None, (sku, 1))
    till.pay(till.start(guest, channel))
    till.pay(
        till.start(
            place_top_up(user=bob, storefront=main_storefront(), amount=Decimal(50), idempotency_key="t"), channel
        )
    )
    manual = shelf.buy(alice, (shelf.sku("30.00", kind=Product.Kind.MANUAL), 1), from_wallet=True)
    services.deliver_by_hand(line_id=manual.lines.get().pk, text="done", actor=olga)
    shelf.buy(alice, (shelf.sku("30.00", kind=Product.Kind.MANUAL), 1), from_wallet=True)
    refunded = shelf.buy(alice, (sku, 1), from_wallet=True)
    amounts = {refunded.lines.get().pk: Decimal("4.00")}
    services.refund(order_id=refunded.pk, amounts=amounts, ref="r1", reason="", actor=olga)
    by_original_route(by_gateway)
    shelf.buy(alice, (sku, 1))
    services.cancel(order_id=shelf.buy(alice, (sku, 1)).pk, actor=alice)
    published(alice, sku)
    limited = template("2.00", total_limit=3)
    give(alice, limited)
    shelf.buy(alice, (sku, 1), from_wallet=True, coupon=AUTO)
    give(bob, limited)
    services.cancel(order_id=shelf.buy(bob, (sku, 1), coupon=AUTO).pk, actor=bob)
    cases(alice, shelf, olga)
    bonus_rule("50.00", "5.00")
    gifted = place_top_up(user=alice, storefront=main_storefront(), amount=Decimal(50), idempotency_key="g")
    till.pay(till.start(gifted, channel))
    refund_top_up(top_up_id=gifted.pk, amount=Decimal(10), reason="x", ref="f1", actor=olga)
    open_withdrawals()
    verified_account(bob)
    petra, quentin = staff("petra"), staff("quentin")
    paid = ask(bob, "20.00")
    approve_withdrawal(withdrawal_id=paid.pk, actor=petra)
    confirm_withdrawal(withdrawal_id=paid.pk, proof="T1", actor=quentin)
    ask(bob, "30.00")
    printed = batch(olga)
    ask_codes(batch_id=printed.pk, reason="x", actor=petra)
    approve_codes(batch_id=printed.pk, actor=quentin)
    with clock.travel(clock.now() + timedelta(hours=25)):
        take_codes(batch_id=printed.pk, actor=petra)
    credit(alice)
    draw_credit(user=alice, amount=Decimal(30), idempotency_key="c")
    repay_credit(user=alice, amount=Decimal(10), idempotency_key="c")
    redeem_card(user=bob, code=codes(batch(olga, count=2))[0], address="203.0.113.9")
    at = clock.now()
    grant_points(user_id=alice.pk, amount=5, cause=PointsEntry.Cause.BACK, ref="back:0", at=at)
    PointsBack.objects.create(line_id=0, user=alice, cash=10, rate=Decimal("0.5"), granted=5)
    grant_points(user_id=alice.pk, amount=50, cause=PointsEntry.Cause.INVITE, ref="p1", at=at)
    spend_points(user_id=alice.pk, amount=20, cause=PointsEntry.Cause.COUPON, ref="p2", at=at)
    reverse_points(user_id=alice.pk, of_ref="p2", ref="p3", at=at)
    event = Event.objects.create(kind=StockArrived.kind, payload={}, occurred_at=at, fanned_out_at=at)
    Delivery.objects.create(event=event, subscriber="somebody", not_before=at)
    Event.objects.update(fanned_out_at=at)


def cases(buyer, shelf, olga) -> None:
    """One was paid back in part, one got another key; neither is over."""
    first, second = (shelf.buy(buyer, (shelf.sku("10.00", keys=2), 1), from_wallet=True) for _ in range(2))
    decide(complain(first), Dispute.Outcome.PARTIAL, by=olga, amount=Decimal("2.00"))
    decide(complain(second), Dispute.Outcome.REPLACE, by=olga)


def by_original_route(order: Order) -> None:
    """Six yuan went back through the gateway, four are on their way."""
    line, to = order.lines.get(), OrderRefund.Target.ORIGINAL
    for ref, amount in (("r2", "6.00"), ("r3", "4.00")):
        amounts = {line.pk: Decimal(amount)}
        refund = services.refund(order_id=order.pk, amounts=amounts, ref=ref, reason="", actor=None, to=to)
        (part,) = begin_refund(refund_id=refund.pk)
        if ref == "r2":
            assert push_refund(refund_id=part.pk) == Refund.State.DONE


def books() -> dict[str, int]:
    return {name: found.count for name, found in audit(at=clock.now()).items() if found}


def told_by_oracle() -> list[str]:
    told: list[str] = []
    oracle.judge(Report("x", Budget(), told.append), settled=True)
    return told


def damage(*statements: str) -> None:
    """Run statements with every trigger and constraint of our tables that could stop them out of the way."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " AND relname ~ '^(wallet|orders|catalog|membership|marketing|payments|events)_'"
        )
        tables = [table for (table,) in cursor.fetchall() if any(table in statement for statement in statements)]
        cursor.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype IN ('c', 'f', 'u')"
            " AND conrelid::regclass::text = ANY(%s) ORDER BY contype <> 'f'",
            [tables],
        )
        for table, name in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        # Unique among some rows only: an index without a constraint.
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index"
            " WHERE indisunique AND indpred IS NOT NULL AND indrelid::regclass::text = ANY(%s)",
            [tables],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            cursor.execute(statement)
            assert cursor.rowcount > 0, f"nothing was damaged: {statement}"


SOLD_LINE = "(SELECT l.id FROM orders_orderline l JOIN catalog_key k ON k.line_id = l.id AND k.state = 'sold' LIMIT 1)"
UNPAID_LINE = (
    "(SELECT l.id FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id WHERE o.state = 'unpaid' LIMIT 1)"
)
PAYMENT = "(SELECT id FROM wallet_transfer WHERE kind = 'payment' ORDER BY id LIMIT 1)"
GATEWAY = "(SELECT id FROM wallet_transfer WHERE kind = 'gateway_payment' ORDER BY id LIMIT 1)"
LONG_AGO = "now() - interval '61 minutes'"
REBATE = (
    "INSERT INTO marketing_rebate (user_id, month, program_id, steps, base, rate, amount, carried, paid, at)"
    " SELECT id, '2026-01-01', 0, '[]', 100, 0.03, 3, -3 + {paid}, {paid}, now() FROM accounts_user LIMIT 1"
)

DAMAGES = {
    "orders.open_disputes_unlike_lines": [
        "UPDATE orders_orderline SET open_disputes = open_disputes + 1 WHERE open_disputes > 0"
    ],
    "orders.disputes_without_pieces": ["DELETE FROM orders_disputepiece"],
    "orders.disputes_of_other_lines": ["UPDATE orders_dispute SET order_id = (SELECT MIN(id) FROM orders_order)"],
    "orders.free_pieces_of_open_disputes": ["UPDATE orders_disputepiece SET is_taken = false"],
    "orders.disputes_unlike_history": ["UPDATE orders_dispute SET state = 'seller'"],
    "orders.disputes_unlike_refunds": ["UPDATE orders_dispute SET refunded = refunded + 1"],
    "orders.disputes_unlike_pieces": ["UPDATE orders_disputepiece SET refunded = refunded + 1"],
    "orders.pieces_paid_back_above_price": ["UPDATE orders_disputepiece SET refunded = refunded + 100000"],
    "orders.replaced_without_another": [
        "UPDATE orders_disputepiece SET replacement_id = NULL WHERE replacement_id IS NOT NULL"
    ],
    "wallet.unbalanced_transfers": [
        f"UPDATE wallet_entry SET amount = amount + 1 WHERE transfer_id = {PAYMENT} AND amount > 0"
    ],
    "wallet.balances_unlike_entries": ["UPDATE wallet_account SET balance = balance + 0.01 WHERE code LIKE 'user:%'"],
    "wallet.negative_balances": ["UPDATE wallet_account SET balance = -1 WHERE code LIKE 'user:%'"],
    "wallet.references_without_transfer": ["INSERT INTO wallet_transferref (ref, transfer_id) VALUES ('lost', 0)"],
    "wallet.transfers_without_reference": [f"DELETE FROM wallet_transferref WHERE transfer_id = {PAYMENT}"],
    "wallet.transfers_without_entries": [f"DELETE FROM wallet_entry WHERE transfer_id = {PAYMENT}"],
    "wallet.entries_without_transfer": [f"UPDATE wallet_entry SET transfer_id = 0 WHERE transfer_id = {PAYMENT}"],
    "wallet.restricted_unlike_entries": ["UPDATE wallet_account SET restricted = restricted + 1 WHERE restricted > 0"],
    "wallet.redeemed_cards_unlike_the_ledger": ["UPDATE wallet_cardbatch SET face_value = face_value + 1"],
    "wallet.card_money_without_card": ["UPDATE wallet_card SET state = 'issued' WHERE state = 'redeemed'"],
    "wallet.batches_unlike_cards": ["UPDATE wallet_cardbatch SET count = count + 1"],
    "wallet.codes_kept_after_they_left": [
        "UPDATE wallet_cardrelease SET kept_until = kept_until - interval '30 days'",
        "UPDATE wallet_cardbatch SET sealed_codes = 'x'",
    ],
    "wallet.credit_unlike_draws": ["UPDATE wallet_creditline SET used = used + 1"],
    "wallet.credit_unlike_repayments": ["UPDATE wallet_creditrepayment SET amount = amount + 1"],
    "wallet.receivables_unlike_credit": ["UPDATE wallet_creditline SET used = used - 1"],
    "wallet.credit_without_receivable": [
        "UPDATE wallet_account SET code = 'shop:receivable:0' WHERE purpose = 'receivable'"
    ],
    "orders.keys_on_unpaid_lines": [
        "UPDATE catalog_key SET state = 'sold', sold_at = now() WHERE state = 'reserved'",
    ],
    "orders.keys_without_line": ["UPDATE catalog_key SET line_id = 999999999 WHERE state = 'reserved'"],
    "orders.keys_unlike_pieces": [f"UPDATE catalog_key SET state = 'void', line_id = NULL WHERE line_id = {SOLD_LINE}"],
    "orders.reserved_on_closed_orders": [
        "UPDATE orders_order SET state = 'expired' WHERE state = 'unpaid'",
    ],
    "orders.paid_but_nowhere": [f"UPDATE orders_orderline SET state = 'waiting' WHERE id = {SOLD_LINE}"],
    "orders.delivered_with_open_lines": [f"UPDATE orders_orderline SET state = 'held' WHERE id = {SOLD_LINE}"],
    "orders.delivered_without_goods": ["DELETE FROM orders_linesecret"],
    "orders.paid_without_money": [f"UPDATE wallet_transfer SET memo = '' WHERE id = {PAYMENT}"],
    "orders.steps_unlike_cash": ["UPDATE orders_pricestep SET amount = amount - 0.01 WHERE stage = 'coupon'"],
    "orders.coupons_unlike_lines": ["UPDATE orders_order SET coupon_off = coupon_off + 1 WHERE coupon_off > 0"],
    "orders.coupons_unlike_orders": ["UPDATE marketing_couponuse SET given_back_at = NULL"],
    "membership.points_back_unlike_entries": ["UPDATE membership_pointsback SET granted = granted + 1"],
    "marketing.coupons_in_two_orders": [
        "INSERT INTO marketing_couponuse (coupon_id, order_id, amount, at, cause)"
        " SELECT coupon_id, 0, amount, at, '' FROM marketing_couponuse WHERE given_back_at IS NULL"
    ],
    "marketing.coupons_unlike_uses": [
        "UPDATE marketing_coupon SET state = 'usable', order_id = NULL, used_at = NULL WHERE state = 'used'"
    ],
    "marketing.slots_unlike_coupons": ["UPDATE marketing_couponslot SET coupon_id = NULL"],
    "marketing.rebates_unlike_the_ledger": [REBATE.format(paid=3)],
    "marketing.rebate_transfers_without_rebate": [
        "INSERT INTO wallet_transferref (ref, transfer_id) VALUES ('rebate:1:2026-01', 0)"
    ],
    "marketing.rebates_corrected_below_nothing": [
        REBATE.format(paid=0),
        "INSERT INTO marketing_rebatecorrection (rebate_id, number, base, amount, at)"
        " SELECT id, 1, 0, -4, now() FROM marketing_rebate",
    ],
    "orders.refunds_unlike_lines": ["UPDATE orders_orderline SET refunded = refunded + 1 WHERE refunded > 0"],
    "orders.refunds_unlike_orders": ["UPDATE orders_orderrefund SET amount = amount + 1"],
    "payments.refunds_beyond_payments": ["UPDATE payments_refund SET amount = amount + 20 WHERE state = 'created'"],
    "payments.refunds_unlike_ledger": ["UPDATE payments_refund SET state = 'refused' WHERE state = 'done'"],
    "payments.refunds_unlike_orders": ["UPDATE orders_orderrefund SET returned = 5 WHERE ref = 'r2'"],
    "payments.money_on_its_way_unlike_refunds": ["UPDATE orders_orderrefund SET returned = 1 WHERE ref = 'r3'"],
    "orders.refunds_without_money": ["UPDATE wallet_transfer SET ref = 'x' WHERE ref = 'refund:r1'"],
    "catalog.ratings_unlike_reviews": ["UPDATE catalog_productrating SET stars_1 = 1"],
    "catalog.reviews_of_other_lines": ["UPDATE catalog_reviewticket SET delivered_at = NULL"],
    "membership.points_unlike_entries": ["UPDATE membership_pointsaccount SET balance = balance + 1"],
    "membership.points_unlike_lots": ['UPDATE membership_pointslot SET "left" = "left" + 1'],
    "membership.points_lots_unlike_draws": ["DELETE FROM membership_pointsdraw"],
    "membership.points_entries_unlike_lots_and_draws": [
        "UPDATE membership_pointsentry SET amount = 51 WHERE ref = 'p1'"
    ],
    "membership.points_owed_unlike_entries": ["UPDATE membership_pointsaccount SET owed = 1"],
    "membership.points_undone_twice": ["UPDATE membership_pointsentry SET amount = 21 WHERE ref = 'p3'"],
    "membership.points_entries_without_reference": ["DELETE FROM membership_pointsref WHERE ref = 'p1'"],
    "payments.paid_attempts_without_transfer": [
        "UPDATE payments_paymentattempt SET provider_txn = 'x' WHERE state = 'paid'"
    ],
    "payments.gateway_money_without_attempt": [
        "UPDATE payments_paymentattempt SET state = 'pending' WHERE state = 'paid' AND order_id IS NOT NULL"
    ],
    "payments.transactions_credited_twice": [
        "INSERT INTO wallet_transfer (ref, kind, at, memo) SELECT ref, kind, at, memo FROM wallet_transfer"
        f" WHERE id = {GATEWAY}"
    ],
    "payments.gateway_transactions_unlike_the_ledger": ["UPDATE payments_gatewaytransaction SET amount = amount + 1"],
    "payments.unclaimed_money_given_as_another_sum": [
        "INSERT INTO wallet_transfer (ref, kind, at, memo) VALUES ('unclaimed:0', 'assigned', now(), '')"
    ],
    "payments.top_ups_unlike_attempts": ["UPDATE payments_topup SET credited = credited + 1"],
    "payments.bonuses_unlike_the_ledger": ["UPDATE payments_bonusgrant SET amount = amount + 1"],
    "payments.unclaimed_money_given_twice": [
        "UPDATE payments_refund SET transfer_id = 0 WHERE state <> 'refused'",
        "INSERT INTO wallet_transferref (ref, transfer_id) VALUES ('unclaimed:0', 0)",
    ],
    "payments.bonus_money_without_top_up": ["DELETE FROM payments_bonusgrant"],
    "payments.top_up_refunds_unlike_the_ledger": [
        "UPDATE payments_topup SET refunded = refunded + 1 WHERE refunded > 0"
    ],
    "payments.holds_unlike_withdrawals": ["UPDATE payments_withdrawal SET amount = amount + 1 WHERE state = 'asked'"],
    "payments.withdrawals_unlike_the_ledger": [
        "UPDATE payments_withdrawal SET state = 'approved' WHERE state = 'paid'"
    ],
    "payments.withdrawals_paid_by_one": [
        "UPDATE payments_withdrawal SET paid_by_id = approved_by_id WHERE state = 'paid'"
    ],
    "events.parked_deliveries": ["UPDATE events_delivery SET state = 'parked'"],
    "events.overdue_deliveries": [f"UPDATE events_delivery SET not_before = {LONG_AGO}"],
    "events.overdue_events": [f"UPDATE events_event SET fanned_out_at = NULL, occurred_at = {LONG_AGO}"],
}


def test_healthy_books_are_clean(history):
    assert books() == {}


def test_every_rule_is_tried(db):
    assert set(DAMAGES) == set(audit(at=clock.now()))


def test_every_kind_of_damage_is_found(history):
    assert books() == {}
    missed = {}
    for rule, statements in DAMAGES.items():
        with transaction.atomic():
            damage(*statements)
            # By way of torture's oracle, which rests on the audit.
            found = told_by_oracle()
            if not any(f": audit_books {rule}: " in one for one in found):
                missed[rule] = found
            transaction.set_rollback(True)
    assert missed == {}
    assert books() == {}


def test_news_on_its_way_is_no_damage(history):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_delivery SET not_before = now() - interval '59 minutes'")
        cursor.execute("UPDATE events_event SET fanned_out_at = NULL, occurred_at = now() - interval '59 minutes'")
    assert books() == {}


def run() -> tuple[dict, int]:
    out = io.StringIO()
    try:
        call_command("audit_books", stdout=out)
    except SystemExit as end:
        return json.loads(out.getvalue()), end.code
    return json.loads(out.getvalue()), 0


def test_the_command_on_clean_books(history):
    report, status = run()
    assert status == 0
    assert (report["clean"], report["violations"]) == (True, 0)
    assert set(report["rules"]) == set(DAMAGES)
    assert report["at"] == clock.now().isoformat()


@pytest.mark.damages_books
def test_the_command_counts_everything_and_shows_a_little(history, shelf):
    shelf.stock(shelf.sku(), SHOWN + 15)
    damage("UPDATE catalog_key SET state = 'reserved', line_id = 999999999 WHERE state = 'available'")
    lost = Key.objects.filter(line_id=999999999).count()
    assert lost > SHOWN
    report, status = run()
    assert status == 1
    assert (report["clean"], report["violations"]) == (False, lost)
    found = report["rules"]["orders.keys_without_line"]
    assert found["count"] == lost
    assert len(found["examples"]) == SHOWN
    assert all(len(example) == 2 for example in found["examples"])


@pytest.mark.damages_books
def test_no_key_is_shown(history):
    damage("UPDATE catalog_key SET line_id = 999999999 WHERE state = 'sold'")
    assert "TEST-" not in json.dumps(run()[0])


def test_findings_are_counted_beyond_what_is_shown(db):
    found = find("SELECT n FROM generate_series(1, %s) AS n", 1000)
    assert (found.count, len(found.examples), found.examples[0]) == (1000, SHOWN, ["1"])
    assert not find("SELECT 1 WHERE false")
