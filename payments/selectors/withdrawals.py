"""What of a member's money may be withdrawn now, and what keeps the rest."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import F, Q, QuerySet, Sum

from accounts.models import User
from common.clock import day_of, start_of_day
from common.money import ZERO, round_money
from orders.models import Order
from orders.services.paying import WALLET
from payments.models import BonusGrant, PayoutAccount, Refund, TopUp, Withdrawal, WithdrawalRules
from wallet.models import Account, Entry, Transfer
from wallet.selectors import balance_of, owed_by, restricted_of

Kind = Transfer.Kind
FROM_GATEWAYS = (Kind.GATEWAY_PAYMENT, Kind.LATE_PAYMENT, Kind.ASSIGNED, Kind.CREDIT_CLAIMED)
FROM_SALES = (Kind.REFUND, Kind.FELL_BACK)


# A running sum of what came with gifts (up) and of free money that was spent, less its refunds (down), which starts again at
# zero wherever it would fall below. An order counts whole at the moment of its payment; what bears no number, by itself. What
# fell back is no refund of it: only a gateway's money goes that way, which no wallet had spent.
GIFTED = """
WITH moves AS (
    SELECT f.transfer_id AS place, t.credited - t.refunded - COALESCE((
        SELECT SUM(r.amount) FROM payments_refund r JOIN payments_paymentattempt a ON a.id = r.attempt_id
        WHERE a.top_up_id = t.id AND r.state <> 'refused'), 0) AS amount
    FROM payments_topup t JOIN payments_bonusgrant g ON g.top_up_id = t.id
    JOIN wallet_transferref f ON f.ref = 'bonus:' || t.id
    WHERE t.user_id = %(user)s AND g.taken_back < g.amount
    UNION ALL
    SELECT MIN(t.id) AS place, LEAST(SUM(e.amount - e.restricted), 0) AS amount
    FROM wallet_entry e JOIN wallet_account a ON a.id = e.account_id JOIN wallet_transfer t ON t.id = e.transfer_id
    WHERE a.user_id = %(user)s AND a.purpose = 'wallet' AND e.at >= %(since)s
    AND (t.kind IN ('payment', 'refund', 'credit_repaid') OR (t.kind = 'adjustment' AND e.amount < 0))
    GROUP BY CASE WHEN t.kind IN ('payment', 'refund') THEN t.memo ELSE t.ref END
    HAVING BOOL_OR(t.kind IN ('payment', 'credit_repaid', 'adjustment'))
), sums AS (
    SELECT SUM(amount) OVER (ORDER BY place ROWS UNBOUNDED PRECEDING) AS running FROM moves
)
SELECT COALESCE((SELECT SUM(amount) FROM moves), 0) - LEAST(COALESCE((SELECT MIN(running) FROM sums), 0), 0)
"""


@dataclass(frozen=True)
class Withdrawable:
    """In yuan. `amount` is what may go now by balance and limits; the others say where the rest is.

    `until`: the cooling time that runs, or None.
    """

    balance: Decimal
    restricted: Decimal
    fresh: Decimal
    gifted: Decimal
    owed: Decimal
    left_today: Decimal
    left_this_month: Decimal
    until: datetime | None

    @property
    def free(self) -> Decimal:
        """By balance alone."""
        return max(self.balance - self.restricted - self.fresh - self.gifted - self.owed, ZERO)

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


def is_stopped(row: Withdrawal) -> bool:
    """Whether a withdrawal must not be paid any more, whatever it was when it was asked for. `account` and `user` should be
    selected with it; who acts on it has locked both."""
    return row.account.state != PayoutAccount.State.VERIFIED or not row.user.is_active


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
    fresh, fresh_gifted = _fresh(user, rules, at)
    return Withdrawable(
        balance=balance_of(user),
        restricted=restricted_of(user),
        fresh=fresh,
        gifted=max(_gifted(user) - fresh_gifted, ZERO),
        owed=owed_by(user),
        left_today=rules.daily - (sums["day"] or ZERO),
        left_this_month=rules.monthly - (sums["month"] or ZERO),
        until=_cooling(user, rules, account, at),
    )


def _fresh(user: User, rules: WithdrawalRules, at: datetime) -> tuple[Decimal, Decimal]:
    """What came from gateways so lately that it stays, in yuan; not what was given back or is on its way to its payer.
    And how much of it brought a gift, so that it does not count twice."""
    if not rules.top_up_days:
        return ZERO, ZERO
    since = at - timedelta(days=rules.top_up_days)
    lately = TopUp.objects.filter(user=user, state=TopUp.State.PAID, paid_at__gt=since)
    return _kept(lately) + _from_gateways(user, since), _kept(lately.filter(_with_gift()))


def _with_gift() -> Q:
    """Top-ups whose gift did not go back whole."""
    return Q(grant__taken_back__lt=F("grant__amount"))


def _kept(found: QuerySet[TopUp]) -> Decimal:
    """What came by these top-ups and did not go back, in yuan."""
    kept = found.aggregate(sum=Sum(F("credited") - F("refunded")))["sum"] or ZERO
    back = Refund.objects.filter(attempt__top_up__in=found).exclude(state=Refund.State.REFUSED)
    return kept - (back.aggregate(sum=Sum("amount"))["sum"] or ZERO)


def _from_gateways(user: User, since: datetime) -> Decimal:
    """Gateway money that reached the wallet without a top-up: paid for an order too late, too much or twice, owed to a guest,
    unclaimed until then, or given back of an order that a gateway had paid. A payer can have it called back just as a top-up.
    """
    bought = Order.objects.filter(buyer=user).exclude(paid_with=WALLET)
    # What `send_back` took and a gateway refused is the member's as it was before.
    own = Refund.objects.filter(attempt__order__buyer=user, order_refund=None)
    refused = [
        f"refund-back:{number}" for number in own.filter(state=Refund.State.REFUSED).values_list("number", flat=True)
    ]
    of_gateways = Q(transfer__kind__in=FROM_GATEWAYS) | Q(
        transfer__kind__in=FROM_SALES, transfer__memo__in=bought.values("number")
    )
    entries = Entry.objects.filter(
        of_gateways, account__user=user, account__purpose=Account.Purpose.WALLET, amount__gt=0, at__gt=since
    ).exclude(transfer__ref__in=refused)
    came: Counter[str] = Counter()
    for number, amount in entries.values_list("transfer__memo", "amount"):
        came[number] += amount
    back: Counter[str] = Counter()
    for number, amount in own.exclude(state=Refund.State.REFUSED).values_list("attempt__order__number", "amount"):
        back[number] += amount
    return sum((max(amount - back[number], ZERO) for number, amount in came.items()), ZERO)


def _gifted(user: User) -> Decimal:
    """What came together with gifts and was not spent since, in yuan.

    A gift is for shopping with what it came with. Withdrawn instead, the money would have brought the gift for nothing, and
    could again; a refund of the top-up takes the gift along, so that is the way back. What is spent is the oldest of it.
    """
    since = BonusGrant.objects.filter(user=user, taken_back__lt=F("amount")).order_by("at").values_list("at", flat=True)
    first = since.first()
    if first is None:
        return ZERO
    with connection.cursor() as cursor:
        cursor.execute(GIFTED, {"user": user.pk, "since": first})
        return cursor.fetchone()[0]


def _cooling(user: User, rules: WithdrawalRules, account: PayoutAccount | None, at: datetime) -> datetime | None:
    changed = User.objects.filter(pk=user.pk).values_list("password_changed_at", flat=True).first()
    moments = [one for one in (changed, account.created_at if account else None) if one is not None]
    until = max(moments, default=None)
    until = until + timedelta(hours=rules.cooling_hours) if until else None
    return until if until and until > at else None
