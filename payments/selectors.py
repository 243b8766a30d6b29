"""Reading payments: how something can be paid now, and whether the books of payments are in order."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import Q, QuerySet

from common.clock import SHANGHAI
from common.findings import Findings, find
from common.money import ZERO, round_money
from payments.exceptions import AttemptNotFound
from payments.gateways import WORKS_INSIDE, device_for, most_of
from payments.models import Channel, NotifyLog, PaymentAttempt
from payments.providers import Device
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
    here = (one for one in usable_channels().filter(is_active=True) if not one.devices or device in one.devices)
    for channel in here:
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
    """Attempts about which no gateway gave an answer and nobody asks any more, or whose gateway cannot be asked whether
    its notify is true: work for staff."""
    told = NotifyLog.objects.filter(verdict=NotifyLog.Verdict.WAITING, reason=NotifyLog.FOR_STAFF)
    silent = Q(state=PaymentAttempt.State.UNKNOWN, ask_at=None)
    return PaymentAttempt.objects.filter(silent | Q(pk__in=told.values("attempt_id")))


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
    }
