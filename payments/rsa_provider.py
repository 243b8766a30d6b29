"""What providers share whose requests and answers are signed by RSA keys of either side, and dated."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from common import clock
from payments import rsa
from payments.providers import Provider
from payments.transport import Exchange, exchange


@dataclass(frozen=True, kw_only=True)
class RsaAccount:
    """A merchant at `gateway`; keys as payments.rsa reads them: the merchant's own, and the one that the gateway signs with."""

    gateway: str
    private_key: str = field(repr=False)
    gateway_key: str


class RsaProvider(Provider):
    weak_signature = False
    account: RsaAccount

    def __init__(
        self,
        account: RsaAccount,
        exchange: Exchange = exchange,
        now: Callable[[], datetime] = clock.now,
        min_bits: int = rsa.MIN_BITS,
    ):
        """Raises payments.rsa.BadKey."""
        self.account = account
        self._exchange = exchange
        self._now = now
        self._own_key = rsa.private_key(account.private_key, min_bits=min_bits)
        self._gateway_key = rsa.public_key(account.gateway_key, min_bits=min_bits)
