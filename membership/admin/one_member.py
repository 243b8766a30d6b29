"""What a member's page tells below the standing: if evaluated now, ranks set by hand, everything that counts and does not."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from common import clock
from common.admin import chip, link_to, when
from common.texts import listed
from membership.admin.marks import outcome_text
from membership.admin.overrides import state_of
from membership.admin.shown import findings_table, published, tier_chip
from membership.models import MemberTier, Override
from membership.selectors.explaining import derived_lines
from membership.selectors.ledger_lines import ledger_of
from membership.selectors.standing import stored_findings
from membership.services.foreseeing import if_evaluated

PER_PAGE = 30
KINDS = {"all": gettext_lazy("全部"), "counted": gettext_lazy("计入"), "not": gettext_lazy("不计入")}
STAGE_TONES = {"active": "success", "warned": "warning", "grace": "danger"}


def member_page(request: HttpRequest, member: MemberTier) -> dict[str, Any]:
    """The context of the sections that this user may see."""
    context: dict[str, Any] = {"today": _today(member)}
    if request.user.has_perm("membership.view_override"):
        context["overrides"] = _overrides(request, member)
    if request.user.has_perm("membership.view_activity"):
        context["ledger"] = _ledger(request, member)
        context["derived"] = [line.strip() for line in derived_lines(member) if line.strip()][1:]
    return context


def _today(member: MemberTier) -> dict[str, Any]:
    foreseen = if_evaluated(member=member, at=clock.now())
    columns = foreseen.columns
    stage = MemberTier.Stage(columns["stage"])
    as_then = MemberTier(**{"rank": member.rank, **columns})
    return {
        "same": (foreseen.rank, columns["stage"]) == (member.rank, member.stage),
        "facts": [
            (_("等级"), tier_chip(as_then.version, foreseen.rank)),
            (_("阶段"), chip(stage.label, STAGE_TONES[stage.value])),
            (_("宽限至"), when(columns["grace_until"]) or "–"),
            (_("下次检查"), when(columns["next_check_at"]) or "–"),
            (_("会产生的变更"), outcome_text(foreseen)),
        ],
        "findings": findings_table(stored_findings(as_then, published(as_then.version))),
    }


def _overrides(request: HttpRequest, member: MemberTier) -> list[tuple[Any, ...]]:
    rows = Override.objects.filter(member=member).select_related("proposer", "decider").order_by("-id")
    return [
        (
            link_to(row, request.user, row.get_kind_display()),
            tier_chip(member.version, row.rank),
            state_of(row),
            row.reason,
            listed(one for one in (row.proposer, row.decider) if one is not None) or row.ref,
            when(row.ended_at or row.expires_at),
        )
        for row in rows
    ]


def _ledger(request: HttpRequest, member: MemberTier) -> dict[str, Any]:
    found = ledger_of(member)
    kind = request.GET.get("facts", "")
    lines = {"counted": found.counted, "not": found.not_counted}.get(kind, found.lines)
    page = Paginator(lines, PER_PAGE).get_page(request.GET.get("p"))
    base = reverse("admin:membership_membertier_change", args=[member.pk]).removesuffix("change/")
    may_flag = request.user.has_perm("membership.flag_activity")
    return {
        "page": page,
        "kind": kind if kind in KINDS else "all",
        "kinds": [
            ("all", KINDS["all"], len(found.lines)),
            ("counted", KINDS["counted"], len(found.counted)),
            ("not", KINDS["not"], len(found.not_counted)),
        ],
        "flag_address": f"{base}flag/" if may_flag else "",
        "clear_address": f"{base}clear/" if may_flag else "",
        "acts": _acts(base, may_flag=may_flag),
        "name": pgettext("plural", "活动记录"),
    }


def _acts(base: str, *, may_flag: bool) -> list[tuple[str, str]]:
    """(text, address) of what is done with facts as such: many at once, or in their own list."""
    on_many = [(_("判定活动不计入"), f"{base}flag/"), (_("恢复计入"), f"{base}clear/")] if may_flag else []
    return [*on_many, (pgettext("plural", "活动记录"), f"{base}open_activity/")]
