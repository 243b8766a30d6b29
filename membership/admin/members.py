"""Members and the decisions about them."""

from functools import partial

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from common import clock
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
    when,
)
from common.admin.confirm import Answer
from common.queue import send
from common.registries import admin_inlines
from common.texts import clauses
from membership.admin.marks import ask_to_clear, ask_to_flag
from membership.admin.one_member import member_page
from membership.admin.overrides import ask_to_propose
from membership.admin.reputation import ask_to_record, ask_to_take_back
from membership.admin.shown import CAUSE_TONES, decision_findings, findings_table, published, tier_chip
from membership.models import MemberTier, Recalculation, TierDecision
from membership.selectors.decisions import decision_text
from membership.selectors.standing import stored_findings, stored_todo
from membership.services import evaluate_member
from membership.services.rules import RECALCULATE


def _change(decision: TierDecision) -> SafeString:
    before = tier_chip(decision.version, decision.from_rank)
    return format_html("{} → {}", before, tier_chip(decision.version, decision.to_rank))


def _cause(decision: TierDecision) -> SafeString:
    return chip(decision.get_cause_display(), CAUSE_TONES.get(TierDecision.Cause(decision.cause), "neutral"))


class DecisionInline(ReadOnlyInline):
    model = TierDecision
    hide_title = True
    fields = ["shown_at", "change", "shown_cause", "why"]
    ordering = ["-id"]
    verbose_name_plural = pgettext_lazy("plural", "等级变更记录")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("version__program")

    @display(description=gettext_lazy("时间"))
    def shown_at(self, decision: TierDecision):
        return when(decision.at)

    @display(description=gettext_lazy("变更"))
    def change(self, decision: TierDecision) -> SafeString:
        return _change(decision)

    @display(description=gettext_lazy("原因"))
    def shown_cause(self, decision: TierDecision) -> SafeString:
        return _cause(decision)

    @display(description=gettext_lazy("依据"))
    def why(self, decision: TierDecision) -> SafeString:
        link = reverse("admin:membership_tierdecision_change", args=[decision.pk])
        text = clauses(decision_text(decision, published(decision.version)).reasons) or _("查看依据")
        return format_html('<a class="desk-link" href="{}">{}</a>', link, text)


BESIDE_FACTS = {f"membership_membertier_{name}" for name in ("flag", "clear", "open_activity")}


