"""Reading payments: how something can be paid now, and whether the books of payments are in order."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from common import crypto
from common.clock import SHANGHAI
from common.findings import Findings, find
from common.money import ZERO, round_money
from common.registries import WayBack
from orders.models import Order, OrderRefund
from payments import rsa
from payments.exceptions import AttemptNotFound, TransactionTaken
from payments.gateways import (
    WORKS_INSIDE,
    device_for,
    kind_of,
    most_of,
    protocols_without_merchants,
    provider_of,
)
from payments.kept import topped_up
from payments.models import Channel, NotifyLog, PaymentAttempt, Refund, TopUp
from payments.providers import Device
from wallet.models import Account, Transfer
from wallet.selectors import balance_of, credit_of_order

# How long unanswered notifies are taken up again before they wait for staff.
GIVE_UP_AFTER = timedelta(hours=1)
# Why a notify is held that staff find by its attempt, as long as that is not paid.
TOLD_WITH_ATTEMPT = (NotifyLog.FOR_STAFF, NotifyLog.TAKEN)


@dataclass(frozen=True)
class PayOption:
    """One way to pay that can be offered now. `fee` in yuan is what the buyer pays on top."""

    channel: Channel
    method: str
    fee: Decimal

    @property
    def value(self) -> str:
        """What a form sends back, see `option_for`."""
        return f"{self.channel.code}:{self.method}"

    @property
    def label(self) -> str:
        return str(Channel.Method(self.method).label)


def usable_channels() -> QuerySet[Channel]:
    """Channels that money may come through; a sandbox is none in production."""
    return Channel.objects.exclude(sandbox=True) if settings.PRODUCTION else Channel.objects.all()


def fee_of(channel: Channel, amount: Decimal) -> Decimal:
    """What the buyer pays on top of `amount`, in yuan."""
    return round_money(amount * channel.fee_rate) if channel.fee_payer == Channel.FeePayer.BUYER else ZERO


def is_open(channel: Channel, at: datetime) -> bool:
    """Whether the channel's opening hours, in Asia/Shanghai and possibly over midnight, hold `at`."""
    start, end = channel.open_from, channel.open_to
    if start is None or end is None or start == end:
        return True
    now = at.astimezone(SHANGHAI).time()
    return start <= now < end if start < end else now >= start or now < end


def channel_takes(channel: Channel, method: str, amount: Decimal | None, at: datetime) -> bool:
    """Whether `amount` (None: some amount) can be paid by this method of this channel now."""
    return (
        channel.is_active
        and not (channel.sandbox and settings.PRODUCTION)
        and method in channel.methods
        and (amount is None or channel.min_amount <= amount <= min(channel.max_amount, most_of(channel)))
        and is_open(channel, at)
    )


def pay_options(
    *, amount: Decimal | None, user_agent: str, at: datetime, skip: Collection[int] = ()
) -> list[PayOption]:
    """The ways to pay `amount` that work in this browser, one per method, in the operator's order.

    None stands for an amount that is not chosen yet: limits and fees are left out. `skip` holds ids of channels that
    just refused; another channel with the same method takes their place.
    """
    return _offered(amount, device_for(user_agent), at, skip)


def options_elsewhere(*, amount: Decimal | None, user_agent: str, at: datetime) -> list[PayOption]:
    """What an app's own browser cannot open and the phone's browser can; none outside such an app."""
    device = device_for(user_agent)
    if device not in WORKS_INSIDE:
        return []
    here = {option.method for option in _offered(amount, device, at)}
    return [option for option in _offered(amount, Device.MOBILE, at) if option.method not in here]


def _offered(amount: Decimal | None, device: Device, at: datetime, skip: Collection[int] = ()) -> list[PayOption]:
    works = WORKS_INSIDE.get(device)
    found: dict[str, PayOption] = {}
    active = usable_channels().filter(is_active=True)
    here = (one for one in active if (not one.devices or device in one.devices) and is_payable_in(one, device))
    for channel in here:
        for method in channel.methods:
            wanted = (works is None or method in works) and channel.pk not in skip and method not in found
            if wanted and channel_takes(channel, method, amount, at):
                found[method] = PayOption(channel, method, fee_of(channel, amount) if amount else ZERO)
    return list(found.values())


def is_payable_in(channel: Channel, device: Device) -> bool:
    """Whether the channel can be paid in this browser: in an app's own, some merchants cannot."""
    if device not in WORKS_INSIDE:
        return True
    try:
        return provider_of(channel).fits(device)
    except (crypto.DecryptionFailed, rsa.BadKey):
        return False


