"""What a coupon takes off an order, and how that is shared between its lines. Reads nothing: figures in, figures out.

A coupon works on the lines in its scope. Where it does not go together with the price that a line already has (member
price, quantity price), it starts from the list price instead: the buyer gets the better of the two, never both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from common.money import CENT, ZERO, round_money
from common.templatetags.ui import yuan
from marketing.models import CouponTemplate

MEMBER, QUANTITY = "member", "quantity"


@dataclass(frozen=True)
class PricedLine:
    """A line before coupons. `cash` is what its stages (`member`, `quantity`) have left of `list_total`, in yuan."""

    product_id: int
    categories: frozenset[int]
    list_total: Decimal
    cash: Decimal
    stages: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Share:
    """What a line costs with the coupon: `base` before it, of which `off` is taken. `drops_price` says that the line
    gave up its member or quantity price for it."""

    base: Decimal
    off: Decimal
    drops_price: bool

    @property
    def cash(self) -> Decimal:
        return self.base - self.off


@dataclass(frozen=True)
class Discount:
    """`shares` by the line's position. `amount` is the coupon's own step, `gain` what the order costs less by it."""

    shares: Mapping[int, Share]
    amount: Decimal
    gain: Decimal
    reason: str = ""

    @property
    def works(self) -> bool:
        return self.gain > 0


def discount(
    template: CouponTemplate, lines: Sequence[PricedLine], *, categories: frozenset[int], products: frozenset[int]
) -> Discount:
    """The discount of one coupon on these lines; without gain, `reason` says in the reader's language why.

    `categories` and `products` are the template's scope; both empty: everything.
    """
    chosen = {
        place: line
        for place, line in enumerate(lines)
        if not (categories or products) or line.product_id in products or line.categories & categories
    }
    if not chosen:
        return _nothing(_("不适用于这些商品"))
    drops = {place: bool(line.stages & _refused(template)) for place, line in chosen.items()}
    bases = {place: line.list_total if drops[place] else line.cash for place, line in chosen.items()}
    whole = sum(bases.values(), ZERO)
    if whole < template.min_spend:
        return _nothing(_("还差 %(missing)s 可用") % {"missing": yuan(template.min_spend - whole)})
    # Nothing is free: every line keeps a cent.
    rooms = {place: base - CENT for place, base in bases.items()}
    amount = min(_wanted(template, whole), sum(rooms.values(), ZERO))
    if amount <= 0:
        return _nothing(_("金额太小，无法再减"))
    offs = dict(zip(rooms, split(amount, list(rooms.values())), strict=True))
    shares = {place: Share(bases[place], offs[place], drops[place]) for place in chosen}
    gain = sum((line.cash - shares[place].cash for place, line in chosen.items()), ZERO)
    if gain <= 0:
        return _nothing(_("当前的会员价或批发价更省"))
    return Discount(shares, amount, gain)


def split(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """`amount` (yuan) in proportion to `weights` by the largest remainder: to the cent, no share above its weight.

    Needs 0 <= amount <= sum(weights), both in whole cents. Equal remainders go to the earlier place.
    """
    cents, rooms = int(amount / CENT), [int(weight / CENT) for weight in weights]
    whole = sum(rooms)
    if not 0 <= cents <= whole:
        raise ValueError("the amount does not fit into the weights")
    if not cents:
        return [ZERO for _room in rooms]
    parts = [divmod(cents * room, whole) for room in rooms]
    missing = cents - sum(floor for floor, _rest in parts)
    places = sorted(range(len(parts)), key=lambda place: (-parts[place][1], place))[:missing]
    return [(floor + (place in places)) * CENT for place, (floor, _rest) in enumerate(parts)]


def _wanted(template: CouponTemplate, whole: Decimal) -> Decimal:
    if template.kind == CouponTemplate.Kind.AMOUNT:
        return template.amount_off
    off = round_money(whole * (1 - template.rate))
    return off if template.max_off is None else min(off, template.max_off)


def _refused(template: CouponTemplate) -> frozenset[str]:
    refused = {MEMBER: template.with_member_price, QUANTITY: template.with_quantity_price}
    return frozenset(stage for stage, goes_together in refused.items() if not goes_together)


def _nothing(reason: str) -> Discount:
    return Discount({}, ZERO, ZERO, reason)
