"""Reading the ledger."""

from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import User
from common.findings import Findings, find
from common.money import ZERO
from wallet.models import Account, Entry, PayGuard


def balance_of(user: User) -> Decimal:
    """What the member can spend, in yuan."""
    found = Account.objects.filter(user=user, purpose=Account.Purpose.WALLET).values_list("balance", flat=True).first()
    return ZERO if found is None else found


def restricted_of(user: User) -> Decimal:
    """The part of the balance that buys goods and cannot be withdrawn, in yuan."""
    found = Account.objects.filter(user=user, purpose=Account.Purpose.WALLET)
    return found.values_list("restricted", flat=True).first() or ZERO


def credit_of_order(order_id: int) -> Decimal:
    """What is owed to the guest of an order, in yuan."""
    found = Account.objects.filter(order_id=order_id, purpose=Account.Purpose.ORDER_CREDIT)
    return found.values_list("balance", flat=True).first() or ZERO


def guard_of(user: User) -> PayGuard | None:
    """How the member guards payments from the wallet; None for not at all."""
    return PayGuard.objects.filter(user=user).first()


def statement(user: User) -> QuerySet[Entry]:
    """The wallet's entries with their transfers, newest first."""
    wallet = Account.objects.filter(user=user, purpose=Account.Purpose.WALLET)
    return Entry.objects.filter(account__in=wallet).select_related("transfer").order_by("-pk")


def audit_ledger() -> dict[str, Findings]:
    """What is wrong with the books, empty findings where nothing is."""
    return {
        "unbalanced_transfers": find(
            "SELECT transfer_id, SUM(amount) FROM wallet_entry GROUP BY 1 HAVING SUM(amount) <> 0"
        ),
        "balances_unlike_entries": find(
            "SELECT a.code, a.balance, COALESCE(SUM(e.amount), 0) FROM wallet_account a"
            " LEFT JOIN wallet_entry e ON e.account_id = a.id WHERE a.balance IS NOT NULL"
            " GROUP BY a.id HAVING a.balance <> COALESCE(SUM(e.amount), 0)"
        ),
        "restricted_unlike_entries": find(
            "SELECT a.code, a.restricted, COALESCE(SUM(e.restricted), 0) FROM wallet_account a"
            " LEFT JOIN wallet_entry e ON e.account_id = a.id"
            " GROUP BY a.id HAVING a.restricted <> COALESCE(SUM(e.restricted), 0)"
        ),
        "negative_balances": find("SELECT code, balance FROM wallet_account WHERE balance < 0"),
        "references_without_transfer": find(
            "SELECT r.ref, r.transfer_id FROM wallet_transferref r"
            " LEFT JOIN wallet_transfer t ON t.id = r.transfer_id AND t.ref = r.ref WHERE t.id IS NULL"
        ),
        # Also the second of two transfers with one reference.
        "transfers_without_reference": find(
            "SELECT t.id, t.ref FROM wallet_transfer t"
            " LEFT JOIN wallet_transferref r ON r.ref = t.ref AND r.transfer_id = t.id WHERE r.ref IS NULL"
        ),
        "transfers_without_entries": find(
            "SELECT t.id, t.ref FROM wallet_transfer t"
            " WHERE NOT EXISTS (SELECT 1 FROM wallet_entry e WHERE e.transfer_id = t.id)"
        ),
        "entries_without_transfer": find(
            "SELECT e.id, e.transfer_id FROM wallet_entry e"
            " LEFT JOIN wallet_transfer t ON t.id = e.transfer_id WHERE t.id IS NULL"
        ),
    }
