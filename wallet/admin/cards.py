"""One card's story. A whole code that somebody holds in hand is found by the search; no page shows one."""

from collections.abc import Collection

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin import (
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    allowed,
    ask,
    chip,
    display,
    money,
    when,
)
from common.admin.confirm import Answer
from common.registries import act_names
from wallet.admin.forms import ReasonForm
from wallet.exceptions import Moved
from wallet.models import Card, CardMove
from wallet.selectors import balance_of, card_with_code
from wallet.services import take_back_card
from wallet.services.redeeming import TAKE_BACK

act_names[TAKE_BACK] = _("收回卡券余额")

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
    actions_detail = ["take_back"]
    has_void_permission = allowed("wallet.void_cards")

    def fitting_acts(self, card: Card, user: User) -> Collection[str]:
        return self.actions_detail if card.state == Card.State.REDEEMED and card.redeemed_by_id != user.pk else []

    @action(description=_("收回余额"), url_path="take-back", icon="undo", permissions=["void"])
    def take_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        card = self.one(request, object_id)

        def preview(answer: Answer) -> Preview:
            member, amount = card.redeemed_by, card.batch.face_value
            if member is None:
                return Preview(warnings=[Moved.message], possible=False)
            balance = balance_of(member)
            return Preview(
                facts=[
                    Fact(_("卡券"), str(card)),
                    Fact(_("面值"), money(amount), strong=True),
                    Fact(_("兑换人"), member.get_username()),
                    Fact(_("余额"), money(balance - amount), was=money(balance)),
                    Fact(_("原因"), answer.data["reason"]),
                ],
                warnings=[_("面值从会员余额扣回，卡随即作废；之后可以退这张卡的钱。")]
                if balance >= amount
                else [_("会员余额不足，不能收回。")],
                possible=balance >= amount,
                submit=gettext("确认收回 ¥%(amount)s") % {"amount": amount},
            )

        def run(answer: Answer) -> str:
            take_back_card(
                card_id=card.pk, reason=answer.data["reason"], actor=request.user, address=request.client_address
            )
            return gettext("已收回 ¥%(amount)s。") % {"amount": card.batch.face_value}

        return ask(self, request, title=_("收回余额"), form=ReasonForm, preview=preview, run=run, target=card)

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
