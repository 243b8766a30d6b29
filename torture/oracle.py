"""The last word after every turn: the shop's own audit, and the promises once more in plain SQL of its own."""

from collections.abc import Iterable

from django.db import connection

from common import clock
from shop.books import audit
from torture.report import Report

# What must have no rows, by what it would mean.
PROMISES = {
    "the ledger does not sum to zero": "SELECT SUM(amount) FROM wallet_entry HAVING SUM(amount) <> 0",
    "a transfer does not sum to zero": (
        "SELECT transfer_id, SUM(amount) FROM wallet_entry GROUP BY transfer_id HAVING SUM(amount) <> 0"
    ),
    "a balance is not the sum of its entries": (
        "SELECT a.code, a.balance FROM wallet_account a WHERE a.balance IS NOT NULL"
        " AND a.balance <> (SELECT COALESCE(SUM(e.amount), 0) FROM wallet_entry e WHERE e.account_id = a.id)"
    ),
    "somebody owes us what nobody may owe": "SELECT code, balance FROM wallet_account WHERE balance < 0",
    "a key without its line is sold": (
        "SELECT k.id FROM catalog_key k LEFT JOIN orders_orderline l ON l.id = k.line_id"
        " WHERE k.state IN ('sold', 'reserved') AND l.id IS NULL"
    ),
    "one text was sold as two keys": (
        "SELECT product_id, fingerprint FROM catalog_key WHERE state = 'sold'"
        " GROUP BY product_id, fingerprint HAVING COUNT(*) > 1"
    ),
    "a line has more keys than it has pieces": (
        "SELECT l.id FROM orders_orderline l JOIN catalog_key k ON k.line_id = l.id"
        " GROUP BY l.id HAVING COUNT(*) > l.pieces"
    ),
    "a paid line is neither delivered, nor refunded, nor waiting": (
        "SELECT o.number, l.state FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id"
        " WHERE o.paid_at IS NOT NULL AND l.state NOT IN ('delivered', 'refunded', 'queued', 'held', 'short')"
    ),
    "a delivered line lacks its keys": (
        "SELECT l.id FROM orders_orderline l WHERE l.kind = 'key' AND l.state = 'delivered' AND l.pieces_waived = 0"
        " AND l.pieces <> (SELECT COUNT(*) FROM catalog_key k WHERE k.line_id = l.id AND k.state = 'sold')"
    ),
    "more was given back than was paid": (
        "SELECT number FROM orders_order WHERE refunded_total > paid_total"
        " OR refunded_total <> (SELECT COALESCE(SUM(r.amount), 0) FROM orders_orderrefund r WHERE r.order_id = orders_order.id)"
    ),
    # Through whichever channel, whoever it was booked for: also money that nobody expected was paid once.
    "a gateway's transaction was credited twice": (
        "SELECT c.gateway_url, c.merchant_id, split_part(t.ref, ':', 3) FROM wallet_transfer t"
        " JOIN payments_channel c ON t.ref LIKE 'gw:' || c.id || ':%'"
        " GROUP BY c.gateway_url, c.merchant_id, split_part(t.ref, ':', 3) HAVING COUNT(*) > 1"
    ),
    "the gateway's account is not what its transactions brought": (
        "SELECT c.code FROM payments_channel c LEFT JOIN wallet_account w ON w.code = 'shop:clearing:' || c.code"
        " WHERE COALESCE((SELECT -SUM(e.amount) FROM wallet_entry e JOIN wallet_transfer t ON t.id = e.transfer_id"
        "  WHERE e.account_id = w.id AND starts_with(t.ref, 'gw:')), 0)"
        " <> COALESCE((SELECT SUM(g.amount) FROM payments_gatewaytransaction g WHERE g.channel_id = c.id), 0)"
    ),
    "a payment is not among the gateway's transactions": (
        "SELECT a.number FROM payments_paymentattempt a WHERE a.state = 'paid' AND NOT EXISTS (SELECT 1"
        " FROM payments_gatewaytransaction g WHERE g.attempt_id = a.id AND g.provider_txn = a.provider_txn"
        " AND g.amount = a.paid_amount)"
    ),
    "money that nobody expected came under a number that we know": (
        "SELECT t.memo FROM wallet_transfer t JOIN payments_paymentattempt a ON a.number = t.memo"
        " WHERE t.kind = 'unclaimed'"
    ),
    "one coupon is in two orders": (
        "SELECT coupon_id FROM marketing_couponuse WHERE given_back_at IS NULL GROUP BY coupon_id HAVING COUNT(*) > 1"
    ),
    "one click became two orders": (
        "SELECT result FROM audit_idempotencyrecord WHERE starts_with(key, 'order:')"
        " GROUP BY result HAVING COUNT(*) > 1"
    ),
}


def judge(report: Report, *, acknowledged: Iterable[str] = (), settled: bool = False) -> None:
    """Every broken promise becomes a violation of the report.

    `acknowledged` are public ids of orders that buyers were told of; each must be there and paid for. `settled` says that
    all news should be delivered by now.
    """
    for name, found in audit(at=clock.now()).items():
        # News that waits is no broken book, unless everything had the time to settle.
        if found and (settled or not name.startswith("events.")):
            report.violation(f"audit_books {name}: {found.count}, such as {found.examples[:3]}")
    with connection.cursor() as cursor:
        for name, statement in PROMISES.items():
            cursor.execute(statement)
            rows = cursor.fetchmany(3)
            if rows:
                report.violation(f"{name}: {rows}")
        missing = _missing(cursor, list(acknowledged))
        if missing:
            report.violation(f"{len(missing)} acknowledged purchases are not there, such as {missing[:3]}")
    report.count("oracle rounds")


def _missing(cursor, acknowledged: list[str]) -> list[str]:
    if not acknowledged:
        return []
    cursor.execute(
        "SELECT told FROM unnest(%s::text[]) AS told LEFT JOIN orders_order o ON o.public_id = told"
        " WHERE o.id IS NULL OR o.paid_at IS NULL",
        [acknowledged],
    )
    return [row[0] for row in cursor.fetchall()]
