"""What-ifs: what a draft would do to everybody, while it is computed and when it is told."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from common import clock
from common.admin import ReadOnlyAdmin, chip, display, link_to, money, when
from common.registries import label_rows
from common.texts import with_remark
from membership.models import MemberTier, RuleSetVersion, WhatIf
from membership.selectors import WhatIfResult, what_if_result
from membership.selectors.foreseen import heat_rows, sampled_moves, segment_groups
from membership.selectors.what_ifs import Cost, Picture
from membership.services.rules import writers_of
from membership.services.what_if import FRESH_FOR, why_unfit

Status = WhatIf.Status
TONES = {Status.WAITING: "neutral", Status.RUNNING: "info", Status.DONE: "success", Status.FAILED: "danger"}
REFRESH_SECONDS = 3


@admin.register(WhatIf)
class WhatIfAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "state", "policy", "asked_by", "shown_asked", "shown_finished"]
    export_columns = ["id", "version", "status", "policy", "asked_by", "asked_at", "finished_at"]
    list_filter = ["status", "version"]
    list_select_related = ["version__program", "asked_by"]
    ordering = ["-id"]
    fields: list[str] = []
    change_form_template = "membership/admin/what_if.html"

    @display(description=_("状态"), ordering="status")
    def state(self, asked: WhatIf):
        return chip(asked.get_status_display(), TONES[Status(asked.status)])

    @display(description=_("发起时间"), ordering="asked_at")
    def shown_asked(self, asked: WhatIf):
        return when(asked.asked_at)

    @display(description=_("完成时间"))
    def shown_finished(self, asked: WhatIf):
        return when(asked.finished_at) or "–"

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None) -> HttpResponse:
        if obj is not None:
            context |= self._shown(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _shown(self, request: HttpRequest, asked: WhatIf) -> dict[str, Any]:
        result = what_if_result(asked.pk)
        picture = _chosen(result, request.GET.get("day", ""))
        return {
            "title": gettext("规则推演 #%(number)s") % {"number": asked.pk},
            "chip": self.state(asked),
            "what_if": result,
            "refresh": REFRESH_SECONDS if result.is_open else 0,
            "percent": round(100 * result.steps_done / result.steps),
            "facts": [
                (gettext("规则版本"), link_to(asked.version, request.user)),
                (gettext("过渡方式"), with_remark(asked.get_policy_display(), asked.policy_until)),
                (gettext("发起人"), result.asked_by or "–"),
                (gettext("发起时间"), when(asked.asked_at)),
                (gettext("数据时间"), when(asked.as_of) or "–"),
                (gettext("有效至"), when(asked.as_of + FRESH_FOR) if asked.as_of else "–"),
            ],
            "acts": _acts(request, asked),
            "stale": _stale(asked) if result.is_done else None,
            "is_own": request.user in writers_of(asked.version),
            **(self._told(request, result, picture) if picture is not None else {}),
        }

    @staticmethod
    def _told(request: HttpRequest, result: WhatIfResult, picture: Picture) -> dict[str, Any]:
        may_open = request.user.has_perm("membership.view_membertier")
        columns = [gettext("权益"), gettext("现行规则"), gettext("草稿"), gettext("变化")]
        return {
            "picture": picture,
            "days": [(one.days_ago, _day_name(one.days_ago), one.day, one is picture) for one in result.pictures],
            "tiles": _tiles(picture),
            "heat": heat_rows(result, picture),
            "names": [result.tiers[rank] for rank in result.ranks],
            "cost_columns": columns,
            "costs": label_rows(columns, [_cost_row(cost) for cost in picture.costs]),
            "segments": segment_groups(picture.segments),
            "moves": sampled_moves(result, picture, result.as_of),
            "member_address": reverse("admin:membership_membertier_changelist") if may_open else "",
            "member_name": MemberTier._meta.verbose_name,
        }


def _chosen(result: WhatIfResult, day: str) -> Picture | None:
    return next((one for one in result.pictures if str(one.days_ago) == day), result.now)


def _day_name(days: int) -> str:
    return gettext("%(days)s 天前") % {"days": days} if days else gettext("今天")


def _tiles(picture: Picture) -> list[tuple[str, str, str, str]]:
    """(label, figure, note, tone)"""
    share = 100 * picture.moving / picture.members if picture.members else 0
    stays = gettext("%(count)s 人等级不变") % {"count": f"{picture.members - picture.moving:,}"}
    return [
        (pgettext("plural", "会员"), f"{picture.members:,}", stays, ""),
        (gettext("等级会变"), f"{picture.moving:,}", f"{share:.1f}%", "warning" if picture.moving else ""),
        (gettext("升级"), f"{picture.up:,}", gettext("立即生效"), "success" if picture.up else ""),
        (gettext("降级"), f"{picture.down:,}", gettext("按过渡方式"), "danger" if picture.down else ""),
    ]


def _cost_row(cost: Cost) -> tuple[Any, ...]:
    difference = _amount(cost, cost.difference, signed=True)
    tone = "danger" if cost.difference > 0 else "success" if cost.difference < 0 else "neutral"
    return cost.name, _amount(cost, cost.before), _amount(cost, cost.after), chip(difference, tone)


def _amount(cost: Cost, value: Decimal, *, signed: bool = False) -> Any:
    if cost.unit == "yuan":
        return money(value, signed=signed)
    unit = gettext("%(n)s 积分") if cost.unit == "points" else gettext("%(n)s 张券")
    return unit % {"n": (f"{value:+,.0f}" if signed and value else f"{value:,.0f}").replace("-", "−")}


def _stale(asked: WhatIf) -> Any | None:
    """Why publication would not take this result; None while it would."""
    if asked.version.status != RuleSetVersion.Status.DRAFT:
        return gettext("这个版本已经发布；这里是发布前的推演。")
    return why_unfit(asked, clock.now())


def _acts(request: HttpRequest, asked: WhatIf) -> list[tuple[str, str, bool]]:
    """(text, address, whether it is the thing to do next) of what may follow."""
    if asked.version.status != RuleSetVersion.Status.DRAFT:
        return []
    page = reverse("admin:membership_rulesetversion_change", args=[asked.version_id]).removesuffix("change/")
    fresh = asked.status == Status.DONE and _stale(asked) is None
    acts = []
    if request.user.has_perm("membership.run_whatif"):
        acts.append((gettext("重新推演"), f"{page}try_out/", not fresh))
    may_publish = request.user.has_perm("membership.publish_rulesetversion")
    if fresh and may_publish and request.user not in writers_of(asked.version):
        acts.append((gettext("批准并发布"), f"{page}publish/", True))
    return acts
