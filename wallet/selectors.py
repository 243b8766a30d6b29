"""Reading the ledger."""

from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet

from accounts.models import User
from common.money import ZERO
from wallet.models import Account, Entry


def balance_of(user: User) -> Decimal:
    """What the member can spend, in yuan."""
    found = Account.objects.filter(user=user, purpose=Account.Purpose.WALLET).values_list("balance", flat=True).first()
    return ZERO if found is None else found


def statement(user: User) -> QuerySet[Entry]:
    """The wallet's entries with their transfers, newest first."""
    wallet = Account.objects.filter(user=user, purpose=Account.Purpose.WALLET)
    return Entry.objects.filter(account__in=wallet).select_related("transfer").order_by("-pk")


def audit_ledger() -> dict[str, list]:
    """What is wrong with the books, each list empty when nothing is: unbalanced transfers, balances that differ from
    their entries, negative balances, and references without a transfer."""
    return {
        "unbalanced_transfers": _rows(
            "SELECT transfer_id, SUM(amount) FROM wallet_entry GROUP BY 1 HAVING SUM(amount) <> 0"
        ),
        "balances_unlike_entries": _rows(
            "SELECT a.code, a.balance, COALESCE(SUM(e.amount), 0) FROM wallet_account a"
            " LEFT JOIN wallet_entry e ON e.account_id = a.id WHERE a.balance IS NOT NULL"
            " GROUP BY a.id HAVING a.balance <> COALESCE(SUM(e.amount), 0)"
        ),
        "negative_balances": _rows("SELECT code, balance FROM wallet_account WHERE balance < 0"),
        "references_without_transfer": _rows(
            "SELECT r.ref, r.transfer_id FROM wallet_transferref r"
            " LEFT JOIN wallet_transfer t ON t.id = r.transfer_id AND t.ref = r.ref WHERE t.id IS NULL"
        ),
    }


def _rows(sql: str) -> list:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [[str(value) for value in row] for row in cursor.fetchall()]
