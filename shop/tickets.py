"""Coupons as a page shows them: like a ticket, with a big figure, terms, and what there is to do."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from marketing.models import Coupon, CouponTemplate
from marketing.selectors import OnOffer, figure, scope_text, terms_text
from orders.models import Order
from shop.cards import foreign

SOON = timedelta(days=3)


@dataclass(frozen=True)
class Ticket:
    """`figure` and `sign` are what it takes off, `note` the line under the terms; `state` is said of what is of no use."""

    template: CouponTemplate
    note: str
    state: str = ""
    ends_soon: bool = False
    url: str = ""
    action: str = ""
    points: int = 0
    refused: str = ""

    @property
    def name(self) -> str:
        return str(self.template)

    @property
    def name_lang(self) -> str:
        return foreign(self.template.name_en)

    @property
    def figure(self) -> str:
        return figure(self.template)[0]

    @property
    def sign(self) -> str:
        return figure(self.template)[1]

    @property
    def terms(self) -> str:
        return terms_text(self.template)

    @property
    def scope(self) -> str:
        return scope_text(self.template)


def ticket(coupon: Coupon, *, at: datetime, order: Order | None) -> Ticket:
    """One that the member holds. `order` is where it is used."""
    if coupon.state == Coupon.State.USED:
        state = _("已锁定在待付款订单") if order and order.state == Order.State.UNPAID else _("已使用")
        url = reverse("shop:order", args=[order.public_id]) if order else ""
        return Ticket(coupon.template, _day(coupon.used_at), state=state, url=url, action=_("看订单"))
    note = _("有效至 %(time)s") % {"time": _minute(coupon.expires_at)}
    if coupon.state == Coupon.State.REVOKED:
        return Ticket(coupon.template, note, state=_("已撤销"))
    if coupon.expires_at < at:
        return Ticket(coupon.template, note, state=_("已过期"))
    return Ticket(
        coupon.template,
        note,
        ends_soon=coupon.expires_at <= at + SOON,
        url=use_at(coupon.template),
        action=_("去使用"),
    )


def claimable(one: OnOffer) -> Ticket:
    return Ticket(
        one.template,
        _validity(one.template),
        url=reverse("shop:coupon_claim", args=[one.template.public_id]),
        refused=_("已领") if one.is_full else "" if one.is_left else _("已领完"),
    )


def on_sale(one: OnOffer, *, balance: int) -> Ticket:
    """One of the points shop; `refused` says why this member cannot buy it."""
    price = one.template.points_price or 0
    refused = ""
    if one.is_full:
        refused = _("已兑满")
    elif not one.is_left:
        refused = _("已兑完")
    elif balance < price:
        refused = _("还差 %(points)s 积分") % {"points": price - balance}
    return Ticket(
        one.template,
        _validity(one.template),
        url=reverse("shop:points_buy", args=[one.template.public_id]),
        points=price,
        refused=refused,
    )


def use_at(template: CouponTemplate) -> str:
    """Where the goods are that it holds for: the product, the category, or all."""
    products, categories = list(template.products.all()), list(template.categories.all())
    if len(products) == 1 and not categories:
        return reverse("shop:product", args=[products[0].slug])
    if len(categories) == 1 and not products:
        return reverse("shop:category", args=[categories[0].slug])
    return reverse("shop:categories")


def _validity(template: CouponTemplate) -> str:
    if template.valid_days is not None:
        return _("领取后 %(days)s 天有效") % {"days": template.valid_days}
    return _("有效至 %(time)s") % {"time": _minute(template.valid_until)}


def _minute(at: datetime) -> str:
    return date_format(localtime(at), "Y-m-d H:i")


def _day(at: datetime) -> str:
    return date_format(localtime(at), "Y-m-d")
