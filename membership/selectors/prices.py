"""What a member pays: the price of their tier for the SKU, else the rate of their tier for the product, else the tier's
general rate. The most specific one decides, and none raises a price above the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Value
from django.utils.functional import Promise, lazy
from django.utils.translation import gettext_lazy as _

from catalog.models import Sku
from common.money import round_unit
from common.texts import in_language, told
from membership.models import Benefit, ProductTierRate, SkuTierPrice, TierRule
from membership.selectors.rules import Holding, holding_of


@dataclass(frozen=True)
class MemberPrice:
    """A member's unit price in yuan and the reason for it, in the language of whoever reads it.

    `adds` is the rate that also goes on top of a quantity price, where the benefit says so.
    """

    unit_price: Decimal
    why: Promise
    adds: Decimal | None = None


@dataclass(frozen=True)
class HigherPrice:
    """What a higher tier pays for a piece, in yuan."""

    tier: str
    unit_price: Decimal


@dataclass(frozen=True)
class Ladder:
    """By SKU id: the member's own prices as in `member_prices`, and the first lower price further up."""

    own: dict[int, MemberPrice]
    higher: dict[int, HigherPrice]
    tier: TierRule | None = None


def member_prices(
    *, user_id: int | None, storefront_id: int, skus: Sequence[Sku], at: datetime | None = None
) -> dict[int, MemberPrice]:
    """Unit prices by SKU id for this member, only where they are below the list price; {} for a guest. `at` is now."""
    if user_id is None or not skus:
        return {}
    return prices_of(holding_of(user_id=user_id, storefront_id=storefront_id, at=at), skus)


def prices_of(held: Holding, skus: Sequence[Sku]) -> dict[int, MemberPrice]:
    """The same for a member whose tier was read already."""
    if held.own is None or not skus:
        return {}
    return _prices_by_rank(held.program.pk, [held.own], skus)[held.own.rank]


def price_ladder(*, user_id: int | None, storefront_id: int, skus: Sequence[Sku]) -> Ladder:
    """What the member pays, and what they would pay further up. A guest (None) looks up from where everybody begins."""
    held = holding_of(user_id=user_id, storefront_id=storefront_id)
    version, rank = held.version, held.begins_at
    by_rank = _prices_by_rank(held.program.pk, [tier for tier in version.tiers.values() if tier.rank >= rank], skus)
    own = by_rank.pop(rank, {}) if user_id is not None else {}
    higher = {}
    for sku in skus:
        now = own[sku.pk].unit_price if sku.pk in own else sku.list_price
        better = ((above, prices[sku.pk]) for above, prices in by_rank.items() if sku.pk in prices)
        found = next(((above, price) for above, price in better if price.unit_price < now), None)
        if found is not None:
            higher[sku.pk] = HigherPrice(str(version.tiers[found[0]]), found[1].unit_price)
    return Ladder(own, higher, version.tiers.get(rank) if user_id is not None else None)


def prices_above(
    *, user_id: int | None, storefront_id: int, skus: Sequence[Sku]
) -> list[tuple[TierRule, dict[int, MemberPrice]]]:
    """The tiers above the member's, from the next one up, each with its prices by SKU id where they are below the list."""
    held = holding_of(user_id=user_id, storefront_id=storefront_id)
    above = [tier for tier in held.version.tiers.values() if tier.rank > held.begins_at]
    by_rank = _prices_by_rank(held.program.pk, above, skus)
    return [(tier, by_rank[tier.rank]) for tier in above]


def _prices_by_rank(
    program_id: int, tiers: Sequence[TierRule], skus: Sequence[Sku]
) -> dict[int, dict[int, MemberPrice]]:
    """Prices below the list price by rank, in the order of the tiers, and SKU id."""
    ranks, products = [tier.rank for tier in tiers], {sku.product_id for sku in skus}
    special = SkuTierPrice.objects.filter(program=program_id, rank__in=ranks, sku__in=skus).order_by()
    reduced = ProductTierRate.objects.filter(program=program_id, rank__in=ranks, product__in=products).order_by()
    stored = special.values_list(Value("sku"), "rank", "sku_id", "unit_price").union(
        reduced.values_list(Value("product"), "rank", "product_id", "rate"), all=True
    )
    own: dict[tuple[int, int], Decimal] = {}
    rates: dict[tuple[int, int], Decimal] = {}
    for what, rank, pk, figure in stored:
        (own if what == "sku" else rates)[rank, pk] = figure
    found: dict[int, dict[int, MemberPrice]] = {}
    for tier in tiers:
        general = next((one for one in tier.benefits.all() if one.kind == Benefit.Kind.PRICE_RATE), None)
        prices = found.setdefault(tier.rank, {})
        for sku in skus:
            price = _price(sku, tier, own.get((tier.rank, sku.pk)), rates.get((tier.rank, sku.product_id)), general)
            if price is not None and price.unit_price < sku.list_price:
                prices[sku.pk] = price
    return found


def rate_text(rate: Decimal) -> str:
    """`9.7 折` or `3% off`: Chinese says what is paid, English what is saved."""
    return in_language(f"{plain_number(rate * 10)} 折", f"{plain_number((1 - rate) * 100)}% off")


_lazy_rate = lazy(rate_text, str)


def _price(
    sku: Sku, tier: TierRule, own: Decimal | None, product_rate: Decimal | None, general: Benefit | None
) -> MemberPrice | None:
    if own is not None:
        return MemberPrice(own, told(_("%(tier)s专享价"), tier=tier))
    if product_rate is not None:
        why = told(_("%(tier)s，本商品 %(rate)s"), tier=tier, rate=_lazy_rate(product_rate))
        return MemberPrice(round_unit(sku.list_price * product_rate), why)
    if general is not None and general.value is not None:
        why = told(_("%(tier)s %(rate)s"), tier=tier, rate=_lazy_rate(general.value))
        adds = general.value if general.stacking == Benefit.Stacking.ADD else None
        return MemberPrice(round_unit(sku.list_price * general.value), why, adds)
    return None


def plain_number(number: Decimal) -> str:
    """1.5000 → "1.5"."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
