"""The board is the admin's first page. Win-back: the plan with what it has achieved, and every time away."""

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common import clock
from common.admin import DayRangeFilter, ModelAdmin, ReadOnlyAdmin, allowed, chip, display, moment
from common.texts import listed
from insights.models import Spell, WinBackPlan
from insights.selectors.away import Row, win_back_report
from insights.services import save_win_back_plan
from insights.uplift import Share, Uplift

admin.site.index_template = "insights/admin/board.html"
admin.site.index_title = gettext_lazy("看板")
TONES = {Spell.Group.TREATED: "info", Spell.Group.CONTROL: "neutral", Spell.Group.LEFT_OUT: "warning"}


@admin.register(WinBackPlan)
class WinBackPlanAdmin(ModelAdmin):
    fieldsets = [
        (None, {"fields": ["is_active", "report"]}),
        (gettext_lazy("什么算流失"), {"fields": [("quiet_days", "no_order_days")]}),
        (
            gettext_lazy("怎么挽回"),
            {"fields": ["coupon", ("rest_days", "most_per_night"), ("control_percent", "watch_days")]},
        ),
    ]
    readonly_fields = ["report"]
    list_display = ["__str__", "is_active", "quiet_days", "no_order_days", "control_percent"]
    list_filter = ["is_active"]
    export_columns = ["__str__", "is_active", "quiet_days", "no_order_days", "control_percent"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: WinBackPlan, form, change: bool) -> None:
        save_win_back_plan(plan=obj)

    @display(description=gettext_lazy("效果"))
    def report(self, plan: WinBackPlan) -> SafeString:
        found = win_back_report(plan, at=clock.now())
        rows = [_told(row) for row in found.rows]
        return SafeString(render_to_string("insights/admin/win_back.html", {"report": found, "rows": rows}))


def _told(row: Row) -> dict[str, str]:
    result = row.result
    known = result.difference is not None and result.low is not None and result.high is not None
    return {
        "label": row.label or _("全部"),
        "treated": _share(result.treated),
        "control": _share(result.control),
        "written": str(row.written),
        "difference": _points(result.difference) if known else "–",
        "interval": f"{_points(result.low)} – {_points(result.high)}" if known else "–",
        "verdict": _verdict(result),
    }


def _verdict(result: Uplift) -> str:
    if result.difference is None:
        return _("某一组还没有人，无法比较")
    if not result.is_certain:
        return _("区间含 0：还不能说有效果")
    return _("有提升") if result.difference > 0 else _("反而更低")


def _share(share: Share) -> str:
    rate = "–" if share.rate is None else f"{100 * share.rate:.1f}%"
    return f"{rate} ({share.hits:,}/{share.count:,})"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−") + _(" 个百分点")


@admin.register(Spell)
class SpellAdmin(ReadOnlyAdmin):
    list_display = [
        "user",
        "shown_flagged",
        "signs",
        "last_seen",
        "last_order",
        "shown_reason",
        "shown_group",
        "shown_action",
        "shown_ordered",
    ]
    list_filter = ["group", "reason", "stated", "action", "quiet", "no_order", ("flagged_at", DayRangeFilter)]
    list_select_related = ["user"]
    search_fields = ["^user__username"]
    search_help_text = gettext_lazy("按用户名的开头查找")
    ordering = ["-id"]
    export_columns = [
        "user",
        "flagged_at",
        "quiet",
        "no_order",
        "last_seen",
        "last_order",
        "reason",
        "stated",
        "group",
        "action",
        "acted_at",
        "ordered_at",
        "ended_at",
    ]
    has_export_permission = allowed("insights.export_spell")

    @display(description=gettext_lazy("标记时间"), ordering="flagged_at")
    def shown_flagged(self, spell: Spell):
        return moment(spell.flagged_at)

    @display(description=gettext_lazy("依据"))
    def signs(self, spell: Spell) -> str:
        return listed(text for is_so, text in ((spell.quiet, _("久未来访")), (spell.no_order, _("久未下单"))) if is_so)

    @display(description=gettext_lazy("原因"), ordering="reason")
    def shown_reason(self, spell: Spell):
        if not spell.stated:
            return spell.get_reason_display()
        return format_html("{}<br><span class='desk-sub'>{}</span>", spell.get_stated_display(), _("会员自己说的"))

    @display(description=gettext_lazy("分组"), ordering="group")
    def shown_group(self, spell: Spell):
        return chip(spell.get_group_display(), TONES[Spell.Group(spell.group)])

    @display(description=gettext_lazy("已做"), ordering="action")
    def shown_action(self, spell: Spell) -> str:
        return str(spell.get_action_display()) if spell.group == Spell.Group.TREATED else "–"

    @display(description=gettext_lazy("再次下单"), ordering="ordered_at")
    def shown_ordered(self, spell: Spell):
        return moment(spell.ordered_at) if spell.ordered_at else "–"
