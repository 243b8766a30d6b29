"""What a member holds, and what each coupon would take off an order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Model, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from common.templatetags.ui import yuan
from common.texts import listed
from marketing.discounts import Discount, PricedLine, discount
from marketing.exceptions import CouponNotFound
from marketing.models import Coupon, CouponTemplate
from membership.selectors import rate_text

State = Coupon.State
# Nobody looks through more at a checkout; those that end first go first.
MOST_OFFERED = 50
TABS = ("usable", "used", "expired")


@dataclass(frozen=True)
class Offer:
    """A member's coupon and what it does for one order."""

    coupon: Coupon
    discount: Discount

    @property
    def works(self) -> bool:
        return self.discount.works


def offers_for(
    *, user_id: int | None, storefront_id: int, lines: Sequence[PricedLine], at: datetime, only: str = ""
) -> list[Offer]:
    """The member's usable coupons, or `only` one by its public id, best first: most saved, then first to end.

    Those that do nothing for these lines come last, each with its reason.
    """
    if user_id is None:
        return []
    held = usable(user_id=user_id, storefront_id=storefront_id, at=at)
    if only:
        held = held.filter(public_id=only)
    offers = [Offer(coupon, _discount(coupon, lines)) for coupon in held[:MOST_OFFERED]]
    return sorted(offers, key=lambda offer: (-offer.discount.gain, offer.coupon.expires_at, offer.coupon.pk))


def usable(*, user_id: int, storefront_id: int, at: datetime) -> QuerySet[Coupon]:
    """Coupons that can go into an order now, first to end first, with their template and, as lists of ids, its scope."""
    return (
        Coupon.objects.filter(
            Q(template__storefront=None) | Q(template__storefront=storefront_id),
            owner=user_id,
            state=State.USABLE,
            expires_at__gte=at,
        )
        .select_related("template")
        .annotate(
            scope_categories=_ids(CouponTemplate.categories.through, "category_id"),
            scope_products=_ids(CouponTemplate.products.through, "product_id"),
        )
        .order_by("expires_at", "pk")
    )


def _ids(through: type[Model], column: str) -> ArraySubquery:
    return ArraySubquery(through.objects.filter(coupontemplate=OuterRef("template")).values(column))


def count_usable(*, user_id: int, storefront_id: int, at: datetime) -> int:
    return usable(user_id=user_id, storefront_id=storefront_id, at=at).count()


def coupon_for(*, user_id: int, public_id: str) -> Coupon:
    """A member's own coupon. Raises CouponNotFound for everybody else's."""
    found = Coupon.objects.filter(public_id=public_id, owner=user_id).select_related("template").first()
    if found is None:
        raise CouponNotFound
    return found


def coupons_of(*, user_id: int, tab: str, at: datetime) -> QuerySet[Coupon]:
    """The member's coupons for one of TABS: usable by their end, used and expired (or revoked) the latest first."""
    mine = Coupon.objects.filter(owner=user_id).select_related("template")
    mine = mine.prefetch_related("template__categories", "template__products")
    if tab == "used":
        return mine.filter(state=State.USED).order_by("-used_at", "-pk")
    if tab == "expired":
        return mine.filter(Q(state=State.USABLE, expires_at__lt=at) | Q(state=State.REVOKED)).order_by("-pk")
    return mine.filter(state=State.USABLE, expires_at__gte=at).order_by("expires_at", "pk")


def terms_text(template: CouponTemplate) -> str:
    """What a coupon does, in one line: "满 ¥50.00 减 ¥5.00", "9 折，最多减 ¥20.00"."""
    low = yuan(template.min_spend)
    if template.kind == CouponTemplate.Kind.AMOUNT:
        off = {"low": low, "off": yuan(template.amount_off)}
        return _("满 %(low)s 减 %(off)s") % off if template.min_spend else _("立减 %(off)s") % off
    parts = {"low": low, "rate": rate_text(template.rate)}
    text = _("满 %(low)s 打 %(rate)s") % parts if template.min_spend else str(parts["rate"])
    if template.max_off is None:
        return text
    return _("%(terms)s，最多减 %(most)s") % {"terms": text, "most": yuan(template.max_off)}


def scope_text(template: CouponTemplate) -> str:
    """Where it holds, and what it does not go together with."""
    names = [str(one) for one in (*template.categories.all(), *template.products.all())]
    shown = listed(names[:3])
    if not names:
        text = _("全场可用")
    elif len(names) > 3:
        text = _("限%(names)s等 %(count)s 项") % {"names": shown, "count": len(names)}
    else:
        text = _("限%(names)s") % {"names": shown}
    if not template.with_member_price:
        text = _("%(scope)s，不与会员价同享") % {"scope": text}
    return text


def figure(template: CouponTemplate) -> tuple[str, str]:
    """The big figure of a coupon and its small sign: ("5", "¥") or ("9 折", "")."""
    if template.kind == CouponTemplate.Kind.AMOUNT:
        return _plain(template.amount_off), "¥"
    return rate_text(template.rate), ""


def _plain(value: Decimal) -> str:
    return f"{value:f}".rstrip("0").rstrip(".") if value == value.to_integral() else f"{value:f}"


def _discount(coupon: Coupon, lines: Sequence[PricedLine]) -> Discount:
    scope = {"categories": frozenset(coupon.scope_categories), "products": frozenset(coupon.scope_products)}
    return discount(coupon.template, lines, **scope)
