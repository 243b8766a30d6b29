"""What waits for staff, line by line; and refunds as a list of their own."""

from functools import partial

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from catalog.models import Review
from common import clock
from common.admin import DayRangeFilter, ReadOnlyAdmin, allowed, chip, display, moment, money
from common.admin.telling import names_of
from common.registries import Panel, panels
from common.texts import clauses
from membership.selectors import with_priority
from orders.admin.cards import stock
from orders.admin.shown import line_chip, priority_chip, refund_chip
from orders.admin.timeline import reason_of
from orders.models import OrderLine, OrderRefund
from orders.selectors import answers_of


def order_link(order_id: int, number: str) -> SafeString:
    address = reverse("admin:orders_order_change", args=[order_id])
    return format_html('<a class="desk-link desk-code" href="{}">{}</a>', address, number)


class NoPage(ReadOnlyAdmin):
    """Rows that are read in their list and worked on at their order's page. Seen by whoever sees orders."""

    list_display_links = None

    def has_view_permission(self, request: HttpRequest, obj=None) -> bool:
        return request.user.has_perm("orders.view_order")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)


@admin.register(OrderLine)
class OrderLineAdmin(NoPage):
    list_display = ["number", "goods", "bought_for", "queue", "shown_state", "progress", "waits_since", "refunded_from"]
    export_columns = ["number", "goods", "bought_for", "queue", "state", "progress", "order__paid_at", "refund_due_at"]
    # What orders hold leaves the shop by this right alone, line by line too.
    has_export_permission = allowed("orders.export_order")
    list_filter = ["state", "kind"]
    list_select_related = ["order", "product"]
    search_fields = ["=order__number", "=sku__code"]
    search_help_text = _("按订单号或商品编码精确查找")
    ordering = ["-id"]

    def get_urls(self) -> list:
        by_batch = path(
            "cards/<int:batch_id>/stock/",
            self.admin_site.admin_view(partial(stock, self)),
            name="orders_orderline_stock_cards",
        )
        return [by_batch, *super().get_urls()]

    @display(description=_("订单号"))
    def number(self, line: OrderLine):
        return order_link(line.order_id, line.order.number)

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderLine]:
        lines = super().get_queryset(request)
        return with_priority(lines, user="order__buyer", storefront="order__storefront", at=clock.now())

    @display(description=_("客服优先级"), ordering="priority")
    def queue(self, line: OrderLine):
        return priority_chip(line.priority)

    @display(description=_("商品"))
    def goods(self, line: OrderLine) -> str:
        return str(line)

    @display(description=_("购买信息"))
    def bought_for(self, line: OrderLine) -> str:
        return clauses(f"{label} {answer}" for label, answer in answers_of(line)) or "–"

    @display(description=_("状态"))
    def shown_state(self, line: OrderLine):
        return line_chip(line)

    @display(description=_("已发 / 应发"))
    def progress(self, line: OrderLine) -> str:
        return f"{line.pieces_delivered} / {line.pieces_due}"

    @display(description=_("支付时间"))
    def waits_since(self, line: OrderLine):
        return moment(line.order.paid_at) or "–"

    @display(description=_("自动退款时间"), ordering="refund_due_at")
    def refunded_from(self, line: OrderLine):
        return moment(line.refund_due_at) if line.state == OrderLine.State.SHORT else "–"


@admin.register(OrderRefund)
class OrderRefundAdmin(NoPage):
    list_display = ["shown_at", "number", "shown_amount", "shown_target", "shown_state", "shown_reason", "actor"]
    list_filter = [("at", DayRangeFilter), "target", "state"]
    list_select_related = ["order"]
    search_fields = ["=order__number", "=ref"]
    search_help_text = _("按订单号或退款编号精确查找")
    ordering = ["-id"]
    export_columns = [
        "at",
        "order",
        "amount",
        "target",
        "state",
        "returned",
        "credited",
        "settled_at",
        "shown_reason",
        "ref",
        "actor",
    ]

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None):
        response = super().changelist_view(request, extra_context)
        found = getattr(response, "context_data", {}).get("cl")
        names = names_of(refund.actor_id for refund in found.result_list) if found else {}
        for refund in found.result_list if found else []:
            refund.actor_name = names.get(refund.actor_id, "")
        return response

    @display(description=_("时间"))
    def shown_at(self, refund: OrderRefund):
        return moment(refund.at)

    @display(description=_("订单号"))
    def number(self, refund: OrderRefund):
        return order_link(refund.order_id, refund.order.number)

    @display(description=_("金额"))
    def shown_amount(self, refund: OrderRefund):
        return money(refund.amount)

    @display(description=_("退至"))
    def shown_target(self, refund: OrderRefund):
        return chip(refund.get_target_display())

    @display(description=_("状态"))
    def shown_state(self, refund: OrderRefund):
        return refund_chip(refund)

    @display(description=_("原因"))
    def shown_reason(self, refund: OrderRefund) -> str:
        return reason_of(refund)

    @display(description=_("操作者"))
    def actor(self, refund: OrderRefund) -> str:
        if refund.actor_id is None:
            return "–"
        return getattr(refund, "actor_name", "") or f"#{refund.actor_id}"


def order_panel(review: Review, viewer: User) -> Panel | None:
    """The order behind a review, on the review's page, for those who may see orders."""
    line = OrderLine.objects.select_related("order").filter(pk=review.ticket.line_id).first()
    if line is None or not viewer.has_perm("orders.view_order"):
        return None
    facts = [
        (_("订单号"), order_link(line.order_id, line.order.number)),
        (_("商品"), str(line)),
        (_("状态"), line_chip(line)),
        (_("实付小计"), money(line.cash)),
        (_("已退"), money(line.refunded)),
    ]
    return Panel(title=_("订单"), facts=facts)


panels.add("catalog.Review", order_panel)
