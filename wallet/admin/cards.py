"""One card's story. A whole code that somebody holds in hand is found by the search; no page shows one."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from common.admin import (
    DayRangeFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    chip,
    display,
    money,
    when,
)
from wallet.models import Card, CardMove
from wallet.selectors import card_with_code

CARD_TONES = {
    Card.State.ISSUED: "info",
    Card.State.REDEEMED: "success",
    Card.State.VOIDED: "danger",
    Card.State.EXPIRED: "neutral",
}


class MoveInline(ReadOnlyInline):
    model = CardMove
    fields = ["shown_at", "from_state", "to_state", "note"]
    verbose_name_plural = pgettext_lazy("plural", "状态记录")

    @display(description=_("时间"))
    def shown_at(self, move: CardMove):
        return when(move.at)


@admin.register(Card)
class CardAdmin(ReadOnlyAdmin):
    list_display = ["shown_number", "shown_batch", "face", "shown_state", "redeemed_by", "redeemed"]
    list_filter = ["state", ("redeemed_at", DayRangeFilter)]
    list_select_related = ["batch", "redeemed_by"]
    search_fields = ["redeemed_by__username"]
    search_help_text = _("输入完整卡号查这张卡，或按兑换人用户名开头查找")
    ordering = ["-id"]
    fields = [("shown_batch", "number"), "face", "shown_state", ("redeemed_by", "redeemed")]
    inlines = [MoveInline]
    linked_lookups = ["batch__id__exact"]
    export_columns = ["batch", "number", "face", "state", "redeemed_by", "redeemed_at"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        term = term.strip()
        if not term:
            return queryset, False
        card = card_with_code(term)
        found = queryset.filter(pk=card.pk) if card else queryset.filter(redeemed_by__username__istartswith=term)
        return found, False

    @display(description=_("序号"))
    def shown_number(self, card: Card) -> str:
        return str(card)

    @display(description=_("卡券批次"))
    def shown_batch(self, card: Card) -> str:
        return card.batch.name

    @display(description=_("面值"))
    def face(self, card: Card):
        return money(card.batch.face_value)

    @display(description=_("状态"))
    def shown_state(self, card: Card):
        return chip(card.get_state_display(), CARD_TONES[Card.State(card.state)])

    @display(description=_("兑换时间"))
    def redeemed(self, card: Card):
        return when(card.redeemed_at) or "–"
