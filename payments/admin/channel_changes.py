"""Changes of channels that wait for a second person."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.models import Approval
from audit.selectors import history_of
from common.admin import (
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    ReasonForm,
    action,
    allowed,
    ask,
    chip,
    display,
    when,
)
from common.admin.confirm import Answer
from common.registries import Panel, act_names, panels, timelines
from common.texts import listed
from payments.models import Channel, ChannelChange
from payments.options import profile_of
from payments.services import approve_channel_change, cancel_channel_change, channel_changes, refuse_channel_change

act_names[channel_changes.KIND] = _("变更支付渠道")
act_names[channel_changes.ALONE] = _("无人可复核的渠道变更")
COLUMNS = [_("项目"), _("变更前"), _("变更后")]
# Of a key its two ends tell.
LONG, HEAD, TAIL = 120, 40, 24


@admin.register(ChannelChange)
class ChannelChangeAdmin(ReadOnlyAdmin):
    list_display = ["number", "channel", "what", "asked_by", "asked", "decided_by", "state_chip"]
    export_columns = ["number", "channel", "what", "asked_by", "asked", "decided_by", "state"]
    list_display_links = ["number"]
    list_filter = ["approval__state", "channel", ("approval__asked_at", DayRangeFilter)]
    list_select_related = ["channel", "approval"]
    ordering = ["-id"]
    fields = ["channel", "what", "state_chip", "asked_by", "asked", "decided_by", "ends"]
    actions_detail = ["approve", "refuse", "cancel"]
    has_decide_permission = allowed(channel_changes.MAY_APPROVE)

    def fitting_acts(self, change: ChannelChange, user: User) -> Collection[str]:
        if change.approval.state != Approval.State.ASKED:
            return []
        return ["cancel"] if user.pk == change.approval.asked_by_id else ["approve", "refuse"]

    @display(description=_("申请"), ordering="id")
    def number(self, change: ChannelChange) -> str:
        return str(change)

    @display(description=_("变更内容"))
    def what(self, change: ChannelChange) -> str:
        return listed(str(label) for label, _before, _after in rows_of(change))

    @display(description=_("申请人"))
    def asked_by(self, change: ChannelChange) -> str:
        return change.approval.asked_by

    @display(description=_("申请时间"))
    def asked(self, change: ChannelChange):
        return when(change.approval.asked_at)

    @display(description=_("复核人"))
    def decided_by(self, change: ChannelChange) -> str:
        return change.approval.decided_by or "–"

    @display(description=_("截止时间"))
    def ends(self, change: ChannelChange):
        return when(change.approval.ends_at)

    @display(description=_("状态"))
    def state_chip(self, change: ChannelChange):
        return chip(self.state(change), change.approval.tone)

    @display(description=_("状态"))
    def state(self, change: ChannelChange) -> str:
        return change.approval.get_state_display()

    @action(description=_("批准"), icon="check", permissions=["decide"])
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = _("已批准，变更已经生效。")
        warning = _("请向渠道方核对网关地址、商户号与密钥：批准后立即生效，以后的到账以它们为准。")
        return self._decide(request, object_id, _("批准渠道变更"), approve_channel_change, done, [warning])

    @action(description=_("拒绝"), icon="block", permissions=["decide"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        said = _("拒绝渠道变更")
        return self._decide(request, object_id, said, refuse_channel_change, _("已拒绝。"), form=ReasonForm)

    @action(description=_("撤回"), icon="undo", permissions=["decide"])
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(request, object_id, _("撤回渠道变更"), cancel_channel_change, _("已撤回。"))

    def _decide(
        self,
        request: HttpRequest,
        object_id: str,
        title: Any,
        decide: Callable,
        done: Any,
        warnings: Collection[Any] = (),
        form: type[forms.Form] | None = None,
    ) -> HttpResponse:
        change = self.one(request, object_id)

        def run(answer: Answer) -> str:
            who = {"actor": request.user, "address": request.client_address}
            decide(approval_id=change.approval_id, **answer.data, **who)
            return str(done)

        preview = Preview(
            facts=_facts(change), columns=COLUMNS, rows=rows_of(change), warnings=list(warnings), submit=title
        )
        return ask(self, request, title=title, form=form, preview=lambda answer: preview, run=run, target=change)


def rows_of(change: ChannelChange) -> list[tuple[Any, str, str]]:
    """(label, before, after) of each thing that changes; new secrets are told of and not shown."""
    asked, names = change.approval.detail, _secret_names(change.channel)
    rows = [
        (_label(change.channel, name), _shown(name, before), _shown(name, after))
        for name, (before, after) in asked["changed"].items()
    ]
    return rows + [(names.get(name, name), "••••", gettext("新的密钥")) for name in asked["secrets"]]


def _facts(change: ChannelChange) -> list[Fact]:
    """The channel as it is, so that who opens a new one sees where it leads."""
    channel, profile = change.channel, profile_of(change.channel)
    options = [
        Fact(option.label, _shown(option.name, channel.settings[option.name]))
        for option in profile.options
        if channel.settings.get(option.name)
    ]
    return [
        Fact(_("渠道"), f"{channel} · {channel.code} · {channel.get_provider_display()}", strong=True),
        Fact(_("网关地址"), channel.gateway_url),
        Fact(profile.merchant or _("商户号"), channel.merchant_id or "–"),
        *options,
        Fact(_("申请人"), change.approval.asked_by),
    ]


def _label(channel: Channel, name: str) -> Any:
    option = name.removeprefix(channel_changes.OPTION)
    for one in profile_of(channel).options:
        if name.startswith(channel_changes.OPTION) and one.name == option:
            return one.label
    try:
        return Channel._meta.get_field(name).verbose_name
    except FieldDoesNotExist:
        return option


def _secret_names(channel: Channel) -> Mapping[str, Any]:
    return {one.name: one.label for one in profile_of(channel).options if one.secret}


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    if isinstance(value, list):
        return listed(str(one) for one in value) or "–"
    text = "–" if value in (None, "") else str(value)
    return text if len(text) <= LONG else f"{text[:HEAD]}…{text[-TAIL:]}"


def contents(change: ChannelChange, viewer: User) -> Panel:
    return Panel(title=_("变更内容"), columns=COLUMNS, rows=rows_of(change))


panels.add("payments.ChannelChange", contents)
timelines.add("payments.ChannelChange", lambda change, viewer: history_of(change.approval))
