"""Reading tiers."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from catalog.models import Sku


@dataclass(frozen=True)
class MemberPrice:
    """A member's unit price in yuan and the reason for it, in the reader's language."""

    unit_price: Decimal
    why: str


def member_prices(*, user_id: int | None, skus: Sequence[Sku]) -> dict[int, MemberPrice]:
    """Unit prices by SKU id for this member, only where they are below the list price; {} for a guest."""
    return {}
