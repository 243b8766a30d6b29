"""The oracle can fail: each of its promises is broken once, with every rule of the database out of the way."""

import pytest
from django.db import connection, transaction

from common.findings import Findings
from shop.books import audit
from torture import oracle, scene
from torture.races import acts
from torture.races.paying import attempt_of
from torture.races.unguarded import drop_rules
from torture.report import Budget, Report

pytestmark = [pytest.mark.django_db, pytest.mark.damages_books]

ONE_ENTRY = "UPDATE wallet_entry SET amount = amount + 1 WHERE id = (SELECT MIN(id) FROM wallet_entry)"
LAST_ENTRY = "UPDATE wallet_entry SET amount = amount - 1 WHERE id = (SELECT MAX(id) FROM wallet_entry)"
AS_UNCLAIMED = (
    "INSERT INTO wallet_transfer (ref, kind, at, memo) SELECT {ref}, 'unclaimed', at, 'unknown' FROM wallet_transfer"
    " WHERE starts_with(ref, 'gw:') LIMIT 1"
)
THROUGH_THE_OTHER = (
    "'gw:' || (SELECT id FROM payments_channel WHERE code = 'epay-by-night') || ':' || split_part(ref, ':', 3)"
)
# By promise, ways to break it, each one or more statements.
DAMAGES = {
    "the ledger does not sum to zero": [[ONE_ENTRY]],
    "a transfer does not sum to zero": [[ONE_ENTRY, LAST_ENTRY]],
    "a balance is not the sum of its entries": [["UPDATE wallet_account SET balance = balance + 1 WHERE balance > 0"]],
    "somebody owes us what nobody may owe": [["UPDATE wallet_account SET balance = -1 WHERE balance > 0"]],
    "a key without its line is sold": [
        ["UPDATE catalog_key SET line_id = NULL WHERE state = 'sold'"],
        ["UPDATE catalog_key SET line_id = NULL WHERE state = 'reserved'"],
    ],
    "one text was sold as two keys": [
        [
            "UPDATE catalog_key k SET fingerprint = (SELECT fingerprint FROM catalog_key x"
            " WHERE x.product_id = k.product_id ORDER BY id LIMIT 1) WHERE state = 'sold'"
        ]
    ],
    "a line has more keys than it has pieces": [["UPDATE orders_orderline SET pieces = 1 WHERE pieces = 2"]],
    "a paid line is neither delivered, nor refunded, nor waiting": [
        ["UPDATE orders_orderline SET state = 'waiting' WHERE state = 'delivered'"],
        ["UPDATE orders_orderline SET state = 'closed' WHERE state = 'delivered'"],
    ],
    "a delivered line lacks its keys": [
        [
            "UPDATE catalog_key SET state = 'available', line_id = NULL"
            " WHERE id = (SELECT MIN(id) FROM catalog_key WHERE state = 'sold')"
        ]
    ],
    "more was given back than was paid": [
        [
            "UPDATE orders_orderrefund SET amount = 99",
            "UPDATE orders_order SET refunded_total = 99 WHERE refunded_total > 0",
        ],
        ["UPDATE orders_order SET refunded_total = refunded_total - 0.01 WHERE refunded_total > 0"],
    ],
    "a gateway's transaction was credited twice": [
        [AS_UNCLAIMED.format(ref="ref")],
        [AS_UNCLAIMED.format(ref=THROUGH_THE_OTHER)],
    ],
    "the gateway's account is not what its transactions brought": [
        ["UPDATE payments_gatewaytransaction SET amount = amount + 1"],
        ["DELETE FROM payments_gatewaytransaction"],
    ],
    "a payment is not among the gateway's transactions": [
        ["UPDATE payments_paymentattempt SET paid_amount = paid_amount + 1 WHERE state = 'paid'"],
        ["UPDATE payments_gatewaytransaction SET provider_txn = 'T-2'"],
    ],
    "money that nobody expected came under a number that we know": [
        [
            "INSERT INTO wallet_transfer (ref, kind, at, memo) SELECT 'gw:0:T-9', 'unclaimed', now(), number"
            " FROM payments_paymentattempt LIMIT 1"
        ]
    ],
    "one coupon is in two orders": [
        [
            "INSERT INTO marketing_couponuse (coupon_id, order_id, amount, at, cause)"
            " SELECT coupon_id, (SELECT MIN(id) FROM orders_order), amount, at, '' FROM marketing_couponuse"
        ]
    ],
    "one click became two orders": [
        ["UPDATE audit_idempotencyrecord SET result = (SELECT result FROM audit_idempotencyrecord ORDER BY id LIMIT 1)"]
    ],
}
TABLES = sorted(
    {sql.split()[1 if sql.startswith("UPDATE") else 2] for ways in DAMAGES.values() for one in ways for sql in one}
)


@pytest.fixture
def history():
    """Two who paid, one from the wallet with a coupon, one at the gateway; one who got some of it back; one who waits."""
    goods = scene.sku("5.00", keys=20)
    alice, bob = scene.member("100.00"), scene.member("100.00")
    coupon = scene.coupon(alice, scene.coupon_template())
    scene.order(alice, goods, 2, wallet=True, coupon=coupon.public_id)
    scene.channel(code="epay-by-night")
    tried = attempt_of(scene.order(bob, goods, 2))
    assert acts.apply(tried.pk, "T-1", str(tried.amount)) == "True"
    given_back = scene.order(bob, goods, 2, wallet=True)
    acts.refund(given_back.pk, given_back.lines.get().pk, "3.00", "r1")
    scene.order(alice, goods)


def judged(**more) -> list[str]:
    told: list[str] = []
    oracle.judge(Report("x", Budget(), told.append), **more)
    return [one.removeprefix("VIOLATION x: ") for one in told if one.startswith("VIOLATION x: ")]


def damage(*statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TABLES:
            drop_rules(table)
        for statement in statements:
            cursor.execute(statement)
            assert cursor.rowcount > 0, f"nothing was damaged: {statement}"


def test_every_promise_is_tried():
    assert set(DAMAGES) == set(oracle.PROMISES)


def test_every_broken_promise_is_told(history, monkeypatch):
    assert judged() == []
    # What audit_books has to say of the same damage is no answer of the promises.
    monkeypatch.setattr(oracle, "audit", lambda at: {})
    missed = []
    for promise, ways in DAMAGES.items():
        for statements in ways:
            with transaction.atomic():
                damage(*statements)
                if not any(one.startswith(f"{promise}: ") for one in judged()):
                    missed.append((promise, statements))
                transaction.set_rollback(True)
    assert missed == []
    assert judged() == []


def test_whatever_the_shops_own_audit_finds_is_told(monkeypatch):
    """That each of its rules can fail is shown where the audit is tested, by way of the oracle."""
    assert oracle.audit is audit
    monkeypatch.setattr(oracle, "audit", lambda at: {rule: Findings(1, [["7"]]) for rule in audit(at=at)})
    told = {one.partition(":")[0].removeprefix("audit_books ") for one in judged(settled=True)}
    hurried = {one.partition(":")[0].removeprefix("audit_books ") for one in judged()}
    assert {rule.partition(".")[0] for rule in told} == {
        "wallet", "catalog", "membership", "marketing", "orders", "payments", "events",
    }  # fmt: skip
    assert told - hurried == {rule for rule in told if rule.startswith("events.")}
