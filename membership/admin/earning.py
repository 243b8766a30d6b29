"""Tasks, check-in gifts and passes, which operators write; and what members did with them, to read."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common import clock
from common.admin import DayRangeFilter, ModelAdmin, ReadOnlyAdmin, chip, display, moment
from common.texts import listed
from membership.admin.prices import rank_choices
from membership.models import CheckIn, CheckInReward, Pass, PassOffer, Referral, Task
from membership.selectors.earning import reward_text


@admin.register(Task)
class TaskAdmin(ModelAdmin):
    list_display = ["name", "kind", "window", "audience", "rewards", "runs", "done_lately", "position"]
    list_filter = ["kind", "window", "audience", "is_active"]
    list_select_related = ["offer"]
    search_fields = ["name"]
    ordering = ["position", "id"]
    raw_id_fields = ["category"]
    fieldsets = [
        (None, {"fields": ["kind", "category", "target", "name", "text", "name_en", "text_en"]}),
        (
            gettext_lazy("什么时候、给谁"),
            {"fields": ["window", "starts_at", "ends_at", "is_active", "audience", "min_rank", "max_rank"]},
        ),
        (gettext_lazy("奖励"), {"fields": ["points", "activity", "offer", "cap"]}),
        (gettext_lazy("排序"), {"fields": ["effort", "position"]}),
    ]
    export_columns = ["name", "kind", "window", "audience", "points", "activity", "cap", "is_active"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        since = clock.now() - timedelta(days=30)
        done = Count("progress", filter=Q(progress__completed_at__gte=since))
        return super().get_queryset(request).annotate(done=done)

    def get_readonly_fields(self, request: HttpRequest, obj: Task | None = None) -> list[str]:
        # What was counted under one kind and window means nothing under another.
        return ["kind", "window", "category"] if obj is not None else []

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name in {"min_rank", "max_rank"} and field is not None:
            tiers = listed(f"{rank} {name}" for rank, name in rank_choices())
            field.help_text = _("等级序号：%(tiers)s；留空表示不限") % {"tiers": tiers}
        return field

    @display(description=gettext_lazy("奖励"))
    def rewards(self, task: Task) -> str:
        return reward_text(points=task.points, activity=task.activity, offer=task.offer)

    @display(description=gettext_lazy("状态"))
    def runs(self, task: Task):
        at = clock.now()
        if not task.is_active:
            return chip(_("停用"), "neutral")
        if task.starts_at is not None and at < task.starts_at:
            return chip(_("未开始"), "info")
        if task.ends_at is not None and at >= task.ends_at:
            return chip(_("已结束"), "neutral")
        return chip(_("进行中"), "success")

    @display(description=gettext_lazy("30 天完成"))
    def done_lately(self, task: Task) -> int:
        return task.done


@admin.register(CheckInReward)
class CheckInRewardAdmin(ModelAdmin):
    list_display = ["__str__", "audience", "gives", "is_active"]
    list_filter = ["audience", "is_active"]
    export_columns = ["streak", "audience", "points", "activity", "offer", "is_active"]
    list_select_related = ["offer"]
    ordering = ["streak", "id"]

    @display(description=gettext_lazy("奖励"))
    def gives(self, reward: CheckInReward) -> str:
        return reward_text(points=reward.points, activity=reward.activity, offer=reward.offer)


@admin.register(PassOffer)
class PassOfferAdmin(ModelAdmin):
    list_display = ["name", "kind", "shown_price", "up", "days", "limit", "is_active"]
    export_columns = ["name", "kind", "price", "up", "days", "limit", "is_active"]
    list_filter = ["kind", "is_active"]
    ordering = ["position", "id"]

    @display(description=gettext_lazy("所需积分"))
    def shown_price(self, offer: PassOffer) -> Any:
        return offer.price if offer.price is not None else _("只作奖励")


@admin.register(Pass)
class PassAdmin(ReadOnlyAdmin):
    list_display = ["user", "offer", "price", "shown_got", "shown_redeemed", "shown_until"]
    export_columns = ["user", "offer", "price", "got_at", "use_by", "redeemed_at", "rank", "until"]
    list_filter = ["offer", ("got_at", DayRangeFilter)]
    list_select_related = ["user", "offer"]
    search_fields = ["=user__username"]
    search_help_text = gettext_lazy("按用户名精确查找")
    ordering = ["-id"]
    fields = ["user", "offer", "ref", "price", "got_at", "use_by", "redeemed_at", "rank", "until"]

    @display(description=gettext_lazy("获得时间"))
    def shown_got(self, one: Pass):
        return moment(one.got_at)

    @display(description=gettext_lazy("使用时间"))
    def shown_redeemed(self, one: Pass):
        return moment(one.redeemed_at) or "–"

    @display(description=gettext_lazy("有效至"))
    def shown_until(self, one: Pass):
        return moment(one.until) or "–"


@admin.register(CheckIn)
class CheckInAdmin(ReadOnlyAdmin):
    list_display = ["user", "day", "streak", "points", "activity"]
    list_filter = [("at", DayRangeFilter)]
    list_select_related = ["user"]
    search_fields = ["=user__username"]
    search_help_text = gettext_lazy("按用户名精确查找")
    ordering = ["-id"]
    fields = ["user", "storefront", "day", "streak", "points", "activity", "at"]
    export_columns = ["user", "day", "streak", "points", "activity"]


@admin.register(Referral)
class ReferralAdmin(ReadOnlyAdmin):
    list_display = ["inviter", "invitee", "shown_joined", "state", "inviter_points", "invitee_points"]
    list_filter = [("joined_at", DayRangeFilter)]
    list_select_related = ["inviter", "invitee"]
    search_fields = ["=inviter__username", "=invitee__username"]
    search_help_text = gettext_lazy("按邀请人或受邀人的用户名精确查找")
    ordering = ["-id"]
    fields = ["inviter", "invitee", "storefront", "joined_at", "active_at", "inviter_points", "invitee_points"]
    export_columns = ["inviter", "invitee", "joined_at", "active_at", "inviter_points", "invitee_points"]

    @display(description=gettext_lazy("注册时间"))
    def shown_joined(self, referral: Referral):
        return moment(referral.joined_at)

    @display(description=gettext_lazy("状态"))
    def state(self, referral: Referral):
        return chip(_("已达标"), "success") if referral.active_at else chip(_("未达标"), "neutral")
