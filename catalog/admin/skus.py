"""SKUs: price, stock, quantity breaks, what a bundle holds, and the low stock list."""

from collections.abc import Collection
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import ForeignKey, Q, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.selectors import history_of
from catalog.admin.forms import BreakForm, BreakFormSet, BundleFormSet, SecretForm, SkuForm
from catalog.admin.shown import sku_chip, stock_chip, unit_money
from catalog.models import BundleItem, Key, PriceHistory, Product, QuantityBreak, ReusableSecret, Sku
from catalog.selectors import low_stock
from catalog.services import goods, keys
from common.admin import ActionVariant, Fact, ModelAdmin, Preview, TabularInline, action, allowed, ask, display, when
from common.admin.confirm import Answer
from common.registries import Panel, act_names, panels, timelines

act_names.update(
    {
        "sku.save": _("保存规格"),
        "sku.archive": _("归档规格"),
        "sku.breaks": _("设置批发价"),
        "sku.bundle": _("设置套餐内容"),
        "reusable.set": _("更换通用卡密"),
    }
)
timelines.add("catalog.Sku", lambda sku, viewer: history_of(sku, but=["admin.change"]))
PRICES_SHOWN = 12


class StockFilter(admin.SimpleListFilter):
    """`?stock=low` is the low stock list, `?stock=out` what is sold out."""

    title = _("库存")
    parameter_name = "stock"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("low", _("低库存")), ("out", _("售罄"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Sku]) -> QuerySet[Sku]:
        if self.value() not in {"low", "out"}:
            return queryset
        low = queryset.filter(pk__in=low_stock().order_by().values("pk"))
        return low if self.value() == "low" else low.filter(Q(figure__available=0) | Q(figure=None))


