"""All books together: money, points, coupons, orders, reviews, gateways, and the news that keeps rooms in step."""

from datetime import datetime

from catalog.selectors import audit_reviews
from common.findings import Findings
from events.selectors import audit_events
from marketing.selectors import audit_coupons, audit_rebates
from membership.selectors import audit_perks, audit_points
from orders.selectors import audit_disputes, audit_orders
from payments.selectors import audit_payments
from wallet.selectors import audit_cards, audit_credit, audit_ledger


def audit(*, at: datetime) -> dict[str, Findings]:
    """What is wrong, by room and rule such as "wallet.negative_balances"; empty findings where nothing is."""
    rooms = {
        "wallet": {**audit_ledger(), **audit_cards(at), **audit_credit()},
        "catalog": audit_reviews(),
        "membership": {**audit_points(), **audit_perks()},
        "marketing": {**audit_coupons(), **audit_rebates()},
        "orders": {**audit_orders(), **audit_disputes()},
        "payments": audit_payments(),
        "events": audit_events(at=at),
    }
    return {f"{room}.{rule}": found for room, rules in rooms.items() for rule, found in rules.items()}
