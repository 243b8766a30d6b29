"""Ranks set beside the rules: proposed on a member's page, decided here by somebody else."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from common import clock
from common.admin import DayRangeFilter, Fact, Preview, ReadOnlyAdmin, action, allowed, ask, chip, display, when
from common.admin.confirm import Answer
from membership.admin.shown import published, tier_chip
from membership.exceptions import OverrideRefused
from membership.models import MemberTier, Override, TierDecision
from membership.selectors.rules import version_in_force
from membership.selectors.standing import decision_text
from membership.services import approve_override, end_override, propose_override, refuse_override
from membership.services.overrides import LASTS_WITHIN

Status = Override.Status
TONES = {Status.PROPOSED: "warning", Status.APPROVED: "success", Status.REFUSED: "neutral"}


def state_of(row: Override) -> SafeString:
    """The state as it matters now: an approved one ends by time or before it."""
    if row.status == Status.APPROVED and (row.ended_at is not None or row.expires_at <= clock.now()):
        return chip(_("已结束"), "neutral")
    return chip(row.get_status_display(), TONES[Status(row.status)])


def is_open(row: Override) -> bool:
    return row.status == Status.APPROVED and row.ended_at is None and row.expires_at > clock.now()


class ProposeForm(forms.Form):
    kind = forms.ChoiceField(
        label=gettext_lazy("类型"),
        choices=Override.Kind.choices,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("固定：一直是这一级；保底：至少这一级；封顶：至多这一级。"),
    )
    rank = forms.TypedChoiceField(label=gettext_lazy("等级"), coerce=int, widget=UnfoldAdminSelectWidget)
    expires_at = forms.SplitDateTimeField(label=gettext_lazy("到期时间"), widget=UnfoldAdminSplitDateTimeWidget)
    reason = forms.CharField(
        label=gettext_lazy("原因"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("审批人会看到，也会写入审计记录。"),
    )

    def __init__(self, *args: Any, member: MemberTier, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tiers = version_in_force(member.program_id, clock.now()).tiers
        self.fields["rank"].choices = [(rank, str(tier)) for rank, tier in tiers.items()]

    def clean_expires_at(self) -> Any:
        expires = self.cleaned_data["expires_at"]
        if expires <= clock.now():
            raise forms.ValidationError(_("请选一个以后的时间"))
        if expires > clock.now() + LASTS_WITHIN:
            raise forms.ValidationError(_("请选十年以内的日期"))
        return expires


def ask_to_propose(model_admin: Any, request: HttpRequest, member: MemberTier) -> HttpResponse:
    return ask(
        model_admin,
        request,
        title=_("申请调整等级"),
        form=partial(ProposeForm, member=member),
        preview=partial(_preview_proposal, member),
        run=partial(_propose, member, request.user),
        target=member,
        danger=False,
    )


def _preview_proposal(member: MemberTier, answer: Answer) -> Preview:
    data = answer.data
    return Preview(
        facts=[
            Fact(_("用户"), member.user),
            Fact(_("现在的等级"), tier_chip(member.version, member.rank)),
            Fact(Override.Kind(data["kind"]).label, _tier_name(member, data["rank"]), strong=True),
            Fact(_("到期时间"), when(data["expires_at"])),
            Fact(_("原因"), data["reason"]),
        ],
        warnings=[_("提交后等级还不会变，需要另一位同事批准；到期后自动按规则重新评定。")],
        submit=_("提交申请"),
    )


def _propose(member: MemberTier, user: User, answer: Answer) -> str:
    data = {name: answer.data[name] for name in ("kind", "rank", "expires_at", "reason")}
    propose_override(member_id=member.pk, proposer=user, at=clock.now(), **data)
    return _("已提交，等待另一位同事批准")


def _tier_name(member: MemberTier, rank: int) -> str:
    return str(version_in_force(member.program_id, clock.now()).tiers.get(rank) or rank)


class EndForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("原因"), max_length=200, widget=UnfoldAdminTextInputWidget)


@admin.register(Override)
class OverrideAdmin(ReadOnlyAdmin):
    list_display = ["shown_member", "kind", "tier", "state", "reason", "proposer", "shown_proposed", "shown_expires"]
    list_filter = ["status", "kind", ("proposed_at", DayRangeFilter)]
    list_select_related = ["member__user", "member__version", "proposer", "decider"]
    search_fields = ["=member__user__username"]
    search_help_text = gettext_lazy("按用户名精确查找")
    ordering = ["-id"]
    fields = [
        "shown_page", "kind", "tier", "state", "reason", "proposer", "shown_proposed", "decider", "shown_decided",
        "shown_starts", "shown_expires", "shown_ended", "ref",
    ]  # fmt: skip
    actions_detail = ["approve", "refuse", "end"]
    export_columns = ["id", "member", "kind", "rank", "status", "reason", "proposer", "decider", "expires_at"]
    has_decide_permission = allowed("membership.approve_override")

    def has_refuse_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who proposes may withdraw."""
        return request.user.has_perm("membership.approve_override") or request.user.has_perm(
            "membership.propose_override"
        )

    @display(description=gettext_lazy("会员"))
    def shown_member(self, row: Override) -> str:
        return str(row.member.user)

    @display(description=gettext_lazy("会员"))
    def shown_page(self, row: Override) -> SafeString:
        link = reverse("admin:membership_membertier_change", args=[row.member_id])
        return format_html('<a class="desk-link" href="{}">{}</a>', link, row.member.user)

    @display(description=gettext_lazy("等级"), ordering="rank")
    def tier(self, row: Override):
        return tier_chip(row.member.version, row.rank)

    @display(description=gettext_lazy("状态"), ordering="status")
    def state(self, row: Override):
        return state_of(row)

    @display(description=gettext_lazy("提出时间"), ordering="proposed_at")
    def shown_proposed(self, row: Override):
        return when(row.proposed_at)

    @display(description=gettext_lazy("审批时间"))
    def shown_decided(self, row: Override):
        return when(row.decided_at) or "–"

    @display(description=gettext_lazy("生效时间"))
    def shown_starts(self, row: Override):
        return when(row.starts_at) or "–"

    @display(description=gettext_lazy("到期时间"), ordering="expires_at")
    def shown_expires(self, row: Override):
        return when(row.expires_at)

    @display(description=gettext_lazy("提前结束时间"))
    def shown_ended(self, row: Override):
        return when(row.ended_at) or "–"

    @action(description=gettext_lazy("批准"), icon="check", permissions=["decide"])
    def approve(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = self.one(request, object_id)
        own = row.proposer_id == request.user.pk
        return self._ask(
            request,
            row,
            title=_("批准等级调整"),
            warning=_("提出人不能批准自己的调整") if own else _("批准后立即生效，会员会收到消息。"),
            possible=row.status == Status.PROPOSED and not own and row.expires_at > clock.now(),
            run=lambda answer: _told(approve_override(override_id=row.pk, approver=request.user, at=clock.now())),
        )

    @action(description=gettext_lazy("驳回或撤回"), icon="block", permissions=["refuse"])
    def refuse(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = self.one(request, object_id)
        own = row.proposer_id == request.user.pk
        may = own or request.user.has_perm("membership.approve_override")

        def run(answer: Answer) -> str:
            refuse_override(override_id=row.pk, decider=request.user, at=clock.now())
            return _("已撤回") if own else _("已驳回")

        return self._ask(
            request,
            row,
            title=_("撤回申请") if own else _("驳回等级调整"),
            warning=_("会员的等级不变。") if may else _("只有提出人或审批人可以这样做。"),
            possible=may and row.status == Status.PROPOSED,
            run=run if may else None,
        )

    @action(description=gettext_lazy("提前结束"), icon="event_busy", permissions=["decide"])
    def end(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = self.one(request, object_id)
        return self._ask(
            request,
            row,
            title=_("提前结束等级调整"),
            warning=_("从现在起按规则评定，等级可能马上变化。"),
            possible=is_open(row),
            form=EndForm,
            run=lambda answer: _told(
                end_override(override_id=row.pk, actor=request.user, reason=answer.data["reason"], at=clock.now())
            ),
        )

    def _ask(
        self,
        request: HttpRequest,
        row: Override,
        *,
        title: str,
        warning: str,
        possible: bool,
        run: Any,
        form: Any = None,
    ) -> HttpResponse:
        facts = [
            Fact(_("用户"), row.member.user),
            Fact(_("现在的等级"), tier_chip(row.member.version, row.member.rank)),
            Fact(row.get_kind_display(), tier_chip(row.member.version, row.rank), strong=True),
            Fact(_("到期时间"), when(row.expires_at)),
            Fact(_("原因"), row.reason),
            Fact(_("提出人"), row.proposer or "–"),
        ]
        told = warning if possible else _("现在不能这样做：%(why)s") % {"why": warning}
        preview = Preview(facts=facts, warnings=[told], possible=possible)
        return ask(
            self, request, title=title, form=form, preview=lambda answer: preview, run=run or _nothing, target=row
        )


def _nothing(answer: Answer) -> str:
    raise OverrideRefused


def _told(decision: TierDecision | None) -> str:
    if decision is None:
        return _("已完成，会员的等级没有变化")
    return decision_text(decision, published(decision.version)).title
