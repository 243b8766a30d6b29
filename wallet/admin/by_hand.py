"""What was done with money by one person's word, and what waits for a second."""

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.db.models import BigIntegerField, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, NullIf
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.models import Approval
from audit.selectors import history_of
from common.admin import (
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    ReasonForm,
    action,
    allowed,
    ask,
    chip,
    display,
    money,
    when,
)
from common.admin.confirm import Answer
from common.registries import act_names, timelines
from wallet.models import ByHand, ByHandApproval
from wallet.services import approve_by_hand, hands, refuse_by_hand

act_names[hands.KIND] = _("大额手工款项")
act_names[hands.ALONE] = _("无人可复核的大额手工款项")
timelines.add("wallet.ByHandApproval", lambda approval, viewer: history_of(Approval.objects.get(pk=approval.pk)))


def with_owner(rows: QuerySet, number: str) -> QuerySet:
    """The rows with `owner_name`, what the member of this number is called today: nothing that tells of them is stored."""
    name = Coalesce(NullIf(F("display_name"), Value("")), F("username"))
    return rows.annotate(owner_name=Subquery(User.objects.filter(pk=OuterRef(number)).values_list(name)[:1]))


@admin.register(ByHand)
class ByHandAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "act", "shown_amount", "target", "owner", "actor", "seconded"]
    list_filter = ["act", ("at", DayRangeFilter)]
    list_select_related = ["actor"]
    search_fields = ["^actor__username", "=ref"]
    search_help_text = _("按操作者的开头或业务编号精确查找")
    ordering = ["-id"]
    fields = ["shown_at", "act", "shown_amount", "target", "owner", "actor", "ref", "seconded"]
    export_columns = ["at", "act", "amount", "target", "owner", "actor", "ref", "approval_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ByHand]:
        return with_owner(super().get_queryset(request), "owner_id")

    @display(description=_("归属"))
    def owner(self, row: ByHand) -> str:
        return row.owner_name or "–"

    @display(description=_("时间"), ordering="at")
    def shown_at(self, row: ByHand):
        return when(row.at)

    @display(description=_("金额"), ordering="amount")
    def shown_amount(self, row: ByHand):
        return money(row.amount)

    @display(description=_("复核申请"))
    def seconded(self, row: ByHand) -> str:
        return f"#{row.approval_id}" if row.approval_id else "–"


@admin.register(ByHandApproval)
class ByHandApprovalAdmin(ReadOnlyAdmin):
    list_display = [
        "number",
        "act",
        "shown_amount",
        "what",
        "goes_to",
        "shown_reason",
        "asked_by",
        "asked",
        "decided_by",
        "state_chip",
    ]
    list_display_links = ["number"]
    list_filter = ["state", ("asked_at", DayRangeFilter)]
    search_fields = ["=asked_by", "=decided_by"]
    search_help_text = _("按申请人或复核人精确查找")
    ordering = ["-id"]
    fields = [
        "act",
        "shown_amount",
        "what",
        "goes_to",
        "shown_reason",
        "state_chip",
        "asked_by",
        "asked",
        "decided_by",
        "ends",
    ]
    export_columns = [
        "id",
        "act",
        "amount",
        "what",
        "goes_to",
        "reason",
        "asked_by",
        "asked_at",
        "decided_by",
        "decided_at",
        "state",
    ]
    actions_detail = ["approve", "refuse"]
    has_decide_permission = allowed(hands.MAY_APPROVE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ByHandApproval]:
        asked = super().get_queryset(request).filter(kind=hands.KIND)
        number = Cast(KeyTextTransform("owner", "detail"), BigIntegerField())
        return with_owner(asked.annotate(owner_number=number), "owner_number")

    def fitting_acts(self, approval: ByHandApproval, user: User) -> Collection[str]:
        waits = approval.state == Approval.State.ASKED and user.pk not in (approval.asked_by_id, approval.owner_id)
        return self.actions_detail if waits else []

    @display(description=_("申请"), ordering="id")
    def number(self, approval: ByHandApproval) -> str:
        return f"#{approval.pk}"

    @display(description=_("操作"))
    def act(self, approval: ByHandApproval) -> str:
        return approval.act

    @display(description=_("金额"))
    def shown_amount(self, approval: ByHandApproval):
        return money(approval.amount)

    @display(description=_("对象"))
    def what(self, approval: ByHandApproval) -> str:
        return approval.what

    @display(description=_("归属"))
    def goes_to(self, approval: ByHandApproval) -> str:
        """Which member and which order: what the second person agrees to, and what may be done then."""
        return " · ".join(filter(None, [approval.owner_name, approval.order])) or "–"

    @display(description=_("原因"))
    def shown_reason(self, approval: ByHandApproval) -> str:
        return approval.reason

    @display(description=_("状态"), ordering="state")
    def state_chip(self, approval: ByHandApproval):
        return chip(approval.get_state_display(), approval.tone)

    @display(description=_("申请时间"))
    def asked(self, approval: ByHandApproval):
        return when(approval.asked_at)

    @display(description=_("截止时间"))
    def ends(self, approval: ByHandApproval):
        return when(approval.ends_at)

    def _facts(self, approval: ByHandApproval) -> list[Fact]:
        return [
            Fact(_("操作"), approval.act),
            Fact(_("金额"), money(approval.amount), strong=True),
            Fact(_("对象"), approval.what),
            Fact(_("归属"), self.goes_to(approval)),
            Fact(_("申请人"), approval.asked_by),
            Fact(_("原因"), approval.reason),
        ]

    @action(description=_("批准"), icon="check", permissions=["decide"])
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        approval = self.one(request, object_id)

        def run(answer: Answer) -> str:
            approve_by_hand(approval_id=approval.pk, actor=request.user, address=request.client_address)
            return gettext("已批准，申请人一天内可以办理。")

        preview = Preview(
            facts=self._facts(approval),
            warnings=[_("批准后由申请人按同样的内容再做一次，款项才会变动。")],
            submit=_("批准"),
        )
        return self._asked(request, approval, _("批准大额手工款项"), preview, run)

    @action(description=_("拒绝"), icon="block", permissions=["decide"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        approval = self.one(request, object_id)

        def run(answer: Answer) -> str:
            reason = answer.data["reason"]
            refuse_by_hand(approval_id=approval.pk, reason=reason, actor=request.user, address=request.client_address)
            return gettext("已拒绝。")

        preview = Preview(facts=self._facts(approval), submit=_("拒绝"))
        return self._asked(request, approval, _("拒绝大额手工款项"), preview, run, ReasonForm)

    def _asked(self, request: HttpRequest, approval: ByHandApproval, title: Any, preview: Preview, run, form=None):
        return ask(self, request, title=title, form=form, preview=lambda answer: preview, run=run, target=approval)
