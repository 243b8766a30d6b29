"""The price pipeline: list → best of (member price, quantity break) → coupon.

Each stage is a named function that leaves a step: what, how much on the whole line, why. The steps of a line add up to what
it costs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from catalog.models import Product, QuantityBreak, Sku
from common import clock
from common.money import CENT, MAX_AMOUNT, ZERO, round_money, round_unit
from common.patterns import fits
from common.texts import in_language, told
from marketing.exceptions import CouponGone, CouponUnusable
from marketing.models import Coupon
from marketing.selectors import MEMBER, QUANTITY, Offer, PricedLine, Share, coupon_for, offers_for
from membership.selectors import MemberPrice, member_prices, perks_for
from orders.exceptions import (
    BadField,
    BadQuantity,
    EmptyOrder,
    NotYetOnSale,
    SkuUnavailable,
    SkuUnknown,
    TooManyLines,
    TooManyTogether,
    TotalTooLarge,
)
from orders.models import PriceStep
from tenancy.models import Storefront

MAX_LINES = 50
MAX_FIELD_LENGTH = 200
Stage = PriceStep.Stage
# Instead of a coupon's public id: the best one that the member has.
AUTO = "auto"
_PRICE_STAGES = {Stage.MEMBER: MEMBER, Stage.QUANTITY: QUANTITY}


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
    coupon_off: Decimal = ZERO

    @property
    def product(self) -> Product:
        return self.sku.product


@dataclass(frozen=True)
class Quote:
    """Prices as of `at`. `coupon` is the one that went into them; `offers` all that were looked at, best first."""

    lines: tuple[QuoteLine, ...]
    at: datetime
    coupon: Coupon | None = None
    offers: tuple[Offer, ...] = ()

    @property
    def total(self) -> Decimal:
        return sum((line.cash for line in self.lines), Decimal("0.00"))

    @property
    def list_total(self) -> Decimal:
        return sum((line.list_total for line in self.lines), Decimal("0.00"))

    @property
    def saved(self) -> Decimal:
        return self.list_total - self.total

    @property
    def coupon_off(self) -> Decimal:
        return sum((line.coupon_off for line in self.lines), ZERO)


def quote(*, storefront: Storefront, user_id: int | None, items: Sequence[Item], coupon: str = "") -> Quote:
    """Price these items for this member (None: a guest), buyer fields checked. Reads only.

    `coupon` is the public id of one of the member's, AUTO for the best, "" for none. Raises EmptyOrder, TooManyLines,
    SkuUnknown, SkuUnavailable, BadQuantity, BadField, TotalTooLarge; CouponNotFound, CouponGone, CouponUnusable.
    """
    skus = _sellable([item.sku for item in items])
    checked = _merged([replace(item, fields=clean_fields(skus[item.sku].product, item.fields)) for item in items])
    return with_coupon(_priced(storefront, user_id, checked, skus), storefront, user_id, coupon)


def preview(*, storefront: Storefront, user_id: int | None, items: Sequence[Item], coupon: str = "") -> Quote:
    """The same for a page that still asks for the buyer fields: they are taken as they are.

    Raises what `quote` raises, but BadField.
    """
    skus = _sellable([item.sku for item in items])
    asked = _merged([replace(item, fields=asked_fields(skus[item.sku].product, item.fields)) for item in items])
    return with_coupon(_priced(storefront, user_id, asked, skus), storefront, user_id, coupon)


def _priced(storefront: Storefront, user_id: int | None, items: Sequence[Item], skus: Mapping[str, Sku]) -> Quote:
    at = clock.now()
    _check_access(storefront, user_id, items, skus, at)
    prices = member_prices(user_id=user_id, storefront_id=storefront.pk, skus=list(skus.values()), at=at)
    breaks = breaks_of(skus.values())
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
        ),
        at,
    )
    if quoted.list_total > MAX_AMOUNT:
        raise TotalTooLarge(max=MAX_AMOUNT)
    return quoted


def with_coupon(quoted: Quote, storefront: Storefront, user_id: int | None, coupon: str) -> Quote:
    """The last stage: the coupon that is asked for, if any. Raises CouponNotFound, CouponGone, CouponUnusable."""
    if not coupon:
        return quoted
    only = "" if coupon == AUTO else coupon
    offers = coupon_offers(quoted, storefront=storefront, user_id=user_id, only=only)
    best = offers[0] if offers else None
    if best is None or not best.works:
        if only:
            _refuse_coupon(best, user_id, only)
        return replace(quoted, offers=tuple(offers))
    return replace(with_offer(quoted, best), offers=tuple(offers))


def coupon_offers(quoted: Quote, *, storefront: Storefront, user_id: int | None, only: str = "") -> list[Offer]:
    """What each of the member's coupons would do to a quote without one, best first (marketing.selectors.offers_for)."""
    lines = [_priced_line(line) for line in quoted.lines]
    return offers_for(user_id=user_id, storefront_id=storefront.pk, lines=lines, at=quoted.at, only=only)


def with_offer(quoted: Quote, offer: Offer) -> Quote:
    """The quote with a coupon that works: its share on every line that it is for, largest remainder, never below a cent."""
    why = told(_("优惠券 · %(name)s"), name=offer.coupon.template)
    shares = offer.discount.shares
    lines = (_less(line, shares[place], why) if place in shares else line for place, line in enumerate(quoted.lines))
    return replace(quoted, lines=tuple(lines), coupon=offer.coupon)


