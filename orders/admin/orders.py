"""The list of orders, and one order's page."""

import re
from collections.abc import Collection
from datetime import datetime

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common import clock
from common.admin import DayRangeFilter, ReadOnlyAdmin, allowed, chip, display, link_to, moment, money, sub, when
from common.registries import Panel, panels
from common.texts import clauses, listed
from membership.selectors import with_priority
from orders.admin.acts import OrderActs, fitting
from orders.admin.credits import CreditActs
from orders.admin.filters import MoneyFilter, PaidWithFilter, WaitingFilter
from orders.admin.shown import line_chip, order_chip, paid_with, priority_chip
from orders.models import Order, OrderLine
from orders.selectors import STUCK_AFTER, answers_of, lines_of, orders_of, previews_of
from wallet.models import Account

PREVIEWS = 5
BUYERS = 200
RECENT = 8
_NUMBER = re.compile(r"[Kk]\d{1,18}")


@admin.register(Order)
class OrderAdmin(OrderActs, CreditActs, ReadOnlyAdmin):
    list_display = ["shown_number", "goods", "who", "queue", "shown_state", "amount"]
    list_display_links = ["shown_number"]
    list_filter = [
        "state",
        WaitingFilter,
        MoneyFilter,
        PaidWithFilter,
        ("placed_at", DayRangeFilter),
        ("paid_at", DayRangeFilter),
        "storefront",
    ]
    list_select_related = ["buyer", "storefront"]
    search_fields = ["number", "contact", "buyer__username"]
    search_help_text = _("按订单号（可只填开头）、联系方式、买家用户名或手机号查找")
    ordering = ["-id"]
    fields: list[str] = []
    actions_detail = [
        "refund",
        "redeliver",
        "deliver",
        "hold",
        "release",
        "give_credit",
        "pay_out",
        "reveal",
        "note",
        "cancel",
    ]
    change_form_template = "orders/admin/order.html"
    export_columns = [
        "number",
        "state",
        "buyer",
        "contact",
        "plain_goods",
        "list_total",
        "total",
        "paid_total",
        "refunded_total",
        "paid_with",
        "placed_at",
        "paid_at",
        "delivered_at",
        "storefront",
    ]
    has_export_permission = allowed("orders.export_order")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        lines = Prefetch(
            "lines",
            OrderLine.objects.only(
                "order_id", "product_name", "product_name_en", "sku_name", "sku_name_en", "quantity"
            ),
        )
        orders = super().get_queryset(request).prefetch_related(lines)
        return with_priority(orders, user="buyer", storefront="storefront", at=clock.now())

    @display(description=_("客服优先级"), ordering="priority")
    def queue(self, order: Order):
        return priority_chip(order.priority)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Order], term: str) -> tuple[QuerySet, bool]:
        """An order number or its beginning, else a contact, or a buyer by the beginning of a name; all by index."""
        term = term.strip()
        if not term:
            return queryset, False
        if _NUMBER.fullmatch(term):
            return queryset.filter(number__startswith=term.upper()), False
        buyers = User.objects.filter(
            Q(username__istartswith=term) | Q(email__istartswith=term) | Q(phone__istartswith=term)
        ).values_list("pk", flat=True)
        return queryset.filter(Q(contact=term) | Q(buyer_id__in=list(buyers[:BUYERS]))), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Order | None:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            # The list's prefetch holds a few columns only; the page and its acts read whole lines.
            found._prefetched_objects_cache.clear()
        return found

    def fitting_acts(self, order: Order, user: User) -> Collection[str]:
        fit = fitting(order, list(order.lines.all()))
        return fit - {"refund"} if order.buyer_id == user.pk else fit

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None) -> HttpResponse:
        if obj is not None:
            context.update(page_of(obj, request.user))
        return super().render_change_form(request, context, add, change, form_url, obj)

    @display(description=_("订单"), ordering="id")
    def shown_number(self, order: Order) -> SafeString:
        return format_html('<span class="desk-code">{}</span><br>{}', order.number, sub(moment(order.placed_at)))

    @display(description=_("商品"))
    def goods(self, order: Order) -> SafeString | str:
        lines = list(order.lines.all())
        if not lines:
            return "–"
        first = f"{lines[0].product_title} × {lines[0].quantity}"
        if len(lines) == 1:
            return format_html('<span class="desk-cut" title="{}">{}</span>', lines[0].sku_title, first)
        return format_html(
            '<span class="desk-cut" title="{}">{}</span> {}',
            "\n".join(str(line) for line in lines),
            first,
            chip(f"+{len(lines) - 1}"),
        )

    @display(description=_("商品"))
    def plain_goods(self, order: Order) -> str:
        return clauses(order.lines.all())

    @display(description=_("买家"))
    def who(self, order: Order) -> str:
        return order.buyer.get_username() if order.buyer else order.contact or gettext("游客")

    @display(description=_("状态"))
    def shown_state(self, order: Order) -> SafeString:
        if order.state == Order.State.PAID and order.paid_at <= clock.now() - STUCK_AFTER:
            return format_html('<span class="desk-nowrap">{} {}</span>', order_chip(order), chip(_("卡单"), "danger"))
        return order_chip(order)

    @display(description=_("金额"), ordering="total")
    def amount(self, order: Order) -> SafeString:
        told = paid_with(order)
        if order.refunded_total:
            told = format_html("{} · {} {}", told, _("退"), money(order.refunded_total))
        return format_html("{}<br>{}", money(order.total), sub(told))


