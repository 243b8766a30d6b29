"""Reading payments: how something can be paid now, and whether the books of payments are in order."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet

from common.clock import SHANGHAI
from common.findings import Findings, find
from common.money import ZERO, round_money
from payments.exceptions import AttemptNotFound
from payments.gateways import WORKS_INSIDE, device_for
from payments.models import Channel, PaymentAttempt
from wallet.models import Account, Transfer


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
        and (amount is None or channel.min_amount <= amount <= channel.max_amount)
        and is_open(channel, at)
    )


def pay_options(
    *, amount: Decimal | None, user_agent: str, at: datetime, skip: Collection[int] = ()
) -> list[PayOption]:
    """The ways to pay `amount` that work in this browser, one per method, in the operator's order.

    None stands for an amount that is not chosen yet: limits and fees are left out. `skip` holds ids of channels that
    just refused; another channel with the same method takes their place.
    """
    works = WORKS_INSIDE.get(device_for(user_agent))
    found: dict[str, PayOption] = {}
    for channel in usable_channels().filter(is_active=True):
        for method in channel.methods:
            fits = (works is None or method in works) and channel.pk not in skip and method not in found
            if fits and channel_takes(channel, method, amount, at):
                found[method] = PayOption(channel, method, fee_of(channel, amount) if amount else ZERO)
    return list(found.values())


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


def parked_attempts() -> QuerySet[PaymentAttempt]:
    """Attempts about which no gateway gave an answer and nobody asks any more: work for staff."""
    return PaymentAttempt.objects.filter(state=PaymentAttempt.State.UNKNOWN, ask_at=None)


def unclaimed_amount(transfer: Transfer) -> Decimal:
    """What a transfer booked as money that nobody expected, in yuan."""
    return transfer.entries.get(account__purpose=Account.Purpose.UNCLAIMED).amount


def audit_payments() -> dict[str, Findings]:
    """What is wrong between gateways' money and the ledger; empty findings where nothing is."""
    return {
        "paid_attempts_without_transfer": find(
            "SELECT a.number FROM payments_paymentattempt a"
            " LEFT JOIN wallet_transferref r ON r.ref = 'gw:' || a.channel_id || ':' || a.provider_txn"
            " LEFT JOIN wallet_entry e ON e.transfer_id = r.transfer_id AND e.amount = -a.paid_amount"
            " AND e.account_id IN (SELECT id FROM wallet_account WHERE purpose = 'clearing')"
            " WHERE a.state = 'paid' AND e.id IS NULL"
        ),
        "gateway_money_without_attempt": find(
            "SELECT t.ref FROM wallet_transfer t WHERE starts_with(t.ref, 'gw:') AND t.kind <> 'unclaimed'"
            " AND NOT EXISTS (SELECT 1 FROM payments_paymentattempt a WHERE a.state = 'paid'"
            " AND t.ref = 'gw:' || a.channel_id || ':' || a.provider_txn)"
        ),
        "transactions_credited_twice": find(
            "SELECT ref, count(*) FROM wallet_transfer WHERE starts_with(ref, 'gw:') GROUP BY ref HAVING count(*) > 1"
        ),
        "top_ups_unlike_attempts": find(
            "SELECT u.public_id, u.credited, COALESCE(SUM(a.paid_amount), 0) FROM payments_topup u"
            " LEFT JOIN payments_paymentattempt a ON a.top_up_id = u.id AND a.state = 'paid'"
            " GROUP BY u.id HAVING u.credited > COALESCE(SUM(a.paid_amount), 0)"
            " OR (u.state = 'paid') <> (COUNT(a.id) > 0)"
        ),
        "bonuses_unlike_the_ledger": find(
            "SELECT g.id, g.amount, g.taken_back FROM payments_bonusgrant g"
            " WHERE NOT EXISTS (SELECT 1 FROM wallet_transferref r JOIN wallet_entry e ON e.transfer_id = r.transfer_id"
            " AND e.amount = g.amount JOIN wallet_account a ON a.id = e.account_id AND a.user_id = g.user_id"
            " WHERE r.ref = 'bonus:' || g.top_up_id) OR g.taken_back <> (SELECT COALESCE(SUM(f.bonus), 0)"
            " FROM payments_topuprefund f WHERE f.top_up_id = g.top_up_id)"
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