def _priced_line(line: QuoteLine) -> PricedLine:
    category = line.product.category
    return PricedLine(
        product_id=line.product.pk,
        categories=frozenset({category.pk, category.parent_id} - {None}),
        list_total=line.list_total,
        cash=line.cash,
        stages=frozenset(_PRICE_STAGES[step.stage] for step in line.steps if step.stage in _PRICE_STAGES),
    )


def _less(line: QuoteLine, share: Share, why: Promise) -> QuoteLine:
    """The line with its share of the coupon; where the two do not go together, without its lower price."""
    steps = [step for step in line.steps if step.stage == Stage.LIST or not share.drops_price]
    if share.off:
        steps.append(Step(Stage.COUPON, -share.off, why))
    unit_price = line.sku.list_price if share.drops_price else line.unit_price
    return replace(line, unit_price=unit_price, cash=share.cash, steps=tuple(steps), coupon_off=share.off)


def _refuse_coupon(offer: Offer | None, user_id: int | None, public_id: str) -> None:
    if offer is not None:
        raise CouponUnusable(reason=offer.discount.reason)
    coupon_for(user_id=user_id or 0, public_id=public_id)
    raise CouponGone


def price_line(
    *, sku: Sku, quantity: int, fields: dict[str, str], member: MemberPrice | None, breaks: Sequence[QuantityBreak]
) -> QuoteLine:
    """Run the stages for one line."""
    list_total = _line_total(sku.list_price, quantity)
    steps = [Step(Stage.LIST, list_total, "")]
    unit_price, cash = sku.list_price, list_total
    for unit_price, stage, why in lower_prices(sku, quantity, member, breaks):
        before, cash = cash, min(_line_total(unit_price, quantity), cash)
        if cash < before:
            steps.append(Step(stage, cash - before, why))
    return QuoteLine(sku, quantity, fields, unit_price, list_total, cash, tuple(steps))


def lower_prices(
    sku: Sku, quantity: int, member: MemberPrice | None, breaks: Sequence[QuantityBreak]
) -> list[tuple[Decimal, str, Promise]]:
    """The unit prices on the way down from the list price, as (price, stage, why): the better of member price and the
    quantity break that is reached; both only where the member's rate goes on top of it."""
    reached = [one for one in breaks if one.min_quantity <= quantity and one.unit_price < sku.list_price]
    broken = min(reached, key=lambda one: one.unit_price, default=None)
    steps = []
    if broken is not None:
        why = told(_("满 %(count)s 件批发价"), count=broken.min_quantity)
        steps.append((broken.unit_price, Stage.QUANTITY, why))
    if member is None:
        return steps
    added = round_unit(broken.unit_price * member.adds) if broken is not None and member.adds is not None else None
    if added is not None and added < member.unit_price:
        return [*steps, (added, Stage.MEMBER, member.why)]
    if member.unit_price < (broken.unit_price if broken is not None else sku.list_price):
        return [(member.unit_price, Stage.MEMBER, member.why)]
    return steps


def _check_access(
    storefront: Storefront, user_id: int | None, items: Sequence[Item], skus: Mapping[str, Sku], at: datetime
) -> None:
    """Whether the buyer may have these goods yet, and so many. Their tier is asked for only where it makes a difference.

    The most is that of the whole order, for however many accounts it is. Raises NotYetOnSale, BadQuantity.
    """
    whole = Counter[str]()
    for item in items:
        whole[item.sku] += item.quantity
    for item in items:
        sku = skus[item.sku]
        if item.quantity < sku.min_quantity or whole[item.sku] > sku.max_quantity:
            most = most_of(sku, storefront, user_id)
            if not sku.min_quantity <= item.quantity <= most:
                raise BadQuantity(min=sku.min_quantity, max=most)
            if whole[item.sku] > most:
                raise TooManyTogether(
                    name=f"{sku.product} {sku}", min=sku.min_quantity, max=most, whole=whole[item.sku]
                )
        opens = sku.product.on_sale_from
        if opens is not None and opens > at:
            perks = perks_for(user_id=user_id, storefront_id=storefront.pk)
            if opens > at + perks.early:
                shown = date_format(localtime(opens), "Y-m-d H:i")
                raise NotYetOnSale(name=sku.product, time=shown)


def most_of(sku: Sku, storefront: Storefront, user_id: int | None) -> int:
    """How many of a SKU this buyer may order at once."""
    return perks_for(user_id=user_id, storefront_id=storefront.pk).most_of(sku.max_quantity)


def clean_fields(product: Product, given: Mapping[str, str]) -> dict[str, str]:
    """The buyer fields that the product asks for, stripped and checked. Raises BadField naming the first bad one."""
    answers = asked_fields(product, given)
    for spec in product.buyer_fields:
        value = answers.get(spec["name"], "")
        if not _answers(spec, value):
            raise BadField(
                label=in_language(spec.get("label", spec["name"]), spec.get("label_en", "")), field=spec["name"]
            )
    return answers


def asked_fields(product: Product, given: Mapping[str, str]) -> dict[str, str]:
    """What was answered of what the product asks for, stripped; whatever else was given makes no difference."""
    answers = {spec["name"]: str(given.get(spec["name"], "")).strip() for spec in product.buyer_fields}
    return {name: value for name, value in answers.items() if value}


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


def breaks_of(skus: Iterable[Sku]) -> dict[int, list[QuantityBreak]]:
    grouped: dict[int, list[QuantityBreak]] = {}
    for one in QuantityBreak.objects.filter(sku__in=skus):
        grouped.setdefault(one.sku_id, []).append(one)
    return grouped
