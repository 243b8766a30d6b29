"""Where withdrawals go: what may be typed, what of it is shown, and how it is sealed."""

import re
import unicodedata

from common.crypto import fingerprint, seal_settings, unseal_settings
from payments.exceptions import BadPayoutAccount
from payments.models import PayoutAccount

Kind = PayoutAccount.Kind
MOST_NAME, MOST_NUMBER = 40, 64
_NUMBERS = {
    Kind.ALIPAY: re.compile(r"1[0-9]{10}|[^\s@]{1,40}@[^\s@]{1,20}\.[^\s@.]{2,10}"),
    Kind.WECHAT: re.compile(r"[A-Za-z][A-Za-z0-9_-]{5,19}|1[0-9]{10}"),
    Kind.BANK: re.compile(r"[0-9]{12,19}"),
}


def read_account(kind: str, name: str, number: str) -> tuple[str, str]:
    """(name, number) as they are kept. Raises BadPayoutAccount."""
    name = " ".join(unicodedata.normalize("NFKC", name).split())
    number = unicodedata.normalize("NFKC", number).strip()
    if kind == Kind.BANK:
        number = re.sub(r"[\s-]", "", number)
    fits = kind in Kind.values and _NUMBERS[Kind(kind)].fullmatch(number)
    if not fits or not 2 <= len(name) <= MOST_NAME or not (name + number).isprintable() or len(number) > MOST_NUMBER:
        raise BadPayoutAccount
    return name, number


def hint_of(name: str, number: str) -> str:
    """Enough for its owner to know it again: the first character of the name, the two ends of the number."""
    user, at, host = number.partition("@")
    shown = (
        f"{user[:1]}***@{host}" if at else f"{number[:3]}****{number[-4:]}" if len(number) > 9 else f"{number[:2]}****"
    )
    return f"{name[:1]}* {shown}"[:40]


def digest_of(kind: str, number: str) -> bytes:
    return fingerprint(number.casefold(), f"payout:{kind}")


def seal_account(public_id: str, name: str, number: str) -> str:
    return seal_settings({"name": name, "number": number}, payout_label(public_id))


def open_account(account: PayoutAccount) -> tuple[str, str]:
    """(name, number). Raises DecryptionFailed."""
    found = unseal_settings(account.sealed, payout_label(account.public_id))
    return found["name"], found["number"]


def payout_label(public_id: str) -> str:
    return f"payments_payoutaccount:{public_id}"
