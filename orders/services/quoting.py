"""The price pipeline: list → best of (member price, quantity break).

Each stage is a named function that leaves a step: what, how much on the whole line, why. Promotions, coupons and points
come after these two when their rooms exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from catalog.models import Product, QuantityBreak, Sku
from common.money import CENT, MAX_AMOUNT, round_money
from common.patterns import fits
from common.texts import in_language, told
from membership.selectors import MemberPrice, member_prices
from orders.exceptions import (
    BadField,
    BadQuantity,
    EmptyOrder,
    SkuUnavailable,
    SkuUnknown,
    TooManyLines,
    TotalTooLarge,
)
from orders.models import PriceStep
from tenancy.models import Storefront

MAX_LINES = 50
MAX_FIELD_LENGTH = 200
Stage = PriceStep.Stage


@dataclass(frozen=True)
class Item:
    """What somebody wants: a SKU by its public id, how many, and the buyer fields by name."""

    sku: str
    quantity: int
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    stage: str
    amount: Decimal
    why: Promise | str

    @property
    def reason(self) -> str:
        """Named as with the stored steps of an order."""
        return str(self.why)


@dataclass(frozen=True)
class QuoteLine:
    """One priced line. Unit prices in yuan with four places; totals, rounded once, with two."""

    sku: Sku
    quantity: int
    fields: dict[str, str]
    unit_price: Decimal
    list_total: Decimal
    cash: Decimal
    steps: tuple[Step, ...]

    @property
    def product(self) -> Product:
        return self.sku.product


@dataclass(frozen=True)
class Quote:
    lines: tuple[QuoteLine, ...]

    @property
    def total(self) -> Decimal:
        return sum((line.cash for line in self.lines), Decimal("0.00"))

    @property
    def list_total(self) -> Decimal:
        return sum((line.list_total for line in self.lines), Decimal("0.00"))

    @property
    def saved(self) -> Decimal:
        return self.list_total - self.total


def quote(*, storefront: Storefront, user_id: int | None, items: Sequence[Item]) -> Quote:
    """Price these items for this member (None: a guest), buyer fields checked. Reads only.

    Raises EmptyOrder, TooManyLines, SkuUnknown, SkuUnavailable, BadQuantity, BadField, TotalTooLarge.
    """
    asked = _merged(items)
    skus = _sellable([item.sku for item in asked])
    checked = [replace(item, fields=clean_fields(skus[item.sku].product, item.fields)) for item in asked]
    return _priced(storefront, user_id, checked, skus)


def preview(*, storefront: Storefront, user_id: int | None, items: Sequence[Item]) -> Quote:
    """The same for a page that still asks for the buyer fields: they are taken as they are.

    Raises EmptyOrder, TooManyLines, SkuUnknown, SkuUnavailable, BadQuantity, TotalTooLarge.
    """
    asked = _merged(items)
    return _priced(storefront, user_id, asked, _sellable([item.sku for item in asked]))


def _priced(storefront: Storefront, user_id: int | None, items: Sequence[Item], skus: Mapping[str, Sku]) -> Quote:
    prices = member_prices(user_id=user_id, storefront_id=storefront.pk, skus=list(skus.values()))
    breaks = _breaks(skus.values())
    quoted = Quote(
        tuple(
            price_line(
                sku=skus[item.sku],
                quantity=item.quantity,
                fields=dict(item.fields),
                member=prices.get(skus[item.sku].pk),
                breaks=breaks.get(skus[item.sku].pk, ()),
            )
            for item in items
        )
    )
    if quoted.list_total > MAX_AMOUNT:
        raise TotalTooLarge(max=MAX_AMOUNT)
    return quoted


def price_line(
    *, sku: Sku, quantity: int, fields: dict[str, str], member: MemberPrice | None, breaks: Sequence[QuantityBreak]
) -> QuoteLine:
    """Run the stages for one line. Raises BadQuantity."""
    if not sku.min_quantity <= quantity <= sku.max_quantity:
        raise BadQuantity(min=sku.min_quantity, max=sku.max_quantity)
    list_total = _line_total(sku.list_price, quantity)
    steps = [Step(Stage.LIST, list_total, "")]
    unit_price, step = best_unit_price(sku, quantity, member, breaks)
    cash = min(_line_total(unit_price, quantity), list_total)
    if step is not None and cash < list_total:
        steps.append(Step(step.stage, cash - list_total, step.why))
    return QuoteLine(sku, quantity, fields, unit_price, list_total, cash, tuple(steps))


def best_unit_price(
    sku: Sku, quantity: int, member: MemberPrice | None, breaks: Sequence[QuantityBreak]
) -> tuple[Decimal, Step | None]:
    """The lowest of list price, member price and the quantity break reached; and the step of the winner."""
    unit_price, step = sku.list_price, None
    reached = [one for one in breaks if one.min_quantity <= quantity]
    if reached:
        best = min(reached, key=lambda one: one.unit_price)
        if best.unit_price < unit_price:
            why = told(_("满 %(count)s 件批发价"), count=best.min_quantity)
            unit_price, step = best.unit_price, Step(Stage.QUANTITY, Decimal(0), why)
    if member is not None and member.unit_price < unit_price:
        unit_price, step = member.unit_price, Step(Stage.MEMBER, Decimal(0), member.why)
    return unit_price, step


def clean_fields(product: Product, given: Mapping[str, str]) -> dict[str, str]:
    """The buyer fields that the product asks for, stripped and checked. Raises BadField naming the first bad one."""
    cleaned = {}
    for spec in product.buyer_fields:
        value = str(given.get(spec["name"], "")).strip()
        if not _answers(spec, value):
            raise BadField(
                label=in_language(spec.get("label", spec["name"]), spec.get("label_en", "")), field=spec["name"]
            )
        if value:
            cleaned[spec["name"]] = value
    return cleaned


def _answers(spec: Mapping[str, Any], value: str) -> bool:
    if not value:
        return not spec.get("required", True)
    if len(value) > MAX_FIELD_LENGTH or "\0" in value:
        return False
    return not spec.get("regex") or fits(spec["regex"], value)


def _line_total(unit_price: Decimal, quantity: int) -> Decimal:
    # Nothing is free: a line of tiny unit prices still costs a cent.
    return max(round_money(unit_price * quantity), CENT)


def _merged(items: Sequence[Item]) -> list[Item]:
    """Equal items added up, so that limits and quantity breaks see the whole."""
    if not items:
        raise EmptyOrder
    totals: dict[tuple, Item] = {}
    for item in items:
        same = (item.sku, tuple(sorted(item.fields.items())))
        known = totals.get(same)
        totals[same] = Item(item.sku, item.quantity + (known.quantity if known else 0), item.fields)
    if len(totals) > MAX_LINES:
        raise TooManyLines(max=MAX_LINES)
    return list(totals.values())


def _sellable(public_ids: Sequence[str]) -> dict[str, Sku]:
    found = {
        sku.public_id: sku
        for sku in Sku.objects.filter(public_id__in=set(public_ids)).select_related("product__category")
    }
    for public_id in public_ids:
        sku = found.get(public_id)
        if sku is None or sku.product.status in {Product.Status.DRAFT, Product.Status.ARCHIVED}:
            raise SkuUnknown
        if sku.status != Sku.Status.ACTIVE or sku.product.status != Product.Status.ON_SALE:
            raise SkuUnavailable(name=f"{sku.product} {sku}")
    return found


def _breaks(skus) -> dict[int, list[QuantityBreak]]:
    grouped: dict[int, list[QuantityBreak]] = {}
    for one in QuantityBreak.objects.filter(sku__in=skus):
        grouped.setdefault(one.sku_id, []).append(one)
    return grouped
