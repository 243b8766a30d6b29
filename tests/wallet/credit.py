"""Credit lines for tests."""

from decimal import Decimal

from accounts.models import User
from tests.desk import staff
from wallet.models import CreditLine
from wallet.services import grant_terms, propose_terms


def two() -> tuple[User, User]:
    """Whoever asks and whoever grants."""
    found = [User.objects.filter(username=name).first() or staff(name) for name in ("lena", "leon")]
    return found[0], found[1]


def credit(user: User, limit: str = "500.00", due_day: int = 10, **fields) -> CreditLine:
    asks, grants = two()
    terms = propose_terms(user_id=user.pk, limit=Decimal(limit), due_day=due_day, reason="老客户", actor=asks)
    line = grant_terms(terms_id=terms.pk, actor=grants)
    if fields:
        CreditLine.objects.filter(pk=line.pk).update(**fields)
        line.refresh_from_db()
    return line
