"""What programs may pay from a wallet. The owner says so beforehand, token by token; nobody can ask a program.

A payment by a token with an allowance is within it or refused, and is not asked about again. One by a token without is
asked about like any other, where its owner guards the wallet.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Case, F, Q, Value, When

from accounts.models import ApiToken, User
from audit.services import record
from common import clock
from common.money import MAX_AMOUNT, ZERO
from wallet.exceptions import BadAllowance, TokenLimit
from wallet.models import TokenAllowance


def set_allowance(
    *, token: ApiToken, once: Decimal | None, daily: Decimal | None, actor: User, address: str | None = None
) -> None:
    """Let a token pay `once` yuan at a time and `daily` in a day; None for both takes the allowance away. What was paid
    today still counts, but in one that was taken away and is set anew. Audited. Raises BadAllowance: one without the other,
    or no amounts, or less in a day than at once.
    """
    if (once is None) != (daily is None) or (once is not None and not ZERO <= once <= daily <= MAX_AMOUNT):
        raise BadAllowance
    with transaction.atomic():
        at = clock.now()
        if once is None:
            TokenAllowance.objects.filter(token=token).delete()
        else:
            wanted = {"once": once, "daily": daily, "since": at}
            TokenAllowance.objects.update_or_create(token=token, defaults=wanted)
        detail = {"name": token.name, "value": "–" if once is None else f"{once:.2f} / {daily:.2f}"}
        record(action="token.allowance", at=at, actor=actor, target=token, detail=detail, address=address)


def spend_allowance(*, token: ApiToken, amount: Decimal, at: datetime) -> bool:
    """Take `amount` yuan from what the token may pay today; False for a token that has no allowance. Raises TokenLimit.

    In the transaction of the payment. Locks the allowance, before the wallet.
    """
    today = clock.day_of(at)
    spent = Case(When(day=today, then=F("spent")), default=Value(ZERO))
    fitting = TokenAllowance.objects.filter(token=token, once__gte=amount).alias(today_spent=spent)
    if fitting.filter(Q(daily__gte=F("today_spent") + amount)).update(spent=spent + amount, day=today):
        return True
    known = TokenAllowance.objects.filter(token=token).first()
    if known is None:
        return False
    raise TokenLimit(once=known.once, left=left_today(known, at))


def left_today(allowance: TokenAllowance, at: datetime) -> Decimal:
    """What may still be paid today, in yuan."""
    spent = allowance.spent if allowance.day == clock.day_of(at) else ZERO
    return max(allowance.daily - spent, ZERO)
