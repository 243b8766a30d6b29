"""The outbox, for people: what was told, who has still to hear of it, and what keeps failing."""

import json
from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from common import clock
from common.admin import (
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    action,
    allowed,
    ask,
    chip,
    display,
    when,
)
from common.registries import act_names, record_act
from events.models import Delivery, Event
from events.services import retry_parked

SHOWN = 10
act_names["events.retry"] = _("重新投递事件")
TONES = {Delivery.State.PENDING: "info", Delivery.State.DONE: "success", Delivery.State.PARKED: "danger"}


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["number", "kind", "shown_at", "fanned_out"]
    export_columns = ["number", "kind", "occurred_at", "fanned_out_at"]
    list_filter = [("occurred_at", DayRangeFilter)]
    search_fields = ["=kind", "=id"]
    search_help_text = _("按事件类型（例如 order.paid）或编号精确查找")
    ordering = ["-id"]
    fields = ["number", "kind", "version", "shown_at", "fanned_out", "content"]

    @display(description=_("编号"), ordering="id")
    def number(self, event: Event) -> int:
        return event.pk

    @display(description=_("发生时间"))
    def shown_at(self, event: Event):
        return when(event.occurred_at)

    @display(description=_("分发时间"))
    def fanned_out(self, event: Event):
        return when(event.fanned_out_at) or chip(_("尚未分发"), "warning")

    @display(description=_("内容"))
    def content(self, event: Event):
        return shown_payload(event)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["number", "shown_state", "subscriber", "kind", "attempts", "next_try", "last_error"]
    export_columns = ["number", "state", "subscriber", "kind", "attempts", "next_try", "last_error"]
    list_filter = ["state"]
    search_fields = ["=subscriber", "=event__kind", "=event__id"]
    search_help_text = _("按订阅者、事件类型或事件编号精确查找")
    list_select_related = ["event"]
    ordering = ["-id"]
    actions = ["retry_selected"]
    actions_detail = ["retry"]
    fields = ["number", "shown_state", "subscriber", "kind", "attempts", "next_try", "done", "last_error", "content"]
    has_retry_permission = allowed("events.retry_delivery")

    @display(description=_("编号"), ordering="id")
    def number(self, delivery: Delivery) -> int:
        return delivery.pk

    @display(description=_("状态"))
    def shown_state(self, delivery: Delivery):
        return chip(delivery.get_state_display(), TONES[delivery.state])

    @display(description=_("事件"))
    def kind(self, delivery: Delivery) -> str:
        return f"{delivery.event.kind} #{delivery.event_id}"

    @display(description=_("下次尝试"))
    def next_try(self, delivery: Delivery):
        return when(delivery.not_before) if delivery.state == Delivery.State.PENDING else "–"

    @display(description=_("完成时间"))
    def done(self, delivery: Delivery):
        return when(delivery.done_at) or "–"

    @display(description=_("内容"))
    def content(self, delivery: Delivery):
        return shown_payload(delivery.event)

    @admin.action(description=_("重新投递"), permissions=["retry"])
    def retry_selected(self, request: HttpRequest, rows: QuerySet[Delivery]) -> HttpResponse:
        return self._ask(request, rows)

    @action(description=_("重新投递"), icon="replay", permissions=["retry"])
    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        delivery = self.one(request, object_id)
        return self._ask(request, Delivery.objects.filter(pk=delivery.pk), delivery)

    def fitting_acts(self, delivery: Delivery, user: Any) -> Collection[str]:
        return self.actions_detail if delivery.state == Delivery.State.PARKED else []

    def _ask(self, request: HttpRequest, rows: QuerySet[Delivery], one: Delivery | None = None) -> HttpResponse:
        parked = rows.filter(state=Delivery.State.PARKED).select_related("event").order_by("pk")
        return ask(
            self,
            request,
            title=_("重新投递"),
            preview=lambda answer: self._preview(rows.count(), list(parked)),
            run=lambda answer: self._retry(request, [row.pk for row in parked]),
            target=one,
            danger=False,
        )

    @staticmethod
    def _preview(chosen: int, parked: list[Delivery]) -> Preview:
        return Preview(
            facts=[
                Fact(_("将重新投递"), len(parked), strong=True),
                Fact(_("不在搁置状态，略过"), chosen - len(parked)),
            ],
            columns=[_("订阅者"), _("事件"), _("最近的错误")],
            rows=[(row.subscriber, f"{row.event.kind} #{row.event_id}", row.last_error) for row in parked[:SHOWN]],
            more=max(0, len(parked) - SHOWN),
            warnings=[] if parked else [_("所选投递都不在搁置状态，无需重试。")],
            possible=bool(parked),
        )

    @staticmethod
    def _retry(request: HttpRequest, ids: list[int]) -> str:
        with transaction.atomic():
            count = retry_parked(delivery_ids=ids)
            record_act(
                action="events.retry",
                at=clock.now(),
                actor=request.user,
                target_type=Delivery._meta.label,
                target_id=ids[0] if len(ids) == 1 else "",
                detail={"ids": ids[:100], "count": count},
                address=request.client_address,
            )
        return ngettext("已重新排队 %(count)s 条投递。", "已重新排队 %(count)s 条投递。", count) % {"count": count}


def shown_payload(event: Event):
    return format_html('<pre class="desk-json">{}</pre>', json.dumps(event.payload, ensure_ascii=False, indent=2))
