"""Products with their SKUs."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.selectors import history_of
from catalog import words
from catalog.admin.forms import ProductForm, SkuForm
from catalog.admin.groups import TONES
from catalog.admin.shown import product_chip, unit_money
from catalog.models import Product, Sku
from catalog.selectors.searching import matches
from catalog.services import covers, goods
from common.admin import ActionVariant, Fact, ModelAdmin, Preview, TabularInline, action, allowed, ask, chip, display
from common.admin.confirm import Answer
from common.registries import act_names, timelines

act_names.update(
    {
        "product.save": _("保存商品"),
        "product.archive": _("归档商品"),
        "product.labels": _("设置标签"),
        "product.cover": _("更换封面"),
    }
)
timelines.add("catalog.Product", lambda product, viewer: history_of(product, but=["admin.change", "admin.add"]))
SHOWN = 20


class SkuInline(TabularInline):
    model = Sku
    form = SkuForm
    fields = ["code", "name", "name_en", "list_price", "cost", "status", "min_quantity", "max_quantity", "position"]
    show_change_link = True
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sku]:
        return super().get_queryset(request).exclude(status=Sku.Status.ARCHIVED)


@admin.register(Product)
class ProductAdmin(ModelAdmin):
    form = ProductForm
    list_display = ["picture", "shown_name", "category", "kind", "prices", "left", "sold", "shown_labels", "state"]
    list_display_links = ["picture", "shown_name"]
    list_filter = ["status", "kind", "category", "labels"]
    list_select_related = ["category"]
    search_fields = ["name"]
    search_help_text = _("按名称、拼音、首字母或商品编码查找")
    ordering = ["position", "-id"]
    inlines = [SkuInline]
    actions = ["put_on_sale", "take_off_sale"]
    actions_detail = ["archive"]
    export_columns = ["name", "name_en", "slug", "category", "kind", "status", "plain_left", "sold", "created_at"]
    fieldsets = [
        (None, {"fields": ["name", "name_en", "category", "kind", "status", "labels", "summary", "summary_en"]}),
        (
            _("说明与教程"),
            {"fields": ["description", "description_en", "guide", "guide_en"], "classes": ["tab"]},
        ),
        (_("封面"), {"fields": ["large_picture", "new_cover"], "classes": ["tab"]}),
        (
            _("购买与售后"),
            {
                "fields": ["buyer_fields", "warranty_days", "delivery_promise", "delivery_promise_en"],
                "classes": ["tab"],
            },
        ),
        (
            _("排序与网址"),
            {
                "fields": [
                    "on_sale_from",
                    "position",
                    "search_weight",
                    "slug",
                    "public_id",
                    "created_at",
                    "updated_at",
                ],
                "classes": ["tab"],
            },
        ),
    ]
    readonly_fields = ["large_picture", "public_id", "created_at", "updated_at"]
    has_archive_permission = allowed("catalog.change_product")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        skus = Prefetch("skus", Sku.objects.select_related("figure"))
        return super().get_queryset(request).prefetch_related("labels", skus)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Product], term: str) -> tuple[QuerySet, bool]:
        query = words.tsquery(term)
        return (queryset.filter(matches(query)) if query else queryset), False

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        goods.save_product(product=obj, actor=request.user)
        if upload := form.cleaned_data.get("new_cover"):
            covers.set_cover(product=obj, file=upload, actor=request.user)

    def save_related(self, request: HttpRequest, form: Any, formsets: list, change: bool) -> None:
        if "labels" in form.changed_data:
            goods.set_labels(product=form.instance, labels=form.cleaned_data["labels"], actor=request.user)
        for formset in formsets:
            self.save_formset(request, form, formset, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is not Sku:
            super().save_formset(request, form, formset, change)
            return
        for sku in formset.save(commit=False):
            goods.save_sku(sku=sku, actor=request.user)

    @display(description=_("封面"))
    def picture(self, product: Product) -> SafeString | str:
        return _picture(product, 80)

    @display(description=_("当前封面"))
    def large_picture(self, product: Product) -> SafeString | str:
        return _picture(product, 320)

    @display(description=_("名称"), ordering="name_pinyin")
    def shown_name(self, product: Product) -> str:
        return product.name

    @display(description=_("售价"))
    def prices(self, product: Product) -> SafeString | str:
        found = sorted(sku.list_price for sku in self._active(product))
        if not found:
            return "–"
        ends = [unit_money(found[0])] if found[0] == found[-1] else [unit_money(found[0]), unit_money(found[-1])]
        return format_html_join(" – ", "{}", ((end,) for end in ends))

    @display(description=_("库存"))
    def left(self, product: Product) -> SafeString | str:
        count = self.plain_left(product)
        if count == "":
            return "–"
        return chip(f"{count:,}", "danger" if not count else "success")

    @display(description=_("库存"))
    def plain_left(self, product: Product) -> int | str:
        if product.kind != Product.Kind.KEY:
            return ""
        return sum(sku.figure.available for sku in self._active(product) if hasattr(sku, "figure"))

    @display(description=_("已售"))
    def sold(self, product: Product) -> int:
        return sum(sku.figure.sold for sku in product.skus.all() if hasattr(sku, "figure"))

    @display(description=_("标签"))
    def shown_labels(self, product: Product) -> SafeString:
        return format_html_join(" ", "{}", ((chip(label.name, TONES[label.tone]),) for label in product.labels.all()))

    @display(description=_("状态"), ordering="status")
    def state(self, product: Product) -> SafeString:
        return product_chip(product)

    @staticmethod
    def _active(product: Product) -> list[Sku]:
        return [sku for sku in product.skus.all() if sku.status == Sku.Status.ACTIVE]

    @action(description=_("上架"), permissions=["change"])
    def put_on_sale(self, request: HttpRequest, queryset: QuerySet[Product]) -> HttpResponse:
        return self._switch(request, queryset, Product.Status.ON_SALE, _("上架"))

    @action(description=_("下架"), permissions=["change"])
    def take_off_sale(self, request: HttpRequest, queryset: QuerySet[Product]) -> HttpResponse:
        return self._switch(request, queryset, Product.Status.OFF_SALE, _("下架"))

    def _switch(self, request: HttpRequest, queryset: QuerySet[Product], status: str, title: Any) -> HttpResponse:
        moving = list(queryset.exclude(status__in=[status, Product.Status.ARCHIVED]))

        def preview(answer: Answer) -> Preview:
            return Preview(
                facts=[Fact(_("将改变"), gettext("%(count)s 个商品") % {"count": len(moving)}, strong=True)],
                columns=[_("名称"), _("现在")],
                rows=[[product.name, product_chip(product)] for product in moving[:SHOWN]],
                more=max(0, len(moving) - SHOWN),
                possible=bool(moving),
                warnings=[] if moving else [_("选中的商品都不需要改变。")],
                submit=title,
            )

        def run(answer: Answer) -> str:
            for product in moving:
                product.status = status
                goods.save_product(product=product, actor=request.user)
            return gettext("已改变 %(count)s 个商品。") % {"count": len(moving)}

        return ask(self, request, title=title, preview=preview, run=run, danger=False)

    @action(description=_("归档"), icon="archive", variant=ActionVariant.DANGER, permissions=["archive"])
    def archive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        product = self.one(request, object_id)
        return ask(
            self,
            request,
            title=_("归档商品"),
            preview=partial(self._preview_archive, product),
            run=partial(self._archive, request, product),
            target=product,
        )

    @staticmethod
    def _preview_archive(product: Product, answer: Answer) -> Preview:
        left = product.skus.aggregate(left=Sum("figure__available"))["left"] or 0
        return Preview(
            facts=[Fact(_("商品"), product.name, strong=True), Fact(_("剩余卡密"), f"{left:,}")],
            warnings=[_("归档后不再出售，也不再出现在商城；订单、价格历史和卡密都保留。")],
            submit=_("归档"),
        )

    @staticmethod
    def _archive(request: HttpRequest, product: Product, answer: Answer) -> str:
        goods.archive_product(product_id=product.pk, actor=request.user)
        return gettext("已归档 %(name)s。") % {"name": product.name}


def _picture(product: Product, width: int) -> SafeString | str:
    if not product.cover:
        return "–"
    return format_html(
        '<img src="{}" alt="" width="{}" height="{}" class="desk-cover">', product.cover.url, width, width * 3 // 4
    )
