"""Batches of cards for tests, and the codes that a buyer would read from them."""

from decimal import Decimal

from accounts.models import User
from wallet.codes import grouped
from wallet.models import CardBatch
from wallet.sealing import open_codes
from wallet.services import make_batch


def batch(actor: User, face: str = "50.00", count: int = 3, **fields) -> CardBatch:
    fields = {"name": "春节卡", "kind": CardBatch.Kind.RECHARGE, "expires_at": None, **fields}
    return make_batch(face_value=Decimal(face), count=count, actor=actor, **fields)


def codes(made: CardBatch) -> list[str]:
    """What the sealed text holds; reading it here does not use it up."""
    made.refresh_from_db()
    return [grouped(code) for code in open_codes(made)]
