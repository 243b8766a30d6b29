"""我的优惠券, coupons to claim, and the points shop."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from common import clock
from common.exceptions import DomainError
from common.ids import public_id
from marketing.models import CouponTemplate
from marketing.selectors import TABS, coupons_of, on_offer
from marketing.services import buy_coupon, claim_coupon
from membership.selectors import member_points
from orders.selectors import orders_by_id
from shop import visitor
from shop.refusals import private
from shop.tickets import claimable, on_sale, ticket

ON_A_PAGE = 20
Source = CouponTemplate.Source


@private
@require_safe
@login_required
def coupons(request: HttpRequest) -> HttpResponse:
    """What the member holds, by tab; beside it what there is to claim."""
    at = clock.now()
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else TABS[0]
    page = Paginator(coupons_of(user_id=request.user.pk, tab=tab, at=at), ON_A_PAGE).get_page(request.GET.get("page"))
    orders = orders_by_id(coupon.order_id for coupon in page if coupon.order_id)
    context = {
        "tab": tab,
        "tabs": [("usable", _("可使用")), ("used", _("已使用")), ("expired", _("已失效"))],
        "page": page,
        "tickets": [ticket(coupon, at=at, order=orders.get(coupon.order_id)) for coupon in page],
        "claimable": [claimable(one) for one in _offered(request, Source.CLAIM, at)] if tab == TABS[0] else [],
        "token": public_id(),
    }
    return render(request, "shop/coupons.html", context)


@private
@require_safe
@login_required
def points_shop(request: HttpRequest) -> HttpResponse:
    at = clock.now()
    points = member_points(user_id=request.user.pk, at=at)
    offered = [on_sale(one, balance=points.balance) for one in _offered(request, Source.POINTS, at)]
    return render(request, "shop/points_shop.html", {"points": points, "offered": offered, "token": public_id()})


@private
@require_POST
@login_required
def claim(request: HttpRequest, template: str) -> HttpResponse:
    return _take(request, claim_coupon, template, said=_("领取成功，结算时会自动用上最省的一张"), back="shop:coupons")


@private
@require_POST
@login_required
def buy(request: HttpRequest, template: str) -> HttpResponse:
    return _take(request, buy_coupon, template, said=_("兑换成功，结算时会自动用上最省的一张"), back="shop:points_shop")


def _take(request: HttpRequest, service: Callable, template: str, *, said: str, back: str) -> HttpResponseRedirect:
    """Take a coupon once per token of the form; the form of a repeated click carries the same one."""
    token = request.POST.get("token", "")[:22] or public_id()
    try:
        service(
            user_id=request.user.pk,
            template=template,
            storefront_id=request.storefront.pk,
            ref=f"{service.__name__}:{request.user.pk}:{token}",
        )
        messages.success(request, said)
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return redirect(back)


def _offered(request: HttpRequest, source: str, at) -> list:
    return on_offer(
        user_id=request.user.pk,
        storefront_id=request.storefront.pk,
        source=source,
        events=visitor.perks(request).events,
        at=at,
    )
