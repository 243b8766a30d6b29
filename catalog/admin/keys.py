"""Keys: masked; a look at one is logged; some may be taken off sale."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.selectors import history_of
from catalog.admin.forms import FindForm
from catalog.admin.shown import key_chip
from catalog.models import Key
from catalog.selectors.keys import find_keys
from catalog.services import keys
from common.admin import (
    ActionVariant,
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    action,
    allowed,
    ask,
    display,
    link_to,
    when,
)
from common.admin.confirm import Answer
from common.registries import act_names, timelines

act_names.update(
    {
        "key.reveal": _("查看卡密明文"),
        "keys.void": _("作废卡密"),
        "keys.rotate": _("开始更换主密钥"),
        "keys.rotated": _("更换主密钥完成"),
        "keys.reseal": _("开始更换数据密钥"),
        "keys.resealed": _("更换数据密钥完成"),
    }
)
timelines.add("catalog.Key", lambda key, viewer: history_of(key))
SHOWN = 20


@admin.register(Key)
class KeyAdmin(ReadOnlyAdmin):
    list_display = ["masked", "shown_sku", "shown_batch", "state_chip", "sold"]
    # No part of a secret: a file of previews travels further than a page.
    export_columns = ["id", "shown_sku", "shown_batch", "state", "sold_at"]
    list_display_links = ["masked"]
    list_filter = ["state", ("sold_at", DayRangeFilter)]
    linked_lookups = ["sku__id__exact"]
    list_select_related = ["sku__product", "batch"]
    ordering = ["-id"]
    fields = ["masked", "shown_sku", "shown_batch", "state_chip", "sold", "data_key"]
    actions = ["void"]
    actions_list = ["find"]
    actions_detail = ["reveal"]
    has_reveal_permission = allowed("catalog.reveal_key")
    has_void_permission = allowed("catalog.void_key")

    @display(description=_("卡密"))
    def masked(self, key: Key) -> str:
        return key.preview

    @display(description=_("规格"))
    def shown_sku(self, key: Key) -> str:
        return f"{key.sku.product} · {key.sku}"

    @display(description=_("批次"))
    def shown_batch(self, key: Key) -> str:
        return str(key.batch)

    @display(description=_("状态"))
    def state_chip(self, key: Key) -> SafeString:
        return key_chip(key)

    @display(description=_("售出时间"))
    def sold(self, key: Key) -> SafeString | str:
        return when(key.sold_at) or "–"

    @action(description=_("查看明文"), icon="visibility", permissions=["reveal"])
    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self.one(request, object_id)
        preview = Preview(
            facts=[Fact(_("卡密"), key.preview, strong=True), Fact(_("规格"), self.shown_sku(key))],
            warnings=[_("查看会写入审计记录，并计入您每小时的查看次数。")],
            submit=_("查看明文"),
        )
        return ask(
            self,
            request,
            title=_("查看卡密明文"),
            preview=lambda answer: preview,
            run=partial(self._reveal, request, key),
            target=key,
        )

    def _reveal(self, request: HttpRequest, key: Key, answer: Answer) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("卡密明文"),
            "subtitle": self.shown_sku(key),
            "opts": self.opts,
            "original": key,
            "secret": keys.reveal_key(key_id=key.pk, actor=request.user, address=request.client_address),
            "back": reverse("admin:catalog_key_change", args=[key.pk]),
        }
        response = TemplateResponse(request, "catalog/admin/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @action(description=_("按原文查找"), icon="search", permissions=["view"])
    def find(self, request: HttpRequest) -> HttpResponse:
        """Where a key is that a buyer shows. Posted, so that it stands in no address and no log."""
        return ask(
            self, request, title=_("按原文查找卡密"), form=FindForm, preview=partial(self._found, request), run=_nothing
        )

    def _found(self, request: HttpRequest, answer: Answer) -> Preview:
        found = find_keys(answer.data["text"])
        rows = [
            [link_to(key, request.user, key.preview), self.shown_sku(key), self.shown_batch(key), key_chip(key)]
            for key in found
        ]
        return Preview(
            columns=[_("卡密"), _("规格"), _("批次"), _("状态")],
            rows=rows,
            warnings=[] if found else [_("没有找到。请确认整条卡密都已填入，大小写也要一致。")],
            possible=False,
        )

    @action(description=_("作废"), variant=ActionVariant.DANGER, permissions=["void"])
    def void(self, request: HttpRequest, queryset: QuerySet[Key]) -> HttpResponse:
        chosen = list(queryset.select_related("sku__product"))
        return ask(
            self,
            request,
            title=_("作废卡密"),
            preview=partial(self._preview_void, chosen),
            run=partial(self._void, request, chosen),
        )

    def _preview_void(self, chosen: list[Key], answer: Answer) -> Preview:
        return Preview(
            facts=[Fact(_("将作废"), gettext("%(count)s 条卡密") % {"count": len(chosen)}, strong=True)],
            columns=[_("卡密"), _("规格"), _("状态")],
            rows=[[key.preview, self.shown_sku(key), key_chip(key)] for key in chosen[:SHOWN]],
            more=max(0, len(chosen) - SHOWN),
            warnings=[_("作废后不再出售，也不能恢复；已预留或已售出的卡密不能作废。")],
            submit=_("作废"),
        )

    @staticmethod
    def _void(request: HttpRequest, chosen: list[Key], answer: Answer) -> str:
        count = keys.void_keys(key_ids=[key.pk for key in chosen], actor=request.user)
        return gettext("已作废 %(count)s 条卡密。") % {"count": count}


def _nothing(answer: Answer) -> Any:
    raise AssertionError("finding has no last step")
