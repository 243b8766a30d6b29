"""Tier prices: a price for one SKU, a rate for one product. They are edited on the pages of SKU and product too."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Field
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from common import clock
from common.admin import ModelAdmin, TabularInline, display, money
from common.registries import admin_inlines
from membership.models import ProductTierRate, Program, SkuTierPrice
from membership.selectors.prices import rate_text
from membership.selectors.rules import published_versions, version_at


def rank_choices() -> list[tuple[int, str]]:
    """The ranks of all programs by the names of their tiers; of several programs, with the program's name."""
    programs = list(Program.objects.all())
    at = clock.now()
    names: dict[int, list[str]] = {}
    for program in programs:
        versions = published_versions(program.pk)
        for rank, tier in (version_at(versions, at).tiers if versions else {}).items():
            names.setdefault(rank, []).append(str(tier) if len(programs) == 1 else f"{program} · {tier}")
    return [(rank, " / ".join(found)) for rank, found in sorted(names.items())]


class TierChosen:
    """Ranks are chosen by the name of the tier, and the platform's program is proposed."""

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "rank":
            return forms.TypedChoiceField(
                label=_("等级"), choices=rank_choices, coerce=int, widget=UnfoldAdminSelectWidget
            )
        if db_field.name == "program":
            kwargs["initial"] = Program.objects.filter(storefront=None).first()
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class SkuTierPriceInline(TierChosen, TabularInline):
    model = SkuTierPrice
    fields = ["program", "rank", "unit_price"]


class ProductTierRateInline(TierChosen, TabularInline):
    model = ProductTierRate
    fields = ["program", "rank", "rate"]


admin_inlines.add("catalog.Sku", SkuTierPriceInline)
admin_inlines.add("catalog.Product", ProductTierRateInline)


@admin.register(SkuTierPrice)
class SkuTierPriceAdmin(TierChosen, ModelAdmin):
    list_display = ["sku_name", "program", "rank_name", "shown_price", "shown_list_price"]
    list_filter = ["program", "rank"]
    list_select_related = ["sku__product", "program"]
    search_fields = ["=sku__code", "sku__product__name"]
    search_help_text = _("按商品编码或商品名称查找")
    ordering = ["sku", "rank"]
    fields = ["program", "sku", "rank", "unit_price"]
    raw_id_fields = ["sku"]
    deletable = True
    export_columns = ["sku", "program", "rank", "unit_price"]

    @display(description=_("商品"))
    def sku_name(self, price: SkuTierPrice) -> str:
        return f"{price.sku.product} · {price.sku}"

    @display(description=_("等级"), ordering="rank")
    def rank_name(self, price: SkuTierPrice) -> str:
        return dict(rank_choices()).get(price.rank, str(price.rank))

    @display(description=_("会员单价"), ordering="unit_price")
    def shown_price(self, price: SkuTierPrice):
        return money(price.unit_price)

    @display(description=_("售价"))
    def shown_list_price(self, price: SkuTierPrice):
        return money(price.sku.list_price)


@admin.register(ProductTierRate)
class ProductTierRateAdmin(TierChosen, ModelAdmin):
    list_display = ["product", "program", "rank_name", "shown_rate"]
    list_filter = ["program", "rank"]
    list_select_related = ["product", "program"]
    search_fields = ["product__name", "=product__slug"]
    search_help_text = _("按商品名称或网址标识查找")
    ordering = ["product", "rank"]
    fields = ["program", "product", "rank", "rate"]
    raw_id_fields = ["product"]
    deletable = True
    export_columns = ["product", "program", "rank", "rate"]

    @display(description=_("等级"), ordering="rank")
    def rank_name(self, rate: ProductTierRate) -> str:
        return dict(rank_choices()).get(rate.rank, str(rate.rank))

    @display(description=_("折扣"), ordering="rate")
    def shown_rate(self, rate: ProductTierRate) -> str:
        return rate_text(rate.rate) if rate.rate < 1 else str(_("不打折"))
