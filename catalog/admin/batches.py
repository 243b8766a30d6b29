"""Key batches: upload, preview with errors and duplicates, confirm, progress."""

from typing import Any

from defusedcsv import csv
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.selectors import history_of
from catalog.admin.exports import ask_for_export
from catalog.admin.forms import UploadForm
from catalog.admin.shown import batch_chip
from catalog.keyfiles import FileError, RowError
from catalog.models import KeyBatch
from catalog.services import importing
from common.admin import DayRangeFilter, ReadOnlyAdmin, action, allowed, display, when
from common.admin.export import neutral
from common.admin.telling import names_of
from common.exceptions import DomainError
from common.registries import act_names, timelines

act_names.update(
    {
        "keys.receive": _("上传卡密文件"),
        "keys.import": _("确认导入"),
        "keys.cancel": _("取消导入"),
        "keys.done": _("导入完成"),
        "keys.failed": _("导入失败"),
    }
)
timelines.add("catalog.KeyBatch", lambda batch, viewer: history_of(batch))
State = KeyBatch.State
# A page that waits for a worker asks again by itself.
REFRESH_SECONDS = 2


@admin.register(KeyBatch)
class KeyBatchAdmin(ReadOnlyAdmin):
    list_display = [
        "number",
        "shown_sku",
        "filename",
        "state_chip",
        "progress",
        "imported",
        "duplicates",
        "errors",
        "made",
    ]
    list_display_links = ["number"]
    list_filter = ["state", ("created_at", DayRangeFilter)]
    linked_lookups = ["sku__id__exact"]
    list_select_related = ["sku__product"]
    search_fields = ["=sku__code", "filename", "note"]
    search_help_text = _("按规格编码、文件名或备注查找")
    fields: list[str] = []
    change_form_template = "catalog/admin/batch.html"
    actions_list = ["upload"]
    export_columns = [
        "id",
        "shown_sku",
        "filename",
        "state",
        "rows_total",
        "imported",
        "duplicates",
        "errors",
        "created_at",
    ]
    actions_detail = ["ask_for_export"]
    has_import_permission = allowed("catalog.import_keys")
    has_ask_permission = allowed("catalog.export_keys")

    @action(description=_("导出明文"), icon="key", permissions=["ask"])
    def ask_for_export(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return ask_for_export(self, request, self.one(request, object_id))

    def get_urls(self) -> list:
        steps = {"confirm": self.confirm, "cancel": self.cancel, "errors": self.error_rows}
        return [
            path(f"<int:batch_id>/{name}/", self.admin_site.admin_view(view), name=f"catalog_keybatch_{name}")
            for name, view in steps.items()
        ] + super().get_urls()

    @display(description=_("批次"), ordering="id")
    def number(self, batch: KeyBatch) -> str:
        return f"#{batch.pk}"

    @display(description=_("规格"))
    def shown_sku(self, batch: KeyBatch) -> str:
        return f"{batch.sku.product} · {batch.sku}"

    @display(description=_("状态"), ordering="state")
    def state_chip(self, batch: KeyBatch) -> SafeString:
        return batch_chip(batch)

    @display(description=_("进度"))
    def progress(self, batch: KeyBatch) -> str:
        if batch.state in {State.CHECKING, State.CANCELLED}:
            return "–"
        done = batch.rows_total if batch.state == State.READY else batch.rows_done
        return f"{done:,} / {batch.rows_total:,}"

    @display(description=_("创建时间"), ordering="created_at")
    def made(self, batch: KeyBatch) -> SafeString | str:
        return when(batch.created_at)

    @action(description=_("导入卡密"), url_path="upload", icon="upload_file", permissions=["import"])
    def upload(self, request: HttpRequest) -> HttpResponse:
        form = UploadForm(request.POST or None, request.FILES or None, initial={"sku": request.GET.get("sku", "")})
        if request.method == "POST" and form.is_valid():
            try:
                batch = self._receive(request, form)
            except (FileError, DomainError) as error:
                form.add_error(None, str(error))
            else:
                return redirect(reverse("admin:catalog_keybatch_change", args=[batch.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("导入卡密"),
            "opts": self.opts,
            "form": form,
            "media": self.media + form.media,
            "back": reverse("admin:catalog_keybatch_changelist"),
        }
        request.current_app = self.admin_site.name
        return _private(TemplateResponse(request, "catalog/admin/upload.html", context))

    def _receive(self, request: HttpRequest, form: UploadForm) -> KeyBatch:
        file, name = form.source
        batch = importing.receive_file(
            sku=form.cleaned_data["sku"],
            file=file,
            filename=name,
            actor=request.user,
            sheet=form.cleaned_data["sheet"],
            columns=form.cleaned_data["columns"],
            note=form.cleaned_data["note"],
        )
        importing.hand_to_worker(batch=batch)
        return batch

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None) -> HttpResponse:
        if obj is not None:
            context |= self._shown(request, obj)
        return _private(super().render_change_form(request, context, add, change, form_url, obj))

    def _shown(self, request: HttpRequest, batch: KeyBatch) -> dict[str, Any]:
        report = batch.report
        names = names_of([batch.created_by_id])
        total = batch.rows_total or 1
        return {
            "title": gettext("卡密批次 #%(batch)s") % {"batch": batch.pk},
            "batch": batch,
            "chip": batch_chip(batch),
            "refresh": REFRESH_SECONDS if batch.state in {State.CHECKING, State.IMPORTING} else 0,
            "percent": 100 if batch.state == State.DONE else round(batch.rows_done * 100 / total),
            "facts": [
                (_("规格"), f"{batch.sku.product} · {batch.sku} · {batch.sku.code}"),
                (_("文件"), batch.filename or "–"),
                (_("操作者"), names.get(batch.created_by_id, "–")),
                (_("上传时间"), when(batch.created_at)),
                (_("完成时间"), when(batch.finished_at) or "–"),
                (_("备注"), batch.note or "–"),
            ],
            "counts": self._counts(batch),
            "samples": report.get("samples", []),
            "error_rows": [
                (number, str(RowError(code, params))) for number, code, params in report.get("error_rows", [])
            ],
            "duplicate_rows": report.get("duplicate_rows", []),
            "more_errors": max(0, report.get("errors", 0) - len(report.get("error_rows", []))),
            "more_duplicates": max(
                0,
                report.get("file_duplicates", 0)
                + report.get("stock_duplicates", 0)
                - len(report.get("duplicate_rows", [])),
            ),
            "file_error": _file_error(report),
            "may_import": self.has_import_permission(request),
        }

    @staticmethod
    def _counts(batch: KeyBatch) -> list[tuple[Any, int]]:
        """What the file holds before the import, what became of it afterwards."""
        if batch.state in {State.DONE, State.IMPORTING}:
            return [(_("已入库"), batch.imported), (_("重复"), batch.duplicates), (_("错误行"), batch.errors)]
        report = batch.report
        return [
            (_("新卡密"), report.get("fresh", 0)),
            (_("文件内重复"), report.get("file_duplicates", 0)),
            (_("库存已有"), report.get("stock_duplicates", 0)),
            (_("错误行"), report.get("errors", 0)),
        ]

    def confirm(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        return self._step(request, batch_id, self._confirm)

    def cancel(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        return self._step(request, batch_id, self._cancel)

    @staticmethod
    def _confirm(request: HttpRequest, batch: KeyBatch) -> None:
        importing.hand_to_worker(batch=importing.confirm_batch(batch_id=batch.pk, actor=request.user))

    @staticmethod
    def _cancel(request: HttpRequest, batch: KeyBatch) -> None:
        importing.cancel_batch(batch_id=batch.pk, actor=request.user)

    def _step(self, request: HttpRequest, batch_id: int, run: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_import_permission(request):
            raise PermissionDenied
        batch = self.one(request, batch_id)
        try:
            run(request, batch)
        except DomainError as error:
            messages.error(request, str(error))
        return redirect(reverse("admin:catalog_keybatch_change", args=[batch.pk]))

    def error_rows(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """Errors and duplicates as a table for whoever repairs the file: numbers, reasons and masked keys only."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        batch = self.one(request, batch_id)
        response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="batch-{batch.pk}-rows.csv"'
        writer = csv.writer(response)
        writer.writerow([gettext("行号"), gettext("问题"), gettext("卡密")])
        for number, code, params in batch.report.get("error_rows", []):
            writer.writerow([number, str(RowError(code, params)), ""])
        for number, preview, first in batch.report.get("duplicate_rows", []):
            why = gettext("与第 %(number)s 行重复") % {"number": first} if first else gettext("库存已有")
            writer.writerow([number, why, neutral(preview)])
        return _private(response)


def _file_error(report: dict) -> str:
    error = report.get("error")
    if not error:
        return ""
    if error["code"] == "unreadable":
        return gettext("文件内容已损坏，无法解密")
    return str(FileError(error["code"], **error["params"]))


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
