"""What top-ups bring on top: the rules, and what was given by them."""

from django.contrib import admin
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common.admin import DayRangeFilter, ModelAdmin, ReadOnlyAdmin, display, money, when
from common.money import ZERO
from payments.models import BonusGrant, BonusRule


@admin.register(BonusRule)
class BonusRuleAdmin(ModelAdmin):
    list_display = ["name", "shown_from", "gives", "window", "per_member", "times", "given", "is_active"]
    list_filter = ["is_active", "kind"]
    search_fields = ["name"]
    search_help_text = _("按名称查找")
    ordering = ["from_amount", "id"]
    fieldsets = [
        (None, {"fields": [("name", "name_en"), "is_active"]}),
        (_("怎么送"), {"fields": ["from_amount", "kind", "amount", ("rate", "cap")]}),
        (_("什么时候、送给谁"), {"fields": ["starts_at", "ends_at", "per_member", ("min_rank", "group")]}),
    ]
    export_columns = [
        "name",
        "from_amount",
        "gives",
        "starts_at",
        "ends_at",
        "per_member",
        "times",
        "given",
        "is_active",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[BonusRule]:
        return super().get_queryset(request).annotate(grant_count=Count("grants"), grant_sum=Sum("grants__amount"))

    @display(description=_("单笔充值满"), ordering="from_amount")
    def shown_from(self, rule: BonusRule):
        return money(rule.from_amount)

    @display(description=_("赠送"))
    def gives(self, rule: BonusRule) -> str:
        if rule.kind == BonusRule.Kind.AMOUNT:
            return f"¥{rule.amount}"
        return f"{rule.percent}%" + (f" ≤ ¥{rule.cap}" if rule.cap else "")

    @display(description=_("时间"))
    def window(self, rule: BonusRule) -> str:
        return f"{rule.starts_at:%Y-%m-%d} – " + (f"{rule.ends_at:%Y-%m-%d}" if rule.ends_at else "∞")

    @display(description=_("已送次数"), ordering="grant_count")
    def times(self, rule: BonusRule) -> int:
        return rule.grant_count

    @display(description=_("已送金额"), ordering="grant_sum")
    def given(self, rule: BonusRule):
        return money(rule.grant_sum or ZERO)


@admin.register(BonusGrant)
class BonusGrantAdmin(ReadOnlyAdmin):
    list_display = ["user", "rule", "shown_amount", "shown_back", "shown_at"]
    list_filter = ["rule", ("at", DayRangeFilter)]
    list_select_related = ["user", "rule", "top_up"]
    search_fields = ["^user__username"]
    search_help_text = _("按用户名开头查找")
    ordering = ["-id"]
    fields = ["user", "rule", "top_up", ("shown_amount", "shown_back"), "shown_at"]
    export_columns = ["user", "rule", "amount", "taken_back", "at"]

    @display(description=_("赠送金额"))
    def shown_amount(self, grant: BonusGrant):
        return money(grant.amount)

    @display(description=_("已收回"))
    def shown_back(self, grant: BonusGrant):
        return money(grant.taken_back)

    @display(description=_("时间"))
    def shown_at(self, grant: BonusGrant):
        return when(grant.at)
