"""What every gateway can be asked, and the typed answers. One package per gateway implements `Provider`.

A provider knows its protocol and its credentials; it knows no models and opens no transaction. Amounts are Decimal yuan
with two places. An answer that never came or cannot be read is UNKNOWN, never a failure: the money may have moved.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class NotifyRefused(Exception):
    """A notify that must not be believed; `code` says why in one word, safe to store and to log."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


class PayerUnknown(Exception):
    """The gateway did not say who pays; the text is safe to log."""


class Device(StrEnum):
    """Where the buyer looks at our page; decides what a gateway should hand back."""

    PC = "pc"
    MOBILE = "mobile"
    WECHAT = "wechat"
    ALIPAY = "alipay"
    QQ = "qq"


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Show(StrEnum):
    """How a created payment is put before the buyer."""

    NOTHING = ""
    PAGE = "page"
    """`payload` is an address of the gateway to go to."""
    QR = "qr"
    """`payload` is the text of a QR code."""
    APP = "app"
    """`payload` is an address that opens an app on the phone."""
    FORM = "form"
    """`payload` is the address to which `fields` are posted by the buyer's browser."""
    BRIDGE = "bridge"
    """`payload` is the JSON that WeChat's own browser pays with."""


class PaymentState(StrEnum):
    PAID = "paid"
    UNPAID = "unpaid"
    CLOSED = "closed"
    """Not paid, and it cannot be paid any more."""
    REFUNDED = "refunded"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """What the buyer is asked for where that is no yuan. `rate`: yuan for one unit."""

    currency: str
    amount: Decimal
    rate: Decimal


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A payment to be created. `number` is ours and already stored; `method` is one of Channel.Method, e.g. alipay;
    `payer` is who pays by the gateway's name for them, where it has to be told (WeChat's openid). `foreign` is what
    `Provider.price` said when the number was given.

    All but the buyer's address, device and payer is the same when a call is repeated: some gateways take another request
    under a known number for an error."""

    number: str
    amount: Decimal
    subject: str
    method: str
    notify_url: str
    return_url: str
    client_address: str
    device: Device
    created_at: datetime
    expires_at: datetime
    payer: str = ""
    foreign: Foreign | None = None


@dataclass(frozen=True, kw_only=True)
class Created:
    """`ref` is the gateway's own name for what was put up, which some gateways want back with every question."""

    outcome: Outcome
    show: Show = Show.NOTHING
    payload: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    ref: str = ""
    reason: str = ""
    foreign: Foreign | None = None


@dataclass(frozen=True, kw_only=True)
class RawNotify:
    """A callback as it came in, before anything was believed.

    `headers` by lowercase name, those that the provider signs; `received_at` is when it came, however late it is read.
    """

    method: str
    query: bytes
    body: bytes
    content_type: str
    received_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What a callback is answered with, to the letter."""

    status: int
    text: str
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a correctly signed callback says. `paid` False: it tells of something else, such as a closed payment.

    `ref`, where the signature is weak and the gateway names it: which of the things that it put up was paid. `foreign`: how
    much of `Foreign.currency` was asked for that.
    """

    number: str
    provider_txn: str
    amount: Decimal
    paid: bool
    status: str
    ref: str = ""
    foreign: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Queried:
    state: PaymentState
    provider_txn: str = ""
    amount: Decimal | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Refunded:
    """`missing`: the gateway knows no refund of this number, and one sent again under it could not be given twice."""

    outcome: Outcome
    provider_refund: str = ""
    reason: str = ""
    missing: bool = False


@dataclass(frozen=True, kw_only=True)
class PlatformKey:
    """A certificate of the gateway (PEM) by which it signs between two moments."""

    serial: str
    pem: str
    valid_from: datetime
    valid_to: datetime


class Provider(ABC):
    """One gateway with one merchant's credentials."""

    # A signature that anybody with one leaked notify may try to break (MD5), so a notify is confirmed by a query.
    weak_signature: bool
    # Whether money can go back through this gateway at all.
    can_refund: bool = True
    # Whether it answers what became of a payment; a weak notify without that waits for staff.
    can_query: bool = True
    can_close: bool = True
    # Whether its notifies name the merchant by a number of the channel; else the credentials alone say whose they are.
    has_merchant_number: bool = True
    # The exact answers that make the gateway stop, or go on, sending a notify.
    accepted: Reply = Reply(200, "success")
    refused: Reply = Reply(200, "fail")
    # Headers of a notify that its signature needs, lowercase, and how long a body may be.
    signed_headers: tuple[str, ...] = ()
    most_bytes: int = 16 * 1024

    # Keys of the gateway's own that it changes by itself, see `platform_keys`.
    changes_keys: bool = False

    def fits(self, device: Device) -> bool:
        """Whether this merchant can be paid in this app's own browser."""
        return True

    def wants_payer(self, device: Device) -> bool:
        """Whether `create` needs Charge.payer in this browser."""
        return False

    def payer_url(self, *, return_to: str, state: str) -> str:
        """Where the browser learns who pays: it comes back to `return_to` with a code and our `state`."""
        raise NotImplementedError

    def payer(self, code: str) -> str:
        """Who pays, from the code that the browser brought. Network. Raises PayerUnknown."""
        raise NotImplementedError

    def platform_keys(self) -> list["PlatformKey"]:
        """The keys by which the gateway signs now and soon. Network. Raises payments.transport.NoAnswer, Unreadable."""
        raise NotImplementedError

    def price(self, amount: Decimal) -> Foreign | None:
        """What buyers are asked for `amount` yuan, where that is no yuan and known before the gateway is called."""
        return None

    @abstractmethod
    def create(self, charge: Charge) -> Created:
        """Ask for a payment. Repeating it with the same number is safe; with another number it is a second payment."""

    @abstractmethod
    def verify_notify(self, raw: RawNotify) -> Notice:
        """Read a callback. Raises NotifyRefused unless signature, merchant and form are all right."""

    @abstractmethod
    def query(self, number: str, *, ref: str = "") -> Queried:
        """Ask about the payment with our number, or by the gateway's `ref` of it."""

    def confirm(self, notice: Notice) -> Queried:
        """What the gateway itself says of what a notify told, for signatures that are weak."""
        return self.query(notice.number)

    def confirm_second(self, notice: Notice) -> Queried:
        """The same of a notify that tells of another transaction under a number that was paid before."""
        return self.confirm(notice)

    @abstractmethod
    def close(self, number: str, *, ref: str = "") -> Outcome:
        """Ask that the payment can no longer be paid."""

    @abstractmethod
    def refund(
        self, *, number: str, provider_txn: str, amount: Decimal, refund_number: str, foreign: Foreign | None = None
    ) -> Refunded:
        """Give money back by the original route; `foreign` is what the payment was charged as. UNKNOWN must be followed by
        `query_refund`, never by another try."""

    @abstractmethod
    def query_refund(self, *, number: str, provider_txn: str, refund_number: str) -> Refunded:
        """Ask what became of a refund."""

    def browser_hosts(self) -> list[str]:
        """Origins that the buyer's browser posts a form to or is sent to, for the payment page's form-action."""
        return []