@admin.register(MemberTier)
class MemberTierAdmin(ReadOnlyAdmin):
    list_display = ["shown_user", "program", "tier", "shown_since", "todo", "shown_evaluated"]
    list_filter = ["program", "rank", ("since", DayRangeFilter)]
    list_select_related = ["user", "program", "version"]
    search_fields = ["=user__username", "=user__email", "=user__phone"]
    search_help_text = gettext_lazy("按用户名、邮箱或手机号精确查找")
    ordering = ["-id"]
    fields = ["shown_user", "program", "tier", "shown_since", "todo", "shown_evaluated", "shown_check", "version", "findings"]  # fmt: skip
    inlines = [DecisionInline]
    change_form_outer_after_template = "membership/admin/member.html"
    actions_detail = ["evaluate", "propose", "reputation", "take_back", "flag", "clear", "open_activity"]
    export_columns = ["user", "program", "rank", "since", "evaluated_at"]
    has_evaluate_permission = allowed("membership.evaluate_member")
    has_activity_permission = allowed("membership.view_activity")
    has_propose_permission = allowed("membership.propose_override")
    has_flag_permission = allowed("membership.flag_activity")
    has_reputation_permission = allowed("membership.record_reputation")

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None) -> HttpResponse:
        if obj is not None:
            context |= member_page(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    @display(description=gettext_lazy("用户"))
    def shown_user(self, member: MemberTier) -> str:
        return str(member.user)

    @display(description=gettext_lazy("等级"), ordering="rank")
    def tier(self, member: MemberTier):
        return tier_chip(member.version, member.rank)

    @display(description=gettext_lazy("达到时间"), ordering="since")
    def shown_since(self, member: MemberTier):
        return when(member.since)

    @display(description=gettext_lazy("评定时间"))
    def shown_evaluated(self, member: MemberTier):
        return when(member.evaluated_at)

    @display(description=gettext_lazy("下次检查"))
    def shown_check(self, member: MemberTier):
        return when(member.next_check_at) or "–"

    @display(description=gettext_lazy("距下一级"))
    def todo(self, member: MemberTier) -> str:
        return stored_todo(member) or _("已是最高等级")

    @display(description=gettext_lazy("全部条件"))
    def findings(self, member: MemberTier) -> SafeString:
        return findings_table(stored_findings(member, published(member.version)))

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list:
        """What is done with facts is offered beside them, to whoever sees them there."""
        offered = super().get_actions_detail(request, object_id)
        if not self.has_activity_permission(request):
            return offered
        return [one for one in offered if one.action_name not in BESIDE_FACTS]

    @action(description=pgettext_lazy("act", "重新评定"), icon="refresh", permissions=["evaluate"])
    def evaluate(self, request: HttpRequest, object_id: int) -> HttpResponse:
        member = self.one(request, object_id)
        return ask(
            self,
            request,
            title=pgettext("act", "重新评定"),
            preview=partial(self._preview, member),
            run=partial(self._evaluate, member),
            target=member,
            danger=False,
        )

    @staticmethod
    def _preview(member: MemberTier, answer: Answer) -> Preview:
        facts = [Fact(_("用户"), member.user), Fact(_("现在的等级"), tier_chip(member.version, member.rank))]
        note = _("按现行规则从该会员的第一天起重新推算，结果与理由会存为一条记录；没有变化则只更新评定时间。")
        return Preview(facts=facts, warnings=[note])

    @staticmethod
    def _evaluate(member: MemberTier, answer: Answer) -> str:
        decision = evaluate_member(member_id=member.pk, at=clock.now(), refold=True)
        if decision is None:
            return _("已重新评定，等级没有变化")
        return decision_text(decision, published(decision.version)).title

    @action(description=gettext_lazy("申请调整等级"), icon="tune", permissions=["propose"])
    def propose(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return ask_to_propose(self, request, self.one(request, object_id))

    @action(description=gettext_lazy("登记信誉"), icon="verified_user", permissions=["reputation"])
    def reputation(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return ask_to_record(self, request, self.one(request, object_id))

    @action(description=gettext_lazy("撤回信誉登记"), icon="undo", permissions=["reputation"])
    def take_back(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return ask_to_take_back(self, request, self.one(request, object_id))

    @action(description=gettext_lazy("判定活动不计入"), icon="flag", permissions=["flag"])
    def flag(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return ask_to_flag(self, request, self.one(request, object_id))

    @action(description=gettext_lazy("恢复计入"), icon="outlined_flag", permissions=["flag"])
    def clear(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return ask_to_clear(self, request, self.one(request, object_id))

    @action(description=gettext_lazy("活动记录"), icon="list_alt", permissions=["view", "activity"])
    def open_activity(self, request: HttpRequest, object_id: int) -> HttpResponse:
        member = self.one(request, object_id)
        response = HttpResponse(status=302)
        response["Location"] = f"{reverse('admin:membership_activity_changelist')}?q={member.user.username}"
        return response


class DirectionFilter(admin.SimpleListFilter):
    """`?direction=up`, `down` or `moved` (either): decisions that moved a member. The default tier at registration is none."""

    title = gettext_lazy("升降")
    parameter_name = "direction"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [("up", gettext_lazy("升级")), ("down", gettext_lazy("降级")), ("moved", gettext_lazy("升级或降级"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "up":
            return queryset.filter(to_rank__gt=F("from_rank"))
        if self.value() == "down":
            return queryset.filter(to_rank__lt=F("from_rank"))
        if self.value() == "moved":
            return queryset.filter(from_rank__isnull=False).exclude(to_rank=F("from_rank"))
        return queryset


@admin.register(TierDecision)
class TierDecisionAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "shown_user", "change", "shown_cause", "day", "version"]
    list_filter = [DirectionFilter, "cause", "to_rank", ("at", DayRangeFilter)]
    linked_lookups = ["from_rank", "member__program__id__exact"]
    list_select_related = ["member__user", "version__program"]
    search_fields = ["=member__user__username", "=activity_ref"]
    search_help_text = gettext_lazy("按用户名或活动来源精确查找")
    ordering = ["-id"]
    fields = ["shown_at", "shown_user", "change", "shown_cause", "title", "day", "activity_ref", "version", "findings"]
    export_columns = ["at", "member", "from_rank", "to_rank", "cause", "day", "activity_ref", "version"]

    @display(description=gettext_lazy("时间"), ordering="id")
    def shown_at(self, decision: TierDecision):
        return when(decision.at)

    @display(description=gettext_lazy("用户"))
    def shown_user(self, decision: TierDecision) -> str:
        return str(decision.member.user)

    @display(description=gettext_lazy("变更"))
    def change(self, decision: TierDecision) -> SafeString:
        return _change(decision)

    @display(description=gettext_lazy("原因"))
    def shown_cause(self, decision: TierDecision) -> SafeString:
        return _cause(decision)

    @display(description=gettext_lazy("说明"))
    def title(self, decision: TierDecision) -> str:
        told = decision_text(decision, published(decision.version))
        return clauses([told.title, *told.reasons])

    @display(description=gettext_lazy("依据"))
    def findings(self, decision: TierDecision) -> SafeString:
        return findings_table(decision_findings(decision))


@admin.register(Recalculation)
class RecalculationAdmin(ReadOnlyAdmin):
    list_display = ["id", "scope", "shown_started", "shown_finished", "evaluated", "changed", "differences"]
    export_columns = ["id", "scope", "started_at", "finished_at", "evaluated", "changed", "differences"]
    list_filter = ["scope", ("started_at", DayRangeFilter)]
    ordering = ["-id"]
    fields = [
        "scope",
        "shown_started",
        "shown_finished",
        "evaluated",
        "total",
        "changed",
        "differences",
        "last_member_id",
    ]
    actions_list = ["run_all"]
    has_run_permission = allowed("membership.evaluate_member")

    @display(description=gettext_lazy("开始时间"))
    def shown_started(self, run: Recalculation):
        return when(run.started_at)

    @display(description=gettext_lazy("完成时间"))
    def shown_finished(self, run: Recalculation):
        return when(run.finished_at) or chip(_("未完成"), "warning")

    @action(description=gettext_lazy("重新评定全部会员"), icon="refresh", permissions=["run"])
    def run_all(self, request: HttpRequest) -> HttpResponse:
        return ask(self, request, title=_("重新评定全部会员"), preview=self._preview, run=self._run, danger=False)

    @staticmethod
    def _preview(answer: Answer) -> Preview:
        return Preview(
            facts=[Fact(pgettext("plural", "会员"), MemberTier.objects.count(), strong=True)],
            warnings=[_("在后台分批进行；已有一轮在进行时，新的会被拒绝。")],
        )

    @staticmethod
    def _run(answer: Answer) -> str:
        send(RECALCULATE, True)
        return _("已交给后台处理，进度见本页列表")


class UserTierInline(ReadOnlyInline):
    """On the page of a user: where they stand in each program."""

    model = MemberTier
    hide_title = True
    fields = ["program", "tier", "shown_since", "todo", "page"]
    verbose_name_plural = pgettext_lazy("plural", "会员等级")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("version", "program")

    @display(description=gettext_lazy("等级"))
    def tier(self, member: MemberTier):
        return tier_chip(member.version, member.rank)

    @display(description=gettext_lazy("达到时间"))
    def shown_since(self, member: MemberTier):
        return when(member.since)

    @display(description=gettext_lazy("距下一级"))
    def todo(self, member: MemberTier) -> str:
        return stored_todo(member) or _("已是最高等级")

    @display(description=gettext_lazy("详情"))
    def page(self, member: MemberTier) -> SafeString:
        link = reverse("admin:membership_membertier_change", args=[member.pk])
        return format_html('<a class="desk-link" href="{}">{}</a>', link, _("查看"))


admin_inlines.add("accounts.User", UserTierInline)
