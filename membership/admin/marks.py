"""Finding that activity does not count, such as a wash trade, and letting it count again: each with what would come of it."""

from functools import partial
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from common import clock
from common.admin import Fact, Preview, ask, when
from common.admin.confirm import Answer
from membership.admin.shown import published, tier_chip
from membership.models import MemberTier, TierDecision
from membership.rules.describe import exclusion_name
from membership.selectors.ledger_lines import FactLine, ledger_of
from membership.selectors.standing import decision_text
from membership.services import clear_activity, flag_activity
from membership.services.foreseeing import Foreseen, if_marked

REASONS = ("wash_trade", "refund_cycle", "closed_loop")
# A page of check boxes is read by a person.
OFFERED = 200
SHOWN = 20


class MarkForm(forms.Form):
    refs = forms.MultipleChoiceField(label=gettext_lazy("活动"), widget=UnfoldAdminCheckboxSelectMultipleWidget)

    def __init__(self, *args: Any, lines: list[FactLine], chosen: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wanted = [line for line in lines if line.ref in chosen]
        rest = [line for line in lines if line.ref not in chosen]
        self.fields["refs"].choices = [(line.ref, _line_text(line)) for line in [*wanted, *rest][:OFFERED]]
        self.fields["refs"].initial = [line.ref for line in wanted]


class FlagForm(MarkForm):
    reason = forms.ChoiceField(label=gettext_lazy("原因"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].choices = [(one, exclusion_name(one)) for one in REASONS]


class ClearForm(MarkForm):
    reason = forms.CharField(
        label=gettext_lazy("原因"),
        max_length=40,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("例如：申诉成立，已核对付款凭证"),
    )


def ask_to_flag(model_admin: Any, request: HttpRequest, member: MemberTier) -> HttpResponse:
    lines = ledger_of(member).can_be_flagged
    return ask(
        model_admin,
        request,
        title=_("判定活动不计入"),
        form=partial(FlagForm, lines=lines, chosen=request.GET.getlist("ref")),
        preview=partial(_preview, member, lines, "flag"),
        run=partial(_flag, member, request.user),
        target=member,
    )


def ask_to_clear(model_admin: Any, request: HttpRequest, member: MemberTier) -> HttpResponse:
    lines = ledger_of(member).flagged
    return ask(
        model_admin,
        request,
        title=_("恢复计入"),
        form=partial(ClearForm, lines=lines, chosen=request.GET.getlist("ref")),
        preview=partial(_preview, member, lines, "clear"),
        run=partial(_clear, member, request.user),
        target=member,
        danger=False,
    )


def _line_text(line: FactLine) -> str:
    day = clock.minute_text(line.at)
    why = line.told if line.flagged else ""
    return " · ".join(filter(None, [day, f"{line.what} {line.figure}", line.category, line.subject, why]))


def _preview(member: MemberTier, lines: list[FactLine], act: str, answer: Answer) -> Preview:
    refs, reason = answer.data["refs"], answer.data["reason"]
    chosen = [line for line in lines if line.ref in refs]
    foreseen = if_marked(member=member, refs=refs, reason=reason if act == "flag" else "", at=clock.now())
    count = ngettext("%(n)s 条", "%(n)s 条", len(chosen)) % {"n": len(chosen)}
    return Preview(
        facts=[
            Fact(_("用户"), member.user),
            Fact(_("活动"), count),
            Fact(_("原因"), exclusion_name(reason)),
            Fact(_("等级"), tier_chip(member.version, foreseen.rank), was=tier_name(member), strong=True),
            Fact(_("结果"), outcome_text(foreseen)),
        ],
        columns=[_("时间"), _("活动"), _("来源")],
        rows=[(when(line.at), f"{line.what} {line.figure}", line.ref) for line in chosen[:SHOWN]],
        more=max(0, len(chosen) - SHOWN),
        warnings=[_("会员会从第一天起按原来的日期重新推算；活动记录本身不改，可以随时撤销。")],
        submit=_("判定不计入") if act == "flag" else _("恢复计入"),
    )


def tier_name(member: MemberTier) -> str:
    return str(published(member.version).tiers.get(member.rank) or member.rank)


def outcome_text(foreseen: Foreseen) -> str:
    """What would be decided, in words."""
    told = [decision_text(one, published(one.version)) for one in foreseen.decisions]
    if not told:
        return _("等级不变")
    return "；".join(_("，").join([one.title, *one.reasons]) for one in told)


def _flag(member: MemberTier, user: User, answer: Answer) -> str:
    refs, reason = answer.data["refs"], answer.data["reason"]
    return done(flag_activity(member_id=member.pk, refs=refs, reason=reason, actor=user, at=clock.now()))


def _clear(member: MemberTier, user: User, answer: Answer) -> str:
    refs, reason = answer.data["refs"], answer.data["reason"]
    return done(clear_activity(member_id=member.pk, refs=refs, reason=reason, actor=user, at=clock.now()))


def done(decision: TierDecision | None) -> str:
    if decision is None:
        return _("已记录，会员的等级没有变化")
    return decision_text(decision, published(decision.version)).title