def option_for(value: str, options: Collection[PayOption]) -> PayOption | None:
    return next((option for option in options if option.value == value), None)


def attempt_for(public_id: str) -> PaymentAttempt:
    """The attempt behind an address that only its buyer and its gateway know. Raises AttemptNotFound."""
    attempt = (
        PaymentAttempt.objects.filter(public_id=public_id, channel__in=usable_channels())
        .select_related("channel", "order__storefront", "top_up__storefront")
        .first()
    )
    if attempt is None:
        raise AttemptNotFound
    return attempt


def method_name(method: str) -> str:
    """What a method is called; the word itself for one that there is no more."""
    return str(dict(Channel.Method.choices).get(method, method))


def refused_channels(attempts: QuerySet[PaymentAttempt]) -> set[int]:
    """Ids of the channels that refused one of these attempts."""
    return set(attempts.filter(state=PaymentAttempt.State.FAILED).values_list("channel_id", flat=True))


def paid_attempts(order_id: int) -> QuerySet[PaymentAttempt]:
    """The attempts that brought money for an order."""
    return PaymentAttempt.objects.filter(order_id=order_id, state=PaymentAttempt.State.PAID).select_related(
        "channel", "order"
    )


def fell_short(order: Order) -> Decimal:
    """What came for an unpaid order by payments that were too small for it, in yuan."""
    return paid_attempts(order.pk).aggregate(sum=Sum("paid_amount"))["sum"] or ZERO


def can_refund(attempt: PaymentAttempt) -> bool:
    """Whether its gateway takes money back at all."""
    return kind_of(attempt.channel).can_refund


def left_to_return(attempt: PaymentAttempt) -> Decimal:
    """What of a paid attempt was not given back through its gateway yet, nor is on its way, in yuan; without the fee that
    its payer was charged for the way."""
    kept_fee = ZERO if attempt.outcome == PaymentAttempt.Outcome.CREDITED else attempt.fee_in(attempt.paid_amount)
    live = Refund.objects.filter(attempt=attempt).exclude(state=Refund.State.REFUSED)
    return attempt.paid_amount - kept_fee - (live.aggregate(sum=Sum("amount"))["sum"] or ZERO)


def share_out(attempts: Iterable[PaymentAttempt], amount: Decimal) -> list[tuple[PaymentAttempt, Decimal]]:
    """Which attempts give back how much of `amount` (yuan); the one that paid for the order first. The rest of it, if
    any, cannot go back the way it came."""
    parts = []
    bought = PaymentAttempt.Outcome.PAID
    for attempt in sorted(attempts, key=lambda one: (one.outcome != bought, one.pk)):
        part = min(amount, left_to_return(attempt)) if can_refund(attempt) else ZERO
        if part > ZERO:
            parts.append((attempt, part))
            amount -= part
    return parts


def returnable(attempt: PaymentAttempt) -> Decimal:
    """What staff may send back of an attempt beside refunds of what was sold: money that is its buyer's in the shop."""
    if attempt.state != PaymentAttempt.State.PAID or not can_refund(attempt):
        return ZERO
    if attempt.top_up_id is not None:
        payments = topped_up(TopUp.objects.filter(pk=attempt.top_up_id))
        return sum((one.kept for one in payments if one.attempt_id == attempt.pk), ZERO)
    sold = ZERO
    if attempt.outcome == PaymentAttempt.Outcome.PAID:
        sold = attempt.order.paid_total - attempt.order.refunded_total
        # A refund on its way has left the sale and is not the buyer's yet; the attempt may be asked for it any moment.
        sold += _not_begun(attempt.order_id)
    return max(ZERO, left_to_return(attempt) - sold)


def given_back_of(top_up: TopUp) -> Decimal:
    """What of a top-up went back: by hand, through gateways, or is on its way there, in yuan."""
    live = Refund.objects.filter(attempt__top_up=top_up).exclude(state=Refund.State.REFUSED)
    return top_up.refunded + (live.aggregate(sum=Sum("amount"))["sum"] or ZERO)


def balance_in_shop(attempt: PaymentAttempt) -> Decimal:
    """What lies on the account to which the attempt's money went that paid for nothing, in yuan."""
    if attempt.top_up is not None:
        return balance_of(attempt.top_up.user)
    return credit_of_order(attempt.order_id) if attempt.order.buyer is None else balance_of(attempt.order.buyer)


