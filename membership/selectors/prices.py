"""What a member pays: the price of their tier for the SKU, else the rate of their tier for the product, else the tier's
general rate. The most specific one decides, and none raises a price above the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from catalog.models import Sku
from common import clock
from common.money import round_unit
from common.texts import in_language
from membership.models import Benefit, MemberTier, ProductTierRate, SkuTierPrice
from membership.selectors.rules import program_for, version_in_force


@dataclass(frozen=True)
class MemberPrice:
    """A member's unit price in yuan and the reason for it, in the reader's language."""

    unit_price: Decimal
    why: str


def member_prices(*, user_id: int | None, storefront_id: int, skus: Sequence[Sku]) -> dict[int, MemberPrice]:
    """Unit prices by SKU id for this member, only where they are below the list price; {} for a guest."""
    if user_id is None or not skus:
        return {}
    program = program_for(storefront_id)
    rank = MemberTier.objects.filter(user=user_id, program=program).values_list("rank", flat=True).first()
    return prices_of_rank(program_id=program.pk, rank=rank, skus=skus) if rank is not None else {}


def prices_of_rank(*, program_id: int, rank: int, skus: Sequence[Sku]) -> dict[int, MemberPrice]:
    """What somebody of this rank pays, by SKU id, only where it is below the list price."""
    version = version_in_force(program_id, clock.now())
    tier = version.tiers.get(rank)
    if tier is None:
        return {}
    own = dict(
        SkuTierPrice.objects.filter(program=program_id, rank=rank, sku__in=skus).values_list("sku_id", "unit_price")
    )
    products = {sku.product_id for sku in skus}
    rates = dict(
        ProductTierRate.objects.filter(program=program_id, rank=rank, product__in=products).values_list(
            "product_id", "rate"
        )
    )
    general = next((one.value for one in tier.benefits.all() if one.kind == Benefit.Kind.PRICE_RATE), None)
    prices = {}
    for sku in skus:
        price = _price(sku, str(tier), own.get(sku.pk), rates.get(sku.product_id), general)
        if price is not None and price.unit_price < sku.list_price:
            prices[sku.pk] = price
    return prices


def rate_text(rate: Decimal) -> str:
    """`9.7 折` or `3% off`: Chinese says what is paid, English what is saved."""
    return in_language(f"{_short(rate * 10)} 折", f"{_short((1 - rate) * 100)}% off")


def _price(
    sku: Sku, tier: str, own: Decimal | None, product_rate: Decimal | None, rate: Decimal | None
) -> MemberPrice | None:
    if own is not None:
        return MemberPrice(own, _("%(tier)s专享价") % {"tier": tier})
    if product_rate is not None:
        why = _("%(tier)s，本商品 %(rate)s") % {"tier": tier, "rate": rate_text(product_rate)}
        return MemberPrice(round_unit(sku.list_price * product_rate), why)
    if rate is not None:
        why = _("%(tier)s %(rate)s") % {"tier": tier, "rate": rate_text(rate)}
        return MemberPrice(round_unit(sku.list_price * rate), why)
    return None


def _short(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
