"""After-sale at the desk: the list in the order in which it is worked on, one case's page, and what the operator sets."""

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.selectors import history_of
from common import clock
from common.admin import (
    DayRangeFilter,
    ModelAdmin,
    ReadOnlyAdmin,
    allowed,
    chip,
    display,
    link_to,
    moment,
    money,
    sub,
    when,
)
from common.registries import Panel, TimelineEntry, act_names, panels, timelines
from membership.selectors import with_priority
from orders.admin.card_state import card_told, cards_by_key
from orders.admin.dispute_acts import DisputeActs, fitting
from orders.admin.shown import dispute_chip, line_chip, priority_chip
from orders.models import Dispute, DisputeMove, DisputeRules, Order
from orders.selectors import CAUSES, disputes_of_order, picture_of, reported_of, story_of
from orders.services import open_picture, refundable_of
from orders.services.disputes.answering import ANSWER, ASK
from orders.services.disputes.buying import INSTEAD
from orders.services.disputes.deciding import DECIDE

act_names.update({DECIDE: _("裁定售后"), ANSWER: _("卖家答复售后"), ASK: _("询问售后买家"), INSTEAD: _("售后改为退款")})
RECENT = 8
_NUMBER = re.compile(r"[SsKk]\d{1,18}")
ICONS = {
    "opened": ("report", "warning"),
    "answered": ("reply", "info"),
    "seller_silent": ("timer_off", "warning"),
    "asked": ("contact_support", "info"),
    "added": ("add_comment", ""),
    "decided": ("gavel", "success"),
    "restocked": ("autorenew", "success"),
    "appealed": ("front_hand", "warning"),
    "restock_time_over": ("undo", "danger"),
    "money_instead": ("undo", "danger"),
}