def ways_back(order: Order, amount: Decimal) -> list[WayBack]:
    """How `amount` (yuan) of an order would go back through gateways."""
    parts = share_out(paid_attempts(order.pk), amount)
    return [WayBack(f"{attempt.get_method_display()} · {attempt.channel}", part) for attempt, part in parts]


def _not_begun(order_id: int) -> Decimal:
    """Refunds by the original route of which the attempts have not heard yet, in yuan."""
    waiting = OrderRefund.objects.filter(order_id=order_id, state=OrderRefund.State.PENDING, parts=None)
    return waiting.aggregate(sum=Sum("amount"))["sum"] or ZERO


def parked_refunds() -> QuerySet[Refund]:
    """Refunds whose result no gateway told and about which nobody asks any more: work for staff."""
    return Refund.objects.filter(state=Refund.State.UNKNOWN, ask_at=None)


def parked_attempts() -> QuerySet[PaymentAttempt]:
    """Work for staff: attempts about which no gateway gave an answer and nobody asks any more; whose gateway cannot be asked
    whether its notify is true; whose transaction was booked for something else; and those that were over when a notify came
    which is not confirmed yet, though they are asked about meanwhile."""
    state, verdict = PaymentAttempt.State, NotifyLog.Verdict
    told = NotifyLog.objects.filter(attempt_id__isnull=False)
    held = Q(pk__in=told.filter(verdict=verdict.HELD, reason__in=TOLD_WITH_ATTEMPT).values("attempt_id"))
    over = Q(state__in=[state.UNKNOWN, state.FAILED, state.CLOSED])
    late = over & Q(pk__in=told.filter(verdict=verdict.WAITING).values("attempt_id"))
    silent = Q(state=state.UNKNOWN, ask_at=None)
    taken = Q(last_error=TransactionTaken.code, ask_at=None)
    return PaymentAttempt.objects.filter(silent | taken | held | late).exclude(state=state.PAID)


def is_taken(attempt: PaymentAttempt) -> bool:
    """Whether the gateway named a transaction for it that was booked for something else."""
    told = NotifyLog.objects.filter(attempt_id=attempt.pk, verdict=NotifyLog.Verdict.HELD, reason=NotifyLog.TAKEN)
    return attempt.last_error == TransactionTaken.code or told.exists()


def held_notifies(at: datetime) -> QuerySet[NotifyLog]:
    """Genuinely signed notifies of money that is not booked: work for staff. Those of an attempt that is parked itself are
    told with it."""
    verdict = NotifyLog.Verdict
    given_up = Q(verdict__in=[verdict.RECEIVED, verdict.WAITING], received_at__lt=at - GIVE_UP_AFTER)
    open_ = PaymentAttempt.objects.filter(pk=OuterRef("attempt_id")).exclude(state=PaymentAttempt.State.PAID)
    told = Q(reason__in=TOLD_WITH_ATTEMPT) & Exists(open_)
    return NotifyLog.objects.filter(Q(verdict=verdict.HELD) & ~told | given_up & ~Exists(open_))


def unclaimed_amount(transfer: Transfer) -> Decimal:
    """What a transfer booked as money that nobody expected, in yuan."""
    return transfer.entries.get(account__purpose=Account.Purpose.UNCLAIMED).amount


