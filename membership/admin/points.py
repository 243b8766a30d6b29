"""Points, to read; the correction that staff may book, with a reason; and the rules about earning."""

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from accounts.models import User
from common import clock
from common.admin import (
    DayRangeFilter,
    Fact,
    ModelAdmin,
    Preview,
    ReadOnlyAdmin,
    action,
    allowed,
    chip,
    display,
    moment,
    when,
)
from common.admin.by_hand import AdjustsMembers
from common.admin.confirm import Answer
from common.admin.telling import names_of
from common.registries import Panel, act_names, panels
from membership.models import EarningRules, PointsAccount, PointsEntry
from membership.selectors import member_points, points_balance, points_statement
from membership.services import adjust_points
from membership.services.points import MAX_POINTS

SHOWN = 8
act_names["points.adjust"] = gettext_lazy("人工调整积分")
Kind = PointsEntry.Kind
TONES = {
    Kind.EARN: "success",
    Kind.SPEND: "info",
    Kind.EXPIRE: "neutral",
    Kind.REVERSAL: "warning",
    Kind.SETTLE: "warning",
    Kind.ADJUST: "danger",
}


class AdjustPointsForm(forms.Form):
    amount = forms.IntegerField(
        label=gettext_lazy("积分"),
        min_value=-MAX_POINTS,
        max_value=MAX_POINTS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=gettext_lazy("正数增加积分，负数扣减"),
    )
    reason = forms.CharField(
        label=gettext_lazy("原因"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text=gettext_lazy("会员在积分明细中可以看到，并写入审计记录"),
    )

    def clean_amount(self) -> int:
        amount = self.cleaned_data["amount"]
        if not amount:
            raise forms.ValidationError(_("积分不能为零"))
        return amount


def signed(amount: int) -> str:
    return f"{amount:+,}".replace("-", "−")


class OwedFilter(admin.SimpleListFilter):
    title = gettext_lazy("待扣回")
    parameter_name = "owes"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("1", _("有待扣回")), ("0", _("无待扣回"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wanted = {"1": queryset.filter(owed__gt=0), "0": queryset.filter(owed=0)}
        return wanted.get(self.value() or "", queryset)


@admin.register(PointsAccount)
class PointsAccountAdmin(AdjustsMembers, ReadOnlyAdmin):
    list_display = ["user", "balance", "owed"]
    list_select_related = ["user"]
    search_fields = ["^user__username", "^user__email"]
    search_help_text = gettext_lazy("按用户名、邮箱的开头查找")
    ordering = ["-user_id"]
    fields = ["user", "balance", "owed", "usable", "ending"]
    actions_detail = ["adjust", "open_entries"]
    list_filter = [OwedFilter]
    export_columns = ["user", "balance", "owed"]
    has_adjust_permission = allowed("membership.adjust_points")
    adjust_title = gettext_lazy("人工调整积分")
    adjust_form = AdjustPointsForm
    adjust_service = staticmethod(adjust_points)
    adjusted = gettext_lazy("已调整 %(name)s 的积分。")
    has_entries_permission = allowed("membership.view_pointsentry")

    @display(description=gettext_lazy("现在可用"))
    def usable(self, account: PointsAccount) -> int:
        return points_balance(user_id=account.pk, at=clock.now())

    @display(description=gettext_lazy("30 天内到期"))
    def ending(self, account: PointsAccount) -> int:
        return member_points(user_id=account.pk, at=clock.now()).ending_soon

    @action(description=gettext_lazy("人工调整"), icon="tune", permissions=["adjust"])
    def adjust(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = self.one(request, object_id)
        back = reverse("admin:membership_pointsaccount_change", args=[account.pk])
        return self.ask_to_adjust(request, account.user, back)

    @action(description=gettext_lazy("积分流水"), icon="list_alt", permissions=["entries"])
    def open_entries(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponse(status=302, headers={"Location": entries_address(self.one(request, object_id).pk)})

    @staticmethod
    def preview_adjustment(user: User, answer: Answer) -> Preview:
        balance, amount = points_balance(user_id=user.pk, at=clock.now()), answer.data["amount"]
        after = balance + amount
        return Preview(
            facts=[
                Fact(_("会员"), user.get_username()),
                Fact(_("调整积分"), signed(amount), strong=True),
                Fact(_("可用积分"), after, was=balance),
                Fact(_("原因"), answer.data["reason"]),
            ],
            warnings=[_("积分不足以扣减这个数。")] if after < 0 else [],
            possible=after >= 0,
            submit=_("确认调整"),
        )


@admin.register(PointsEntry)
class PointsEntryAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "account", "shown_kind", "cause", "shown_amount", "balance_after", "memo"]
    list_filter = ["kind", "cause", ("at", DayRangeFilter)]
    list_select_related = ["account__user"]
    search_fields = ["=ref", "=account__user__username"]
    search_help_text = gettext_lazy("按业务编号或用户名精确查找")
    ordering = ["-id"]
    fields = [
        "ref",
        "account",
        "shown_kind",
        "cause",
        "shown_amount",
        "short",
        "balance_after",
        "reverses",
        "memo",
        "full_at",
        "actor",
    ]
    export_columns = ["at", "account", "kind", "cause", "amount", "balance_after", "ref", "memo"]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "account__user_id__exact" or super().lookup_allowed(lookup, value, request)

    @display(description=gettext_lazy("时间"), ordering="at")
    def shown_at(self, entry: PointsEntry):
        return moment(entry.at)

    @display(description=gettext_lazy("时间"))
    def full_at(self, entry: PointsEntry):
        return when(entry.at)

    @display(description=gettext_lazy("类型"))
    def shown_kind(self, entry: PointsEntry):
        return chip(entry.get_kind_display(), TONES[Kind(entry.kind)])

    @display(description=gettext_lazy("积分"))
    def shown_amount(self, entry: PointsEntry) -> str:
        return signed(entry.amount)

    @display(description=gettext_lazy("操作者"))
    def actor(self, entry: PointsEntry) -> str:
        if entry.actor_id is None:
            return "–"
        return names_of([entry.actor_id]).get(entry.actor_id, f"#{entry.actor_id}")


@admin.register(EarningRules)
class EarningRulesAdmin(ModelAdmin):
    """One row; changes are in the audit log."""

    list_display = ["__str__", "points_months", "daily_points", "weekly_points", "inviter_points", "invitee_points"]
    export_columns = list_display
    fieldsets = [
        (gettext_lazy("积分"), {"fields": ["points_months", "daily_points", "weekly_points", "quiet_days"]}),
        (gettext_lazy("邀请"), {"fields": ["invite_days", "inviter_points", "invitee_points", "invites_a_month"]}),
        (gettext_lazy("反馈"), {"fields": ["feedback_a_month"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[EarningRules]:
        return super().get_queryset(request).order_by("pk")


def entries_address(user_id: int) -> str:
    return reverse("admin:membership_pointsentry_changelist") + f"?account__user_id__exact={user_id}"


def points_panel(user: User, viewer: User) -> Panel | None:
    """A member's points, on the member's page."""
    if not viewer.has_perm("membership.view_pointsaccount"):
        return None
    shown = member_points(user_id=user.pk, at=clock.now())
    links = []
    if viewer.has_perm("membership.view_pointsentry"):
        links.append((_("全部流水"), entries_address(user.pk)))
    if viewer.has_perm("membership.adjust_points"):
        links.append((_("人工调整"), reverse("admin:membership_pointsaccount_adjust_member", args=[user.pk])))
    rows = [
        (moment(entry.at), entry.get_cause_display(), signed(entry.amount), entry.memo)
        for entry in points_statement(user.pk)[:SHOWN]
    ]
    return Panel(
        title=pgettext_lazy("plural", "积分"),
        facts=[(_("可用积分"), shown.balance), (_("30 天内到期"), shown.ending_soon)],
        columns=[_("时间"), _("事由"), _("积分"), _("说明")],
        rows=rows,
        links=links,
    )


panels.add("accounts.User", points_panel)