class TurnFilter(admin.SimpleListFilter):
    """`?turn=desk` (staff have the next word), `overdue`, `today` (due by midnight), or `open`. The board links here."""

    title = _("待办")
    parameter_name = "turn"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("desk", _("等员工处理")),
            ("overdue", _("已超时")),
            ("today", _("今天到期")),
            ("mine", _("我能裁定的")),
            ("open", _("未结束")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> QuerySet[Dispute]:
        at = clock.now()
        at_desk = queryset.filter(desk_due_at__isnull=False)
        if self.value() == "desk":
            return at_desk
        if self.value() == "overdue":
            return at_desk.filter(desk_due_at__lte=at)
        if self.value() == "today":
            return at_desk.filter(desk_due_at__lt=clock.today_range(at)[1])
        if self.value() == "mine":
            others = Q(state=Dispute.State.APPEALED, decided_by_id=request.user.pk, desk_due_at__gt=at)
            return at_desk.exclude(others | Q(order__buyer=request.user))
        if self.value() == "open":
            return queryset.filter(state__in=Dispute.OPEN)
        return queryset


class ProductFilter(admin.SimpleListFilter):
    """The products that most cases of the last time are about; an address may name any other by its number."""

    title = _("商品")
    parameter_name = "product"
    OFFERED = 20
    LOOKED_AT = 2000

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        newest = Dispute.objects.order_by("-pk").values("pk")[: self.LOOKED_AT]
        counted = (
            Dispute.objects.filter(pk__in=newest)
            .values_list("line__product_id", "line__product__name")
            .annotate(count=Count("pk"))
            .order_by("-count", "line__product_id")
        )
        offered = [(str(pk), f"{name} ({count})") for pk, name, count in counted[: self.OFFERED]]
        asked = request.GET.get(self.parameter_name, "")
        return offered if not asked or asked in dict(offered) else [*offered, (asked, f"#{asked}")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> QuerySet[Dispute]:
        value = self.value() or ""
        return queryset.filter(line__product_id=int(value)) if value.isdecimal() and len(value) < 19 else queryset


@admin.register(Dispute)
class DisputeAdmin(DisputeActs, ReadOnlyAdmin):
    list_display = ["shown_number", "goods", "who", "queue", "shown_state", "shown_due"]
    list_display_links = ["shown_number"]
    list_filter = [
        TurnFilter,
        "state",
        "reason",
        "wish",
        "outcome",
        ProductFilter,
        "is_abusive",
        ("opened_at", DayRangeFilter),
        ("due_at", DayRangeFilter),
    ]
    list_select_related = ["order__buyer", "line"]
    search_fields = ["number", "order__number", "order__buyer__username"]
    search_help_text = _("按售后单号、订单号（可只填开头），或买家用户名、联系方式查找")
    # First come, first served: every case has the same time, so whoever waits longest is due first. The tier says who is
    # answered first where it promises that (its own column), and never moves a deadline.
    ordering = ["desk_due_at", "-id"]
    fields: list[str] = []
    actions = ["replace_chosen", "refund_chosen", "reject_chosen"]
    actions_detail = [
        "replace",
        "refund_all",
        "refund_part",
        "reject",
        "answer",
        "ask_buyer",
        "money_instead",
    ]
    change_form_template = "orders/admin/dispute.html"
    export_columns = [
        "number",
        "order",
        "line",
        "reason",
        "text",
        "wish",
        "state",
        "outcome",
        "verdict",
        "refunded",
        "is_abusive",
        "opened_at",
        "due_at",
        "decided_at",
        "appealed_at",
        "closed_at",
    ]
    has_export_permission = allowed("orders.export_dispute")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dispute]:
        rows = super().get_queryset(request).prefetch_related("pieces")
        return with_priority(rows, user="order__buyer", storefront="order__storefront", at=clock.now())

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        """The number of a case or an order or its beginning, else the buyer's name or contact; all by index."""
        term = term.strip()
        if not term:
            return queryset, False
        if _NUMBER.fullmatch(term):
            field = "number" if term[0] in "Ss" else "order__number"
            return queryset.filter(**{f"{field}__startswith": term.upper()}), False
        orders = Order.objects.filter(Q(contact=term) | Q(buyer__username=term), disputes__isnull=False)
        return queryset.filter(order__in=orders.values("pk")), False

    def get_urls(self) -> list:
        picture = path(
            "<int:object_id>/pictures/<str:public_id>/",
            self.admin_site.admin_view(self.picture),
            name="orders_dispute_picture",
        )
        return [picture, *super().get_urls()]

    def picture(self, request: HttpRequest, object_id: int, public_id: str) -> HttpResponse:
        """What somebody added as evidence, for whoever may see cases."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        dispute = self.one(request, object_id)
        return picture_answer(open_picture(picture_of(dispute, public_id)))

    def fitting_acts(self, dispute: Dispute, user: User) -> Collection[str]:
        return fitting(dispute, user)

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None) -> HttpResponse:
        if obj is not None:
            context.update(page_of(obj, request.user))
        return super().render_change_form(request, context, add, change, form_url, obj)

    @display(description=_("售后单"), ordering="id")
    def shown_number(self, dispute: Dispute) -> SafeString:
        return format_html('<span class="desk-code">{}</span><br>{}', dispute.number, sub(moment(dispute.opened_at)))

    @display(description=_("商品与问题"))
    def goods(self, dispute: Dispute) -> SafeString:
        told = gettext("%(reason)s · %(count)s 件") % {
            "reason": dispute.get_reason_display(),
            "count": len(dispute.pieces.all()),
        }
        return format_html('<span class="desk-cut">{}</span><br>{}', dispute.line.product_title, sub(told))

    @display(description=_("买家"))
    def who(self, dispute: Dispute) -> str:
        order = dispute.order
        return order.buyer.get_username() if order.buyer else order.contact or gettext("游客")

    @display(description=_("客服优先级"), ordering="priority")
    def queue(self, dispute: Dispute):
        return priority_chip(dispute.priority)

    @display(description=_("状态"), ordering="state")
    def shown_state(self, dispute: Dispute) -> SafeString:
        if not dispute.outcome:
            return dispute_chip(dispute)
        return format_html("{}<br>{}", dispute_chip(dispute), sub(dispute.get_outcome_display()))

    @display(description=_("截止"), ordering="desk_due_at")
    def shown_due(self, dispute: Dispute) -> SafeString | str:
        return due_of(dispute, clock.now())


def picture_answer(content: bytes) -> HttpResponse:
    """A picture that no cache keeps and no page takes for anything else."""
    answer = HttpResponse(content, content_type="image/webp")
    answer["Cache-Control"] = "no-store, private"
    answer["Content-Disposition"] = "inline"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def due_of(dispute: Dispute, at: datetime) -> SafeString | str:
    if dispute.desk_due_at is None:
        return moment(dispute.due_at) or "–"
    left = dispute.desk_due_at - at
    if left.total_seconds() <= 0:
        told = chip(gettext("超时 %(time)s") % {"time": _span(-left.total_seconds())}, "danger")
    else:
        tone = "warning" if left.total_seconds() < 4 * 3600 else "neutral"
        told = chip(gettext("还剩 %(time)s") % {"time": _span(left.total_seconds())}, tone)
    return format_html("{}<br>{}", told, sub(moment(dispute.desk_due_at)))


def _span(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 60:
        return gettext("%(count)s 分钟") % {"count": minutes}
    if minutes < 48 * 60:
        return gettext("%(count)s 小时") % {"count": minutes // 60}
    return gettext("%(count)s 天") % {"count": minutes // (24 * 60)}


def page_of(dispute: Dispute, viewer: User) -> dict:
    """What the case's own page shows besides boxes and timeline."""
    order = dispute.order
    pieces = reported_of(dispute)
    cards = cards_by_key(key for piece in pieces for key in (piece.key, piece.replacement))
    return {
        "dispute": dispute,
        "facts": [
            (_("状态"), dispute_chip(dispute)),
            *([(_("截止"), due_of(dispute, clock.now()))] if dispute.due_at else []),
            (_("问题"), dispute.get_reason_display()),
            (_("买家希望"), dispute.get_wish_display()),
            (_("买家希望退到"), dispute.get_route_display()),
            *([(_("卖家愿意"), dispute.get_proposal_display())] if dispute.proposal else []),
            *([(_("结果"), dispute.get_outcome_display())] if dispute.outcome else []),
            *([(_("复核"), chip(_("由原裁定人复核"), "warning"))] if dispute.is_alone else []),
            *([(_("恶意售后"), chip(_("是"), "danger"))] if dispute.is_abusive else []),
            (_("已退"), money(dispute.refunded)),
            (_("还可退"), money(refundable_of(dispute))),
            (_("订单"), link_to(order, viewer, order.number)),
            (_("商品"), link_to(dispute.line.product, viewer, str(dispute.line))),
            (_("订单商品状态"), line_chip(dispute.line)),
            (_("买家"), link_to(order.buyer, viewer, order.buyer.get_username()) if order.buyer else _("游客")),
            *([(_("联系方式"), order.contact)] if order.contact else []),
            (_("发货时间"), when(dispute.line.delivered_at)),
            (_("质保截止"), when(dispute.line.settles_at) if dispute.line.warranty_days else _("无质保")),
        ],
        "pieces": [
            {
                "piece": piece,
                "cards": [card_told(cards[pk], viewer) for pk in (piece.key_id, piece.replacement_id) if pk in cards],
            }
            for piece in pieces
        ],
        "story": [
            {
                "move": move,
                "title": CAUSES.get(move.cause, move.cause),
                "pictures": list(move.pictures.all()),
            }
            for move in story_of(dispute)
            if move.text or move.pictures.all()
        ],
    }


def moves_of(dispute: Dispute, viewer: User) -> Iterable[TimelineEntry]:
    """Moves and decisions; what was said stands in the page itself."""
    for move in dispute.moves.all():
        icon, tone = ICONS.get(move.cause, ("circle", ""))
        facts = []
        if move.outcome:
            facts.append((_("结果") if move.cause != "answered" else _("卖家愿意"), move.get_outcome_display()))
        if move.amount is not None:
            facts.append((_("金额"), f"¥{move.amount:,}"))
        yield TimelineEntry(
            at=move.at,
            title=CAUSES.get(move.cause, move.cause),
            icon=icon,
            tone="danger" if move.outcome == Dispute.Outcome.REJECT and move.cause == "decided" else tone,
            detail=move.text if move.party != DisputeMove.Party.BUYER else "",
            actor_id=move.actor_id,
            facts=tuple(facts),
        )


def looks_of(dispute: Dispute, viewer: User) -> Iterable[TimelineEntry]:
    return history_of(dispute, but=[DECIDE, ANSWER, ASK, INSTEAD])


timelines.add("orders.Dispute", moves_of)
timelines.add("orders.Dispute", looks_of)


def _panel(disputes: list[Dispute], viewer: User, links: list[tuple[Any, str]]) -> Panel | None:
    if not disputes or not viewer.has_perm("orders.view_dispute"):
        return None
    return Panel(
        title=pgettext("plural", "售后单"),
        columns=[_("售后单"), _("问题"), _("状态"), _("结果"), _("提交时间")],
        rows=[
            (
                link_to(one, viewer, one.number),
                one.get_reason_display(),
                dispute_chip(one),
                one.get_outcome_display() or "–",
                moment(one.opened_at),
            )
            for one in disputes
        ],
        links=links,
    )


def order_panel(order: Order, viewer: User) -> Panel | None:
    """The cases about an order, on the order's page."""
    return _panel(disputes_of_order(order), viewer, [])


def member_panel(user: User, viewer: User) -> Panel | None:
    """A member's newest cases, on the member's page: who complains how often, and how it ended."""
    newest = list(Dispute.objects.filter(order__buyer=user).order_by("-pk")[:RECENT])
    address = f"{reverse('admin:orders_dispute_changelist')}?q={user.get_username()}"
    return _panel(newest, viewer, [(_("全部售后"), address)])


panels.add("orders.Order", order_panel)
panels.add("accounts.User", member_panel)


@admin.register(DisputeRules)
class DisputeRulesAdmin(ModelAdmin):
    fieldsets = [
        (_("时限"), {"fields": [("seller_hours", "operator_hours"), ("appeal_hours", "restock_hours")]}),
        (_("可以报告什么"), {"fields": ["no_warranty_hours", ("max_pictures", "max_picture_mb")]}),
    ]
    list_display = ["__str__", "seller_hours", "operator_hours", "appeal_hours", "restock_hours", "no_warranty_hours"]
    list_filter = ["seller_hours"]
    export_columns = list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
