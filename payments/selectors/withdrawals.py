"""What of a member's money may be withdrawn now, and what keeps the rest."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import F, Q, Sum

from accounts.models import User
from common.clock import day_of, start_of_day
from common.money import ZERO, round_money
from orders.models import Order
from orders.services.paying import WALLET
from payments.kept import Payment, firsts, sent_back, take, topped_up
from payments.models import (
    GatewayTransaction,
    PaymentAttempt,
    PayoutAccount,
    Refund,
    TopUp,
    Withdrawal,
    WithdrawalRules,
)
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
    SELECT place, amount FROM UNNEST(%(places)s::bigint[], %(kept)s::numeric[]) AS gifts (place, amount)
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
    since = at - timedelta(days=rules.top_up_days)
    with_gifts = _with_gifts(user)
    # What is fresh does not count twice.
    fresh_gifts = sum((one.kept for one in with_gifts if one.at > since), ZERO)
    return Withdrawable(
        balance=balance_of(user),
        restricted=restricted_of(user),
        fresh=_fresh(user, since),
        gifted=max(_gifted(user, with_gifts) - fresh_gifts, ZERO),
        owed=owed_by(user),
        left_today=rules.daily - (sums["day"] or ZERO),
        left_this_month=rules.monthly - (sums["month"] or ZERO),
        until=_cooling(user, rules, account, at),
    )


def _fresh(user: User, since: datetime) -> Decimal:
    """What came from gateways so lately that it stays, in yuan; not what was given back or is on its way to its payer."""
    lately = TopUp.objects.filter(user=user, attempts__transactions__booked_at__gt=since)
    payments = [*topped_up(lately), *_beside_top_ups(user, since)]
    return sum((one.kept for one in payments if one.at > since), ZERO)


def _beside_top_ups(user: User, since: datetime) -> list[Payment]:
    """Gateway money that reached the wallet without a top-up: paid for an order too late, too much or twice, owed to a guest,
    unclaimed until then, or given back of an order that a gateway had paid. A payer can have it called back just as a top-up.
    """
    bought = Order.objects.filter(buyer=user).exclude(paid_with=WALLET)
    own = Refund.objects.filter(attempt__order__buyer=user, order_refund=None)
    # What `send_back` took and a gateway refused is the member's as it was before.
    refused = own.filter(state=Refund.State.REFUSED).values_list("number", flat=True)
    of_gateways = Q(transfer__kind__in=FROM_GATEWAYS) | Q(
        transfer__kind__in=FROM_SALES, transfer__memo__in=bought.values("number")
    )
    entries = Entry.objects.filter(
        of_gateways, account__user=user, account__purpose=Account.Purpose.WALLET, amount__gt=0, at__gt=since
    ).exclude(transfer__ref__in=[f"refund-back:{number}" for number in refused])
    rows = list(entries.values_list("transfer_id", "at", "amount", "transfer__kind", "transfer__memo"))
    came_by = _attempts_of([place for place, *_ in rows])
    sold = {memo for *_, kind, memo in rows if kind in FROM_SALES}
    paid_by = dict(
        PaymentAttempt.objects.filter(
            order__number__in=sold, order__buyer=user, outcome=PaymentAttempt.Outcome.PAID
        ).values_list("order__number", "pk")
    )
    payments = [
        Payment(
            place=place,
            at=moment,
            amount=amount,
            attempt_id=paid_by.get(memo) if kind in FROM_SALES else came_by.get(place),
        )
        for place, moment, amount, kind, memo in rows
    ]
    take(payments, sent_back(own))
    return payments


def _attempts_of(places: list[int]) -> dict[int, int]:
    """Whose first payments these transfers booked."""
    first = GatewayTransaction.objects.filter(transfer_id__in=places, provider_txn=F("attempt__provider_txn"))
    return dict(first.values_list("transfer_id", "attempt_id"))


def _with_gifts(user: User) -> list[Payment]:
    """The payments that brought gifts, of which not all went back."""
    return firsts(topped_up(TopUp.objects.filter(user=user, grant__taken_back__lt=F("grant__amount"))))


def _gifted(user: User, with_gifts: list[Payment]) -> Decimal:
    """What came together with gifts and was not spent since, in yuan.

    A gift is for shopping with what it came with. Withdrawn instead, the money would have brought the gift for nothing, and
    could again; a refund of the top-up takes the gift along, so that is the way back. What is spent is the oldest of it.
    """
    if not with_gifts:
        return ZERO
    facts = {
        "user": user.pk,
        "since": min(one.at for one in with_gifts),
        "places": [one.place for one in with_gifts],
        "kept": [one.kept for one in with_gifts],
    }
    with connection.cursor() as cursor:
        cursor.execute(GIFTED, facts)
        return cursor.fetchone()[0]


def _cooling(user: User, rules: WithdrawalRules, account: PayoutAccount | None, at: datetime) -> datetime | None:
    changed = User.objects.filter(pk=user.pk).values_list("password_changed_at", flat=True).first()
    moments = [one for one in (changed, account.created_at if account else None) if one is not None]
    until = max(moments, default=None)
    until = until + timedelta(hours=rules.cooling_hours) if until else None
    return until if until and until > at else None