def audit_payments() -> dict[str, Findings]:
    """What is wrong between gateways' money and the ledger; empty findings where nothing is."""
    return {
        "paid_attempts_without_transfer": find(
            "SELECT a.number FROM payments_paymentattempt a LEFT JOIN payments_gatewaytransaction g"
            " ON g.attempt_id = a.id AND g.provider_txn = a.provider_txn AND g.amount = a.paid_amount"
            " WHERE a.state = 'paid' AND g.id IS NULL"
        ),
        "gateway_money_without_attempt": find(
            "SELECT t.ref FROM wallet_transfer t LEFT JOIN payments_gatewaytransaction g ON g.transfer_id = t.id"
            " LEFT JOIN payments_paymentattempt a ON a.id = g.attempt_id AND a.state = 'paid'"
            " WHERE starts_with(t.ref, 'gw:') AND (g.id IS NULL OR (t.kind = 'unclaimed') <> (g.attempt_id IS NULL)"
            " OR (g.attempt_id IS NOT NULL AND a.id IS NULL))"
        ),
        "gateway_transactions_unlike_the_ledger": find(
            "SELECT g.provider_txn, g.amount FROM payments_gatewaytransaction g"
            " LEFT JOIN wallet_transfer t ON t.id = g.transfer_id AND t.ref = 'gw:' || g.channel_id || ':' || g.provider_txn"
            " LEFT JOIN wallet_entry e ON e.transfer_id = t.id AND e.amount = -g.amount"
            " AND e.account_id IN (SELECT id FROM wallet_account WHERE purpose = 'clearing') WHERE e.id IS NULL"
        ),
        # By the ledger alone, whatever the table of transactions says: several channels may lead to one merchant.
        "transactions_credited_twice": find(
            "SELECT gateway, merchant, txn, count(*) FROM (SELECT"
            " regexp_replace(lower(substring(c.gateway_url from '://([^/?#]*)')), ':(443|80)$', '') AS gateway,"
            " CASE WHEN c.provider = ANY(%s) THEN '' ELSE btrim(c.merchant_id) END AS merchant,"
            " substr(t.ref, length('gw:' || c.id || ':') + 1) AS txn"
            " FROM wallet_transfer t JOIN payments_channel c ON c.id::text = split_part(t.ref, ':', 2)"
            " WHERE starts_with(t.ref, 'gw:')) AS told GROUP BY gateway, merchant, txn HAVING count(*) > 1",
            protocols_without_merchants(),
        ),
        "unclaimed_money_given_as_another_sum": find(
            "SELECT t.ref, out.amount, back.amount FROM wallet_transfer t"
            " LEFT JOIN wallet_account a ON a.purpose = 'unclaimed'"
            " LEFT JOIN wallet_entry out ON out.transfer_id = t.id AND out.account_id = a.id"
            " LEFT JOIN wallet_transfer u ON t.ref = 'unclaimed:' || u.id AND u.kind = 'unclaimed'"
            " LEFT JOIN wallet_entry back ON back.transfer_id = u.id AND back.account_id = a.id"
            " WHERE starts_with(t.ref, 'unclaimed:')"
            " AND (u.id IS NULL OR out.amount IS DISTINCT FROM -back.amount)"
        ),
        "top_ups_unlike_attempts": find(
            "SELECT u.public_id, u.credited, COALESCE(SUM(g.amount), 0) FROM payments_topup u"
            " LEFT JOIN payments_paymentattempt a ON a.top_up_id = u.id AND a.state = 'paid'"
            " LEFT JOIN payments_gatewaytransaction g ON g.attempt_id = a.id"
            " GROUP BY u.id HAVING u.credited > COALESCE(SUM(g.amount), 0)"
            " OR (u.state = 'paid') <> (COUNT(a.id) > 0)"
        ),
        "refunds_beyond_payments": find(
            "SELECT a.number, a.paid_amount, SUM(r.amount) FROM payments_refund r"
            " JOIN payments_paymentattempt a ON a.id = r.attempt_id WHERE r.state <> 'refused'"
            " GROUP BY a.id HAVING SUM(r.amount) > COALESCE(a.paid_amount, 0)"
        ),
        "refunds_unlike_ledger": find(
            "SELECT r.number, r.state, r.amount FROM payments_refund r"
            " LEFT JOIN wallet_transfer out ON out.ref = 'refund-out:' || r.number"
            " LEFT JOIN wallet_transfer back ON back.ref = 'refund-back:' || r.number"
            " LEFT JOIN wallet_entry e ON e.transfer_id = COALESCE(out.id, back.id) AND e.amount > 0"
            " WHERE (r.state = 'done') <> (out.id IS NOT NULL) OR (r.state = 'refused') <> (back.id IS NOT NULL)"
            " OR (e.id IS NOT NULL AND e.amount <> r.amount)"
        ),
        "refunds_unlike_orders": find(
            "SELECT o.ref, o.returned, COALESCE(SUM(r.amount) FILTER (WHERE r.state = 'done'), 0)"
            " FROM orders_orderrefund o LEFT JOIN payments_refund r ON r.order_refund_id = o.id"
            " WHERE o.target = 'original' GROUP BY o.id"
            " HAVING o.returned <> COALESCE(SUM(r.amount) FILTER (WHERE r.state = 'done'), 0)"
            " OR COALESCE(SUM(r.amount) FILTER (WHERE r.state IN ('created', 'sent', 'unknown')), 0)"
            " <> CASE WHEN COUNT(r.id) = 0 AND o.state = 'pending' THEN 0"
            " ELSE o.amount - o.returned - o.credited END"
        ),
        "money_on_its_way_unlike_refunds": find(
            "SELECT sums.booked, sums.told FROM (SELECT"
            " (SELECT COALESCE(SUM(e.amount), 0) FROM wallet_entry e JOIN wallet_account a ON a.id = e.account_id"
            " WHERE a.purpose = 'refunding') AS booked,"
            " (SELECT COALESCE(SUM(amount - returned - credited), 0) FROM orders_orderrefund WHERE state = 'pending')"
            " + (SELECT COALESCE(SUM(amount), 0) FROM payments_refund"
            " WHERE order_refund_id IS NULL AND state IN ('created', 'sent', 'unknown')) AS told) AS sums"
            " WHERE sums.booked <> sums.told"
        ),
        "unclaimed_money_given_twice": find(
            "SELECT r.number, r.transfer_id FROM payments_refund r JOIN wallet_transferref a"
            " ON a.ref = 'unclaimed:' || r.transfer_id WHERE r.state <> 'refused'"
        ),
        "bonuses_unlike_the_ledger": find(
            "SELECT g.id, g.amount, g.taken_back FROM payments_bonusgrant g"
            " WHERE NOT EXISTS (SELECT 1 FROM wallet_transferref r JOIN wallet_entry e ON e.transfer_id = r.transfer_id"
            " AND e.amount = g.amount JOIN wallet_account a ON a.id = e.account_id AND a.user_id = g.user_id"
            " WHERE r.ref = 'bonus:' || g.top_up_id) OR g.taken_back <> (SELECT COALESCE(SUM(f.bonus), 0)"
            " FROM payments_topuprefund f WHERE f.top_up_id = g.top_up_id) + (SELECT COALESCE(SUM(r.bonus), 0)"
            " FROM payments_refund r JOIN payments_paymentattempt a ON a.id = r.attempt_id"
            " WHERE a.top_up_id = g.top_up_id AND r.state <> 'refused')"
        ),
        "bonus_money_without_top_up": find(
            "SELECT t.ref FROM wallet_transfer t WHERE t.kind = 'bonus' AND NOT EXISTS (SELECT 1"
            " FROM payments_bonusgrant g JOIN payments_topup u ON u.id = g.top_up_id AND u.state = 'paid'"
            " WHERE t.ref = 'bonus:' || u.id)"
        ),
        "top_up_refunds_unlike_the_ledger": find(
            "SELECT u.public_id, u.refunded FROM payments_topup u"
            " LEFT JOIN payments_topuprefund f ON f.top_up_id = u.id"
            " LEFT JOIN wallet_transferref r ON r.ref = 'topup_refund:' || f.id"
            " LEFT JOIN wallet_entry e ON e.transfer_id = r.transfer_id AND e.amount > 0"
            " GROUP BY u.id HAVING u.refunded <> COALESCE(SUM(e.amount), 0)"
        ),
        "holds_unlike_withdrawals": find(
            "SELECT a.code, a.balance, COALESCE(SUM(w.amount), 0) FROM wallet_account a"
            " LEFT JOIN payments_withdrawal w ON w.user_id = a.user_id AND w.state IN ('asked', 'approved')"
            " WHERE a.purpose = 'hold' GROUP BY a.id HAVING a.balance <> COALESCE(SUM(w.amount), 0)"
        ),
        "withdrawals_unlike_the_ledger": find(
            "SELECT w.number, w.state FROM payments_withdrawal w"
            " LEFT JOIN wallet_transferref h ON h.ref = 'withdrawal:' || w.id"
            " LEFT JOIN wallet_transferref r ON r.ref = 'withdrawal:' || w.id || ':end'"
            " LEFT JOIN wallet_transfer t ON t.id = r.transfer_id"
            " WHERE h.ref IS NULL OR COALESCE(t.kind, '') <> CASE WHEN w.state = 'paid' THEN 'withdrawn'"
            " WHEN w.state IN ('rejected', 'cancelled') THEN 'withdrawal_back' ELSE '' END"
        ),
        "withdrawals_paid_by_one": find(
            "SELECT number FROM payments_withdrawal WHERE state = 'paid'"
            " AND (approved_by_id IS NULL OR paid_by_id = approved_by_id OR user_id IN (approved_by_id, paid_by_id))"
        ),
    }
