"""Reading credit lines, and whether their books are in order."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import F, QuerySet, Sum

from accounts.models import User
from common import clock
from common.clock import day_of
from common.findings import Findings, find
from common.money import ZERO
from wallet.models import CreditDraw, CreditLine


@dataclass(frozen=True)
class Due:
    """What of a line is to be paid by a day, in yuan."""

    on: date
    amount: Decimal
    overdue: bool


def credit_line_of(user: User) -> CreditLine | None:
    """The member's line to show, as it is now: overdue from the first minute, though beat writes that down later."""
    line = CreditLine.objects.filter(user=user).first()
    if line is not None and line.state == CreditLine.State.ACTIVE and is_overdue(line, day_of(clock.now())):
        line.state = CreditLine.State.OVERDUE
    return line


def owed_by(user: User) -> Decimal:
    """What the member has used and not paid back, in yuan."""
    return CreditLine.objects.filter(user=user).values_list("used", flat=True).first() or ZERO


def auto_credit_of(user: User) -> Decimal:
    """What comes on credit by itself when the balance is short, in yuan."""
    line = credit_line_of(user)
    return Decimal(line.free) if line and line.auto_use else ZERO


def is_overdue(line: CreditLine, today: date) -> bool:
    """Whether something should have been paid back by yesterday. Whoever lends on it holds the line."""
    return line.draws.filter(repaid__lt=F("amount"), due_on__lt=today).exists()


def dues_of(line: CreditLine, today: date) -> list[Due]:
    """What is open by due day, the earliest first."""
    rows = line.draws.filter(repaid__lt=F("amount")).values("due_on").annotate(sum=Sum(F("amount") - F("repaid")))
    return [Due(row["due_on"], row["sum"], row["due_on"] < today) for row in rows.order_by("due_on")]


def draws_of(line: CreditLine) -> QuerySet[CreditDraw]:
    return line.draws.order_by("-pk")


def audit_credit() -> dict[str, Findings]:
    """What is wrong between credit lines and the ledger; empty findings where nothing is."""
    return {
        "credit_unlike_draws": find(
            "SELECT l.id, l.used, COALESCE(SUM(d.amount - d.repaid), 0) FROM wallet_creditline l"
            " LEFT JOIN wallet_creditdraw d ON d.line_id = l.id"
            " GROUP BY l.id HAVING l.used <> COALESCE(SUM(d.amount - d.repaid), 0)"
        ),
        "credit_unlike_repayments": find(
            "SELECT l.id FROM wallet_creditline l WHERE"
            " (SELECT COALESCE(SUM(repaid), 0) FROM wallet_creditdraw d WHERE d.line_id = l.id)"
            " <> (SELECT COALESCE(SUM(amount), 0) FROM wallet_creditrepayment r WHERE r.line_id = l.id)"
        ),
        "receivables_unlike_credit": find(
            "SELECT a.code, SUM(e.amount), l.used FROM wallet_account a JOIN wallet_entry e ON e.account_id = a.id"
            " LEFT JOIN wallet_creditline l ON a.code = 'shop:receivable:' || l.user_id"
            " WHERE a.purpose = 'receivable' GROUP BY a.id, l.id HAVING -SUM(e.amount) <> COALESCE(l.used, 0)"
        ),
        "credit_without_receivable": find(
            "SELECT l.id, l.used FROM wallet_creditline l WHERE l.used > 0 AND NOT EXISTS"
            " (SELECT 1 FROM wallet_account a WHERE a.code = 'shop:receivable:' || l.user_id)"
        ),
    }