def page_of(order: Order, viewer: User) -> dict:
    """What the order's own page shows besides boxes and timeline."""
    lines = lines_of(order)
    previews = previews_of(lines, each=PREVIEWS)
    return {
        "order": order,
        "facts": _facts(order, viewer),
        "lines": [
            {
                "line": line,
                "name": link_to(line.product, viewer, line.product_title),
                "state": line_chip(line),
                "previews": previews.get(line.pk, []),
                "hidden": max(0, line.pieces_delivered - len(previews.get(line.pk, []))),
                "fields": answers_of(line),
                "steps": list(line.price_steps.all()),
            }
            for line in lines
        ],
    }


def _facts(order: Order, viewer: User) -> list[tuple]:
    return [
        (_("状态"), order_chip(order)),
        (_("应付"), money(order.total)),
        (_("原价"), money(order.list_total)),
        (_("已付"), money(order.paid_total)),
        *([(_("已退"), money(order.refunded_total))] if order.refunded_total else []),
        (_("支付方式"), paid_with(order)),
        (_("买家"), link_to(order.buyer, viewer, order.buyer.get_username()) if order.buyer else _("游客")),
        *([(_("联系方式"), order.contact)] if order.contact else []),
        (_("下单时间"), when(order.placed_at)),
        *_waiting(order, clock.now()),
        *([(_("网络地址"), order.address)] if order.address else []),
        (_("店铺"), order.storefront),
    ]


def _waiting(order: Order, at: datetime) -> list[tuple]:
    """The times that say how long the buyer has waited, or how long there is left to pay."""
    if order.state == Order.State.UNPAID:
        return [(_("支付截止"), when(order.pay_deadline))]
    if order.state == Order.State.PAID:
        minutes = int((at - order.paid_at).total_seconds() // 60)
        return [
            (_("支付时间"), when(order.paid_at)),
            (_("已等待"), chip(waited(minutes), "danger" if at - order.paid_at > STUCK_AFTER else "warning")),
        ]
    shown = [(_("支付时间"), order.paid_at), (_("发货时间"), order.delivered_at), (_("关闭时间"), order.closed_at)]
    return [(label, when(time)) for label, time in shown if time]


def waited(minutes: int) -> str:
    if minutes < 60:
        return gettext("%(count)s 分钟") % {"count": minutes}
    if minutes < 48 * 60:
        return gettext("%(count)s 小时") % {"count": minutes // 60}
    return gettext("%(count)s 天") % {"count": minutes // (24 * 60)}


def orders_panel(user: User, viewer: User) -> Panel | None:
    """A member's newest orders, on the member's page."""
    if not viewer.has_perm("orders.view_order"):
        return None
    newest = orders_of(user).prefetch_related("lines")[:RECENT]
    rows = [
        (
            link_to(order, viewer, order.number),
            listed(line.product_title for line in order.lines.all()),
            order_chip(order),
            money(order.total),
            moment(order.placed_at),
        )
        for order in newest
    ]
    return Panel(
        title=pgettext("plural", "订单"),
        columns=[_("订单号"), _("商品"), _("状态"), _("金额"), _("下单时间")],
        rows=rows,
        links=[(_("全部订单"), f"{reverse('admin:orders_order_changelist')}?q={user.get_username()}")],
    )


def credit_panel(order: Order, viewer: User) -> Panel | None:
    """Money that a guest's order owes its buyer."""
    account = Account.objects.filter(order_id=order.pk).first()
    if account is None or not account.balance:
        return None
    links = []
    if viewer.has_perm("wallet.view_account"):
        links.append((_("账户"), reverse("admin:wallet_account_change", args=[account.pk])))
    return Panel(title=_("待买家领取的退款"), facts=[(_("余额"), money(account.balance))], links=links)


panels.add("accounts.User", orders_panel)
panels.add("orders.Order", credit_panel)
