"""Orders: the list, one order with its keys, paying and cancelling what is unpaid."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import User
from common import clock
from common.device import device_of
from common.exceptions import DomainError, TooManyRequests
from common.money import ZERO
from membership.selectors import has_heard_of, mark_of, member_standing
from orders.exceptions import LinkExpired
from orders.models import Order
from orders.selectors import delivered_of, order_secret, orders_of, orders_of_device
from orders.services import cancel, claim_credit, is_cash_only, left_to_pay
from payments.selectors import fell_short
from shop import nudges, paying, visitor
from shop.orders import attachment, order_view, progress_mark, table, titles
from shop.refusals import missing_is_404, private
from shop.reviews import entries_of_lines
from wallet.selectors import credit_of_order

ON_A_PAGE = 20
# The views of the list: address, states.
TABS = {
    "": (),
    "unpaid": (Order.State.UNPAID,),
    "open": (Order.State.PAID,),
    "done": (Order.State.DELIVERED,),
    "closed": (Order.State.REFUNDED, Order.State.EXPIRED, Order.State.CANCELLED),
}


@private
def orders(request: HttpRequest) -> HttpResponse:
    """A member's orders; for a guest those of this device, and the way to the others."""
    user = visitor.member(request)
    found = orders_of(user) if user else orders_of_device(device_of(request))
    tab = request.GET.get("state", "")
    if TABS.get(tab):
        found = found.filter(state__in=TABS[tab])
    page = Paginator(found.prefetch_related("lines"), ON_A_PAGE).get_page(request.GET.get("page"))
    names = {"": _("全部"), "unpaid": _("待支付"), "open": _("处理中"), "done": _("已发货"), "closed": _("已关闭")}
    return render(
        request,
        "shop/orders.html",
        {"page": page, "orders": _rows(user, page.object_list), "tab": tab, "tabs": names.items()},
    )


@private
@missing_is_404
def order(request: HttpRequest, public_id: str) -> HttpResponse:
    try:
        found = visitor.order(request, public_id)
    except LinkExpired as refusal:
        messages.info(request, str(refusal))
        return redirect("shop:lookup")
    if request.GET.get("key"):
        # A signed link: keep it out of the address bar, the history and what the next site is told.
        visitor.grant(request, [found])
        return HttpResponseRedirect(request.path)
    return _show(request, found)


@private
@missing_is_404
def status(request: HttpRequest, public_id: str) -> HttpResponse:
    """What the page asks while it waits: has anything changed?"""
    found = visitor.order(request, public_id)
    return JsonResponse({"state": progress_mark(found, found.lines.all(), found.refunds.all())})


@private
@missing_is_404
@require_POST
def pay(request: HttpRequest, public_id: str) -> HttpResponse:
    """Pay an unpaid order with the chosen method."""
    found = visitor.order(request, public_id)
    try:
        return paying.pay(request, found, request.POST.get("pay", ""))
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return redirect("shop:order", public_id)


@private
@missing_is_404
@require_POST
def cancel_order(request: HttpRequest, public_id: str) -> HttpResponse:
    found = visitor.order(request, public_id)
    try:
        cancel(order_id=found.pk, actor=visitor.member(request))
        messages.success(request, _("订单已取消，没有扣款"))
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return redirect("shop:order", public_id)


@private
@missing_is_404
@require_POST
def claim(request: HttpRequest, public_id: str) -> HttpResponse:
    """Whoever proved a guest's order takes what it owes into the own wallet; a visitor is asked to sign in first."""
    found = visitor.order(request, public_id)
    user = visitor.member(request)
    if user is None:
        return redirect(f"{reverse('account_login')}?next={reverse('shop:order', args=[public_id])}")
    try:
        amount = claim_credit(order_id=found.pk, user=user)
        if amount:
            messages.success(request, _("¥%(amount)s 已转入你的余额") % {"amount": amount})
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return redirect("shop:order", public_id)


@private
@missing_is_404
def download(request: HttpRequest, public_id: str, ending: str) -> HttpResponse:
    """Everything that was delivered, as text (exact, one a line) or CSV."""
    found = visitor.order(request, public_id)
    try:
        visitor.opens_keys(request, found)
    except TooManyRequests as refusal:
        messages.error(request, str(refusal))
        return redirect("shop:order", public_id)
    texts = [one.text for one in delivered_of(found)]
    as_table = table([_("订单号"), _("卡密")], ([found.number, text] for text in texts))
    as_lines = "\r\n".join(texts) + "\r\n"
    return attachment(as_table if ending == "csv" else as_lines, name=f"{found.number}.{ending}")


def _rows(user: User | None, found: Sequence[Order]) -> list[tuple[Order, str, str, str, str]]:
    """(order, what was bought, its lang attribute, tone of its state, where it can be reviewed or "")."""
    mine = entries_of_lines(user, [line.pk for order in found for line in order.lines.all()])
    rows = []
    for order, name, lang, tone in titles(found):
        waiting = [mine[line.pk] for line in order.lines.all() if line.pk in mine and mine[line.pk].is_waiting]
        one = waiting[0].url if len(waiting) == 1 else f"{reverse('shop:order', args=[order.public_id])}#lines-title"
        rows.append((order, name, lang, tone, one if waiting else ""))
    return rows


def _climb(request: HttpRequest, user: User, found: Order) -> dict[str, Any]:
    """The bar that the order moves, and once it has moved, what the next tier takes."""
    standing = member_standing(user_id=user.pk, storefront_id=found.storefront_id, decisions=0)
    heard = found.delivered_at is not None and has_heard_of(standing, order_id=found.pk)
    nudge = nudges.after_order(request, found, standing) if heard else None
    return {"standing": standing, "standing_mark": mark_of(standing.member), "nudge": nudge}


def _pay_options(request: HttpRequest, found: Order) -> list[paying.PayOption]:
    cash_only = any(is_cash_only(line.sku) for line in found.lines.select_related("sku__product"))
    return paying.pay_options(request, left_to_pay(found), order=found, cash_only=cash_only)


def _show(request: HttpRequest, found: Order) -> HttpResponse:
    unpaid = found.state == Order.State.UNPAID
    user = visitor.member(request)
    context = {
        **(_climb(request, user, found) if user and found.paid_at else {}),
        "order": found,
        "view": (view := order_view(found, user=user, page=request.GET.get("page"))),
        "mark": progress_mark(found, [one.line for one in view.lines], view.refunds),
        "status_url": reverse("shop:order_status", args=[found.public_id]),
        "credit": credit_of_order(found.pk) if found.is_guest else ZERO,
        "left_to_pay": left_to_pay(found) if unpaid else ZERO,
        "fell_short": fell_short(found) if unpaid else ZERO,
        "secret": order_secret(found) if found.is_guest else "",
        "options": _pay_options(request, found) if unpaid else [],
        "seconds_left": max(0, int((found.pay_deadline - clock.now()).total_seconds())) if unpaid else 0,
        "paid_with": paying.name_of(found.paid_with),
    }
    return render(request, "shop/order.html", context)
