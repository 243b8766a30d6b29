"""Exports of keys in plain text: asked for on a batch's page, decided and fetched here."""

from collections.abc import Collection
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextareaWidget

from accounts.models import User
from accounts.services.again import where_to_say_it_again
from audit.models import Approval
from audit.selectors import history_of
from catalog.models import KeyBatch, KeyExport
from catalog.models.exports import MOST_FETCHES
from catalog.services import exporting
from common.admin import (
    ActionVariant,
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
    link_to,
    when,
)
from common.admin.confirm import Answer
from common.registries import act_names, timelines

act_names.update(
    {
        "keys.export": _("申请导出卡密明文"),
        "keys.export_fetch": _("下载卡密明文"),
        "keys.export_done": _("卡密明文下载完成"),
    }
)


def _history(export: KeyExport, viewer: User) -> list:
    return [*history_of(export), *history_of(export.approval)]


timelines.add("catalog.KeyExport", _history)


class AskForm(forms.Form):
    which = forms.ChoiceField(
        label=_("范围"),
        choices=KeyExport.Which.choices,
        initial=KeyExport.Which.AVAILABLE,
        widget=UnfoldAdminRadioSelectWidget,
    )
    reason = forms.CharField(
        label=_("原因"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text=_("复核人会看到，并写入审计记录和导出的文件"),
    )


def ask_for_export(model_admin: Any, request: HttpRequest, batch: KeyBatch) -> HttpResponse:
    """The act on a batch's page."""

    def preview(answer: Answer) -> Preview:
        count = exporting.exported_keys(batch, answer.data["which"]).count()
        return Preview(
            facts=[
                Fact(_("批次"), batch),
                Fact(_("将导出明文"), gettext("%(count)s 条卡密") % {"count": f"{count:,}"}, strong=True),
                Fact(_("复核之后等待"), gettext("%(hours)s 小时") % {"hours": settings.KEY_EXPORT_DELAY_HOURS}),
            ],
            warnings=[_("需要另一位员工复核；其他员工会收到提醒。文件每行带导出编号，只能由您下载。")],
            possible=bool(count),
            submit=_("提交申请"),
        )

    def run(answer: Answer) -> str:
        export = exporting.ask_for_keys(
            batch_id=batch.pk, actor=request.user, address=request.client_address, **answer.data
        )
        return gettext("已提交导出申请 %(mark)s，等待另一位员工复核。") % {"mark": export.mark}

    return ask(model_admin, request, title=_("申请导出卡密明文"), form=AskForm, preview=preview, run=run, target=batch)


@admin.register(KeyExport)
class KeyExportAdmin(ReadOnlyAdmin):
    list_display = ["mark", "shown_batch", "shown_which", "asked_keys", "asker", "asked", "state_chip"]
    list_filter = ["approval__state", ("approval__asked_at", DayRangeFilter)]
    list_select_related = ["approval", "batch"]
    search_fields = ["=mark", "=approval__asked_by", "=approval__decided_by"]
    search_help_text = _("按导出编号、申请人或复核人精确查找")
    linked_lookups = ["batch__id__exact"]
    fields = [
        "mark",
        "state_chip",
        "shown_batch",
        "shown_which",
        "asked_keys",
        "reason",
        "asker",
        "asked",
        "approver",
        "usable",
        ("fetched", "fetches"),
        "rows",
        "sha256",
    ]
    export_columns = [
        "mark",
        "shown_batch",
        "which",
        "asked_keys",
        "asker",
        "approver",
        "rows",
        "sha256",
        "fetched_at",
        "fetches",
    ]
    actions_detail = ["approve", "refuse", "cancel", "fetch", "fetch_again"]
    has_fetch_permission = allowed("catalog.export_keys")
    has_decide_permission = allowed("catalog.approve_key_export")

    def fitting_acts(self, export: KeyExport, user: User) -> Collection[str]:
        approval = export.approval
        mine = approval.asked_by_id == user.pk
        if approval.state == Approval.State.ASKED:
            return {"cancel"} if mine else {"cancel", "approve", "refuse"}
        if approval.state == Approval.State.APPROVED:
            return {"cancel", "fetch"} if mine else {"cancel"}
        return {"fetch_again"} if exporting.may_fetch_again(export, user) else set()

    def has_stop_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_fetch_permission(request) or self.has_decide_permission(request)

    @display(description=_("批次"))
    def shown_batch(self, export: KeyExport) -> str:
        return str(export.batch)

    @display(description=_("范围"))
    def shown_which(self, export: KeyExport) -> str:
        return export.get_which_display()

    @display(description=_("原因"))
    def reason(self, export: KeyExport) -> str:
        return export.approval.reason

    @display(description=_("申请人"))
    def asker(self, export: KeyExport) -> str:
        return export.approval.asked_by

    @display(description=_("复核人"))
    def approver(self, export: KeyExport) -> str:
        return export.approval.decided_by or "–"

    @display(description=_("申请时间"))
    def asked(self, export: KeyExport) -> SafeString | str:
        return when(export.approval.asked_at)

    @display(description=_("可下载时间"))
    def usable(self, export: KeyExport) -> SafeString | str:
        approval = export.approval
        if approval.usable_from is None:
            return "–"
        return format_html("{} – {}", when(approval.usable_from), when(approval.ends_at))

    @display(description=_("下载时间"))
    def fetched(self, export: KeyExport) -> SafeString | str:
        return when(export.fetched_at) or "–"

    @display(description=_("状态"))
    def state_chip(self, export: KeyExport) -> SafeString:
        return chip(export.approval.get_state_display(), export.approval.tone)

    def _facts(self, request: HttpRequest, export: KeyExport) -> list[Fact]:
        return [
            Fact(_("导出编号"), export.mark),
            Fact(_("批次"), link_to(export.batch, request.user)),
            Fact(_("将导出明文"), gettext("%(count)s 条卡密") % {"count": f"{export.asked_keys:,}"}, strong=True),
            Fact(_("申请人"), export.approval.asked_by),
            Fact(_("原因"), export.approval.reason),
        ]

    @action(description=_("批准"), icon="check", permissions=["decide"])
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        export = self.one(request, object_id)
        possible = export.approval.asked_by_id != request.user.pk and export.approval.state == Approval.State.ASKED
        preview = Preview(
            facts=[
                *self._facts(request, export),
                Fact(_("批准之后等待"), gettext("%(hours)s 小时") % {"hours": settings.KEY_EXPORT_DELAY_HOURS}),
            ],
            warnings=[
                _("等待期间任何复核人都可以取消。") if possible else _("申请人不能复核自己的申请，或申请已有结果。")
            ],
            submit=_("批准导出"),
            possible=possible,
        )
        done = _("已批准，等待期过后申请人可以下载。")
        return self._decided(request, export, _("批准导出卡密明文"), preview, exporting.approve_export, done)

    @action(description=_("拒绝"), icon="block", permissions=["decide"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        export = self.one(request, object_id)

        def run(answer: Answer) -> str:
            exporting.refuse_export(
                export_id=export.pk,
                reason=answer.data["reason"],
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已拒绝。")

        preview = Preview(facts=self._facts(request, export), submit=_("拒绝导出"))
        return ask(
            self,
            request,
            title=_("拒绝导出卡密明文"),
            form=ReasonForm,
            preview=lambda answer: preview,
            run=run,
            target=export,
        )

    @action(description=_("取消"), icon="cancel", variant=ActionVariant.DANGER, permissions=["stop"])
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        export = self.one(request, object_id)
        preview = Preview(facts=self._facts(request, export), submit=_("取消导出"))
        return self._decided(
            request, export, _("取消导出卡密明文"), preview, exporting.cancel_export, _("已取消，不能再下载。")
        )

    def _decided(self, request: HttpRequest, export: KeyExport, title, preview, act, done) -> HttpResponse:
        def run(answer: Answer) -> str:
            act(export_id=export.pk, actor=request.user, address=request.client_address)
            return str(done)

        return ask(self, request, title=title, preview=lambda answer: preview, run=run, target=export)

    @action(description=_("下载"), icon="download", permissions=["fetch"])
    def fetch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        export = self.one(request, object_id)
        if asked := where_to_say_it_again(request):
            messages.warning(request, _("请再确认一次是您本人，然后继续"))
            return HttpResponseRedirect(asked)
        mine = export.approval.asked_by_id == request.user.pk
        preview = Preview(
            facts=self._facts(request, export),
            warnings=[
                _("下载会写入审计记录，并提醒其他员工。中断了可以在截止时间前再下载，每次都要确认本人、都会提醒。")
                if mine
                else _("只有申请人本人可以下载。")
            ],
            submit=_("下载明文"),
            possible=mine and export.approval.state == Approval.State.APPROVED,
        )
        return ask(
            self,
            request,
            title=_("下载卡密明文"),
            preview=lambda answer: preview,
            run=partial(self._file, request, export, False),
            target=export,
        )

    @action(description=_("再次下载"), url_path="fetch-again", icon="download", permissions=["fetch"])
    def fetch_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        export = self.one(request, object_id)
        if asked := where_to_say_it_again(request):
            messages.warning(request, _("请再确认一次是您本人，然后继续"))
            return HttpResponseRedirect(asked)
        left = MOST_FETCHES - export.fetches
        possible = exporting.may_fetch_again(export, request.user)
        preview = Preview(
            facts=[
                *self._facts(request, export),
                Fact(_("下载时间"), when(export.fetched_at) or "–"),
                Fact(_("还可下载"), gettext("%(count)s 次") % {"count": max(left, 0)}),
                Fact(_("截止时间"), when(export.approval.ends_at)),
            ],
            warnings=[
                _("上次下载中断时才需要。这次同样写入审计记录，并提醒其他员工；期间已售出的卡密不再包含在内。")
                if possible
                else _("只有申请人本人可以在截止时间前再次下载，最多 %(most)s 次。") % {"most": MOST_FETCHES}
            ],
            submit=_("再次下载明文"),
            possible=possible,
        )
        return ask(
            self,
            request,
            title=_("再次下载卡密明文"),
            preview=lambda answer: preview,
            run=partial(self._file, request, export, True),
            target=export,
        )

    @staticmethod
    def _file(request: HttpRequest, export: KeyExport, again: bool, answer: Answer) -> StreamingHttpResponse:
        file = exporting.fetch_keys(
            export_id=export.pk, actor=request.user, again=again, address=request.client_address
        )
        response = StreamingHttpResponse(file.pieces, content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{file.name}"'
        response["Cache-Control"] = "no-store"
        return response