class PartOfSku(TabularInline):
    """Rows that belong to a SKU: whoever may change it may change them."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("catalog.view_sku") or request.user.has_perm("catalog.change_sku")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("catalog.change_sku")

    has_add_permission = has_delete_permission = has_change_permission


class BreakInline(PartOfSku):
    model = QuantityBreak
    form = BreakForm
    formset = BreakFormSet
    fields = ["min_quantity", "unit_price"]
    verbose_name_plural = pgettext_lazy("plural", "批发价：满多少件，每件多少钱")


class BundleInline(PartOfSku):
    model = BundleItem
    fk_name = "sku"
    formset = BundleFormSet
    fields = ["component", "quantity"]
    autocomplete_fields = ["component"]

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **options: Any) -> ModelChoiceField:
        field = super().formfield_for_foreignkey(db_field, request, **options)
        field.label_from_instance = SkuAdmin.full_name
        return field


@admin.register(Sku)
class SkuAdmin(ModelAdmin):
    form = SkuForm
    list_display = ["code", "shown_product", "shown_name", "price", "shown_cost", "left", "reserved", "sold", "state"]
    list_filter = [StockFilter, "status", "product__kind", "product__category"]
    search_fields = ["code", "name", "product__name"]
    search_help_text = _("按编码、规格或商品名称查找")
    ordering = ["product__position", "product_id", "position", "id"]
    fields = [
        "shown_product",
        "code",
        ("name", "name_en"),
        ("list_price", "cost"),
        "status",
        ("min_quantity", "max_quantity"),
        "sale_order",
        "cash_only",
        "low_stock_at",
        "goods_key",
        "position",
    ]
    readonly_fields = ["shown_product"]
    inlines = [BreakInline, BundleInline]
    actions_detail = ["bring_in", "secret", "archive"]
    export_columns = ["code", "shown_product", "name", "list_price", "cost", "available", "reserved", "sold", "status"]
    has_import_permission = allowed("catalog.import_keys")
    has_edit_permission = allowed("catalog.change_sku")

    @staticmethod
    def full_name(sku: Sku) -> str:
        return f"{sku.product} {sku} · {sku.code}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sku]:
        return super().get_queryset(request).select_related("product", "figure")

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A SKU begins on its product's page.
        return False

    def get_inlines(self, request: HttpRequest, obj: Sku | None) -> list[type]:
        found = super().get_inlines(request, obj)
        bundle = obj is not None and obj.product.kind == Product.Kind.BUNDLE
        return [one for one in found if one is not BundleInline or bundle]

    def fitting_acts(self, sku: Sku, user: User) -> Collection[str]:
        own = {Product.Kind.KEY: {"bring_in"}, Product.Kind.REUSABLE: {"secret"}}
        return {"archive"} | own.get(Product.Kind(sku.product.kind), set())

    def save_model(self, request: HttpRequest, obj: Sku, form: Any, change: bool) -> None:
        goods.save_sku(sku=obj, actor=request.user)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        services = {BreakFormSet: self._set_breaks, BundleFormSet: self._set_bundle}
        service = next((run for kind, run in services.items() if isinstance(formset, kind)), None)
        if service is None:
            super().save_formset(request, form, formset, change)
            return
        # Django's note of the change reads these; the services write their own audit entry.
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        if formset.has_changed():
            service(request, form.instance, formset)

    @staticmethod
    def _set_breaks(request: HttpRequest, sku: Sku, formset: BreakFormSet) -> None:
        goods.set_breaks(sku=sku, breaks=formset.wanted(), actor=request.user)

    @staticmethod
    def _set_bundle(request: HttpRequest, sku: Sku, formset: BundleFormSet) -> None:
        goods.set_bundle(sku=sku, items=formset.wanted(), actor=request.user)

    @display(description=_("商品"), ordering="product__name_pinyin")
    def shown_product(self, sku: Sku) -> str:
        return sku.product.name

    @display(description=_("规格"), ordering="name")
    def shown_name(self, sku: Sku) -> str:
        return sku.name

    @display(description=_("售价"), ordering="list_price")
    def price(self, sku: Sku) -> SafeString | str:
        return unit_money(sku.list_price)

    @display(description=_("成本"), ordering="cost")
    def shown_cost(self, sku: Sku) -> SafeString | str:
        return unit_money(sku.cost) or "–"

    @display(description=_("可售"), ordering="figure__available")
    def left(self, sku: Sku) -> SafeString | str:
        return stock_chip(sku)

    @display(description=_("可售"))
    def available(self, sku: Sku) -> int | str:
        return sku.figure.available if hasattr(sku, "figure") else ""

    @display(description=_("已预留"), ordering="figure__reserved")
    def reserved(self, sku: Sku) -> int | str:
        return sku.figure.reserved if hasattr(sku, "figure") else ""

    @display(description=_("已售"), ordering="figure__sold")
    def sold(self, sku: Sku) -> int | str:
        return sku.figure.sold if hasattr(sku, "figure") else ""

    @display(description=_("状态"), ordering="status")
    def state(self, sku: Sku) -> SafeString:
        return sku_chip(sku)

    @action(description=_("导入卡密"), icon="upload_file", url_path="bring-in", permissions=["import"])
    def bring_in(self, request: HttpRequest, object_id: str) -> HttpResponse:
        sku = self.one(request, object_id)
        return redirect(f"{reverse('admin:catalog_keybatch_upload')}?sku={sku.pk}")

    @action(description=_("通用卡密"), icon="password", permissions=["edit"])
    def secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        sku = self.one(request, object_id)

        def preview(answer: Answer) -> Preview:
            now = ReusableSecret.objects.filter(sku=sku, replaced_at=None).first()
            facts = [
                Fact(_("规格"), f"{sku.product} {sku}", strong=True),
                Fact(_("新内容"), keys.mask(keys.clean(answer.data["text"])), was=now.preview if now else ""),
            ]
            return Preview(facts=facts, submit=_("更换"))

        def run(answer: Answer) -> str:
            keys.set_reusable(sku=sku, text=answer.data["text"], actor=request.user)
            return gettext("已更换，之后的买家会收到新内容。")

        return ask(self, request, title=_("更换通用卡密"), form=SecretForm, preview=preview, run=run, target=sku)

    @action(description=_("归档"), icon="archive", variant=ActionVariant.DANGER, permissions=["edit"])
    def archive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        sku = self.one(request, object_id)
        return ask(
            self,
            request,
            title=_("归档规格"),
            preview=partial(self._preview_archive, sku),
            run=partial(self._archive, request, sku),
            target=sku,
        )

    @staticmethod
    def _preview_archive(sku: Sku, answer: Answer) -> Preview:
        return Preview(
            facts=[Fact(_("规格"), f"{sku.product} {sku}", strong=True), Fact(_("编码"), sku.code)],
            warnings=[_("归档后不再出售；已预留的订单照常发货，剩余卡密保留。")],
            submit=_("归档"),
        )

    @staticmethod
    def _archive(request: HttpRequest, sku: Sku, answer: Answer) -> str:
        goods.archive_sku(sku_id=sku.pk, actor=request.user)
        return gettext("已归档 %(name)s。") % {"name": sku.code}


def stock_panel(sku: Sku, viewer: Any) -> Panel | None:
    """Figures of a key SKU, with links to its keys and batches for those who may see them."""
    if sku.product.kind != Product.Kind.KEY:
        return None
    figure = getattr(sku, "figure", None)
    links = [
        (text, f"{reverse(f'admin:catalog_{model}_changelist')}?sku__id__exact={sku.pk}")
        for model, text in (("key", gettext("卡密")), ("keybatch", gettext("批次")))
        if viewer.has_perm(f"catalog.view_{model}")
    ]
    return Panel(
        title=_("库存"),
        facts=[
            (_("可售"), f"{figure.available:,}" if figure else 0),
            (_("已预留"), f"{figure.reserved:,}" if figure else 0),
            (_("已售"), f"{figure.sold:,}" if figure else 0),
            (_("作废"), f"{Key.objects.filter(sku=sku, state=Key.State.VOID).count():,}"),
            (_("已换新"), f"{Key.objects.filter(sku=sku, state=Key.State.REPLACED).count():,}"),
            (_("更新时间"), when(figure.refreshed_at) if figure else "–"),
        ],
        links=links,
    )


def secret_panel(sku: Sku, viewer: Any) -> Panel | None:
    """Which reusable secret is current, masked, and which ones were before."""
    if sku.product.kind != Product.Kind.REUSABLE:
        return None
    rows = ReusableSecret.objects.filter(sku=sku).order_by("-pk")[:PRICES_SHOWN]
    return Panel(
        title=_("通用卡密"),
        columns=[_("内容"), _("启用"), _("停用")],
        rows=[[row.preview, when(row.created_at), when(row.replaced_at) or _("使用中")] for row in rows],
    )


def price_panel(sku: Sku, viewer: Any) -> Panel | None:
    rows = PriceHistory.objects.filter(sku=sku).order_by("-at", "-pk")[:PRICES_SHOWN]
    return Panel(
        title=_("价格历史"),
        columns=[_("售价"), _("起始时间")],
        rows=[[unit_money(row.price), when(row.at)] for row in rows],
    )


for make in (stock_panel, secret_panel, price_panel):
    panels.add("catalog.Sku", make)
