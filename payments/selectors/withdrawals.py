"""What of a member's money may be withdrawn now, and what keeps the rest."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import F, Q, Sum

from accounts.models import User
from common.clock import day_of, start_of_day
from common.money import ZERO, round_money
from payments.models import PayoutAccount, Refund, TopUp, Withdrawal, WithdrawalRules
from wallet.selectors import balance_of, owed_by, restricted_of


@dataclass(frozen=True)
class Withdrawable:
    """In yuan. `amount` is what may go now by balance and limits; the others say where the rest is.

    `until`: the cooling time that runs, or None.
    """

    balance: Decimal
    restricted: Decimal
    fresh: Decimal
    owed: Decimal
    left_today: Decimal
    left_this_month: Decimal
    until: datetime | None

    @property
    def free(self) -> Decimal:
        """By balance alone."""
        return max(self.balance - self.restricted - self.fresh - self.owed, ZERO)

    @property
    def left(self) -> Decimal:
        """By the limits alone."""
        return max(min(self.left_today, self.left_this_month), ZERO)

    @property
    def amount(self) -> Decimal:
        return min(self.free, self.left)


def withdrawal_rules() -> WithdrawalRules:
    return WithdrawalRules.objects.get(pk=1)


def payout_account_of(user: User) -> PayoutAccount | None:
    """The member's account that is in use or waits to be looked at."""
    return PayoutAccount.objects.filter(user=user, state__in=PayoutAccount.LIVE).first()


def fee_for(rules: WithdrawalRules, amount: Decimal) -> Decimal:
    """What is kept of a withdrawal, in yuan."""
    fee = max(round_money(amount * rules.fee_rate), rules.fee_min)
    return fee if rules.fee_max is None else min(fee, rules.fee_max)


def withdrawable(user: User, rules: WithdrawalRules, account: PayoutAccount | None, at: datetime) -> Withdrawable:
    """Whoever acts on it holds the member's wallet."""
    today = day_of(at)
    asked = Q(state=Withdrawal.State.PAID) | Q(state__in=Withdrawal.OPEN)
    sums = Withdrawal.objects.filter(asked, user=user, asked_at__gte=start_of_day(today.replace(day=1))).aggregate(
        month=Sum("amount"), day=Sum("amount", filter=Q(asked_at__gte=start_of_day(today)))
    )
    return Withdrawable(
        balance=balance_of(user),
        restricted=restricted_of(user),
        fresh=_fresh(user, rules, at),
        owed=owed_by(user),
        left_today=rules.daily - (sums["day"] or ZERO),
        left_this_month=rules.monthly - (sums["month"] or ZERO),
        until=_cooling(user, rules, account, at),
    )


def _fresh(user: User, rules: WithdrawalRules, at: datetime) -> Decimal:
    """What was topped up so lately that it stays, in yuan; not what was given back or is on its way to its payer."""
    if not rules.top_up_days:
        return ZERO
    since = at - timedelta(days=rules.top_up_days)
    found = TopUp.objects.filter(user=user, state=TopUp.State.PAID, paid_at__gt=since)
    kept = found.aggregate(sum=Sum(F("credited") - F("refunded")))["sum"] or ZERO
    back = Refund.objects.filter(attempt__top_up__in=found).exclude(state=Refund.State.REFUSED)
    return kept - (back.aggregate(sum=Sum("amount"))["sum"] or ZERO)


def _cooling(user: User, rules: WithdrawalRules, account: PayoutAccount | None, at: datetime) -> datetime | None:
    changed = User.objects.filter(pk=user.pk).values_list("password_changed_at", flat=True).first()
    moments = [one for one in (changed, account.created_at if account else None) if one is not None]
    until = max(moments, default=None)
    until = until + timedelta(hours=rules.cooling_hours) if until else None
    return until if until and until > at else None
