"""The queue of what members wrote: accept with a reward, or decline with a reason."""

from collections.abc import Callable, Collection
from functools import partial

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from accounts.models import User
from audit.selectors import history_of
from common.admin import (
    ActionVariant,
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    action,
    allowed,
    ask,
    chip,
    display,
    moment,
    when,
)
from common.admin.confirm import Answer
from common.registries import act_names, timelines
from membership.models import Feedback
from membership.services import accept_feedback, decline_feedback
from membership.services.feedback import MAX_ANSWER, MAX_REWARD

act_names["feedback.decide"] = gettext_lazy("处理反馈")
timelines.add("membership.Feedback", lambda row, viewer: history_of(row))
State = Feedback.State
TONES = {State.PENDING: "warning", State.ACCEPTED: "success", State.DECLINED: "neutral"}


class AcceptForm(forms.Form):
    points = forms.IntegerField(
        label=gettext_lazy("奖励积分"),
        min_value=0,
        max_value=MAX_REWARD,
        initial=50,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    contrib = forms.IntegerField(
        label=gettext_lazy("奖励贡献值"),
        min_value=0,
        max_value=MAX_REWARD,
        initial=50,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=gettext_lazy("计入等级规则里的贡献值"),
    )
    answer = forms.CharField(
        label=gettext_lazy("回复"),
        max_length=MAX_ANSWER,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text=gettext_lazy("会员会看到"),
    )


class DeclineForm(forms.Form):
    answer = forms.CharField(
        label=gettext_lazy("原因"),
        max_length=MAX_ANSWER,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text=gettext_lazy("会员会看到"),
    )


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    list_display = ["said", "shown_kind", "user", "state_chip", "shown_written"]
    list_filter = ["state", "kind", ("written_at", DayRangeFilter)]
    list_select_related = ["user"]
    search_fields = ["=user__username"]
    search_help_text = gettext_lazy("按用户名精确查找")
    ordering = ["-id"]
    fields = ["shown_kind", "said", "user", "state_chip", "answer", "points", "contrib", "full_written", "full_decided"]
    actions_detail = ["accept", "decline"]
    export_columns = ["written_at", "user", "kind", "text", "state", "answer", "points", "contrib"]
    has_decide_permission = allowed("membership.decide_feedback")

    def fitting_acts(self, row: Feedback, user: User) -> Collection[str]:
        return self.actions_detail if row.state == State.PENDING else []

    @display(description=gettext_lazy("内容"))
    def said(self, row: Feedback) -> SafeString:
        return format_html('<span class="desk-wrap">{}</span>', row.text)

    @display(description=gettext_lazy("类型"))
    def shown_kind(self, row: Feedback):
        return chip(row.get_kind_display(), "danger" if row.kind == Feedback.Kind.FRAUD else "info")

    @display(description=gettext_lazy("状态"))
    def state_chip(self, row: Feedback):
        return chip(row.get_state_display(), TONES[State(row.state)])

    @display(description=gettext_lazy("提交时间"))
    def shown_written(self, row: Feedback):
        return moment(row.written_at)

    @display(description=gettext_lazy("提交时间"))
    def full_written(self, row: Feedback):
        return when(row.written_at)

    @display(description=gettext_lazy("处理时间"))
    def full_decided(self, row: Feedback):
        return when(row.decided_at) or "–"

    @action(description=gettext_lazy("采纳"), icon="check", permissions=["decide"])
    def accept(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.one(request, object_id)
        return self._ask(request, row, _("采纳反馈"), AcceptForm, self._accept, danger=False)

    @action(description=gettext_lazy("不采纳"), icon="close", variant=ActionVariant.DANGER, permissions=["decide"])
    def decline(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.one(request, object_id)
        return self._ask(request, row, _("不采纳反馈"), DeclineForm, self._decline, danger=True)

    def _ask(
        self, request: HttpRequest, row: Feedback, title: str, form: type, run: Callable, *, danger: bool
    ) -> HttpResponse:
        return ask(
            self,
            request,
            title=title,
            form=form,
            preview=partial(self._preview, row, title),
            run=partial(run, request, row),
            target=row,
            danger=danger,
        )

    @staticmethod
    def _preview(row: Feedback, title: str, answer: Answer) -> Preview:
        facts = [Fact(_("会员"), row.user.get_username()), Fact(_("内容"), row.text)]
        if "points" in answer.data:
            facts.append(Fact(_("奖励积分"), answer.data["points"], strong=True))
            facts.append(Fact(_("奖励贡献值"), answer.data["contrib"], strong=True))
        facts.append(Fact(_("会员看到的回复"), answer.data["answer"] or "–"))
        return Preview(facts=facts, submit=title)

    @staticmethod
    def _accept(request: HttpRequest, row: Feedback, answer: Answer) -> str:
        done = accept_feedback(feedback_id=row.pk, actor=request.user, **answer.data)
        if (done.points, done.contrib) != (answer.data["points"], answer.data["contrib"]):
            return _("已采纳。该会员本月的奖励次数已满，没有发放奖励。")
        return _("已采纳，奖励已发放。")

    @staticmethod
    def _decline(request: HttpRequest, row: Feedback, answer: Answer) -> str:
        decline_feedback(feedback_id=row.pk, actor=request.user, **answer.data)
        return _("已处理，会员会看到原因。")
