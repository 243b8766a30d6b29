"""Recording what staff know of a member's reputation, and taking it back: each with what would come of it."""

import hashlib
from functools import partial
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from common import clock
from common.admin import Fact, Preview, ask
from common.admin.confirm import Answer
from common.registries import act_names
from membership.admin.marks import done, outcome_text, tier_name
from membership.admin.shown import tier_chip
from membership.engine.facts import Fact as EngineFact
from membership.models import Activity, MemberTier
from membership.selectors.explaining import fact_figure, fact_label
from membership.selectors.reputation import disputable_orders, recorded_reputation
from membership.services.foreseeing import if_told
from membership.services.reputation import record_reputation, take_back_reputation

act_names["membership.reputation.record"] = gettext_lazy("登记信誉")
act_names["membership.reputation.take_back"] = gettext_lazy("撤回信誉登记")

# What is said, with its metric and value; of credit the value is typed.
SAYS = {
    "confirmed": (gettext_lazy("实名已核实"), "realname", 1),
    "withdrawn": (gettext_lazy("实名核实作废"), "realname", 0),
    "credit": (gettext_lazy("信用分"), "credit", None),
    "upheld": (gettext_lazy("投诉成立"), "dispute", 1),
    "dismissed": (gettext_lazy("投诉不成立"), "dispute", 0),
}


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("原因"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("会写入审计记录。"),
    )


class RecordForm(ReasonForm):
    says = forms.ChoiceField(
        label=gettext_lazy("登记内容"),
        choices=[(name, text) for name, (text, _metric, _value) in SAYS.items()],
        widget=UnfoldAdminSelectWidget,
    )
    score = forms.IntegerField(
        label=gettext_lazy("信用分"),
        min_value=0,
        max_value=100,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=gettext_lazy("0 到 100，只用于登记信用分"),
    )
    order = forms.ChoiceField(
        label=gettext_lazy("订单"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("只用于登记投诉"),
    )
    field_order = ["says", "score", "order", "reason"]

    def __init__(self, *args: Any, orders: dict[str, Activity], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(subject, f"{clock.minute_text(row.occurred_at)} · {subject}") for subject, row in orders.items()]
        self.fields["order"].choices = [("", "–"), *offered]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        metric = SAYS[data["says"]][1] if "says" in data else ""
        if metric == "credit" and "score" in data and data["score"] is None:
            self.add_error("score", _("请填写信用分"))
        if metric == "dispute" and not data.get("order") and "order" in data:
            self.add_error("order", _("请选择订单"))
        return data


class TakeBackForm(ReasonForm):
    ref = forms.ChoiceField(label=gettext_lazy("登记内容"), widget=UnfoldAdminSelectWidget)
    field_order = ["ref", "reason"]

    def __init__(self, *args: Any, recorded: dict[str, EngineFact], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["ref"].choices = [(ref, _fact_text(fact)) for ref, fact in recorded.items()]


def ask_to_record(model_admin: Any, request: HttpRequest, member: MemberTier) -> HttpResponse:
    return ask(
        model_admin,
        request,
        title=_("登记信誉"),
        form=partial(RecordForm, orders=disputable_orders(member)),
        preview=partial(_preview_record, member),
        run=partial(_record, member, request.user),
        target=member,
    )


def ask_to_take_back(model_admin: Any, request: HttpRequest, member: MemberTier) -> HttpResponse:
    recorded = recorded_reputation(member)
    return ask(
        model_admin,
        request,
        title=_("撤回信誉登记"),
        form=partial(TakeBackForm, recorded=recorded),
        preview=partial(_preview_take_back, member, recorded),
        run=partial(_take_back, member, request.user),
        target=member,
    )


def _told(data: dict[str, Any]) -> dict[str, Any]:
    """Metric, value and subject of what was filled in."""
    _text, metric, value = SAYS[data["says"]]
    subject = data["order"] if metric == "dispute" else ""
    return {"metric": metric, "value": data["score"] if value is None else value, "subject": subject}


def _preview_record(member: MemberTier, answer: Answer) -> Preview:
    fact = EngineFact("preview", at=clock.now(), **_told(answer.data))
    return _preview(member, fact, _fact_text(fact), answer.data["reason"])


def _preview_take_back(member: MemberTier, recorded: dict[str, EngineFact], answer: Answer) -> Preview:
    of = recorded[answer.data["ref"]]
    back = EngineFact("preview", of.metric, of.at, subject=of.subject, reverses=of.ref)
    return _preview(member, back, _fact_text(of), answer.data["reason"])


def _preview(member: MemberTier, fact: EngineFact, what: str, reason: str) -> Preview:
    foreseen = if_told(member=member, fact=fact, at=clock.now())
    return Preview(
        facts=[
            Fact(_("用户"), member.user),
            Fact(_("登记内容"), what, strong=True),
            Fact(_("原因"), reason),
            Fact(_("等级"), tier_chip(member.version, foreseen.rank), was=tier_name(member)),
            Fact(_("结果"), outcome_text(foreseen)),
        ],
        submit=_("撤回登记") if fact.reverses else _("登记"),
    )


def _record(member: MemberTier, user: User, answer: Answer) -> str:
    reason, ref = answer.data["reason"], _ref(member, answer)
    told = _told(answer.data)
    return done(record_reputation(member_id=member.pk, ref=ref, reason=reason, actor=user, at=clock.now(), **told))


def _take_back(member: MemberTier, user: User, answer: Answer) -> str:
    of, reason, ref = answer.data["ref"], answer.data["reason"], _ref(member, answer)
    return done(
        take_back_reputation(member_id=member.pk, of_ref=of, ref=ref, reason=reason, actor=user, at=clock.now())
    )


def _ref(member: MemberTier, answer: Answer) -> str:
    """One a submission, whatever is sent as its token."""
    return f"staff:{member.pk}:{hashlib.sha256(answer.token.encode(errors='replace')).hexdigest()[:24]}"


def _fact_text(fact: EngineFact) -> str:
    says = [text for text, metric, value in SAYS.values() if (metric, value) == (fact.metric, fact.value)]
    text = says[0] if says else f"{fact_label(fact)} {fact_figure(fact, fact.amount, fact.quantity)}"
    return " · ".join(filter(None, [clock.minute_text(fact.at), str(text), fact.subject]))
