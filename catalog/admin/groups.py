"""Categories and labels."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit.selectors import history_of
from catalog.models import Category, Label
from catalog.services import goods
from common.admin import ModelAdmin, chip, display
from common.registries import act_names, timelines

act_names.update({"category.save": _("保存分类"), "label.save": _("保存标签")})
timelines.add("catalog.Category", lambda category, viewer: history_of(category))
timelines.add("catalog.Label", lambda label, viewer: history_of(label))

# Colours of a label on the shop's pages, and their nearest in the admin.
TONES = {"primary": "info", "danger": "danger", "warn": "warning", "success": "success"}


@admin.register(Category)
class CategoryAdmin(ModelAdmin):
    list_display = ["shown_name", "code", "slug", "product_count", "position", "is_active"]
    export_columns = list_display
    list_filter = ["is_active"]
    list_select_related = ["parent"]
    search_fields = ["name", "name_en", "code"]
    fields = ["name", "name_en", "parent", "slug", "code", "icon", "position", "is_active"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        return super().get_queryset(request).annotate(product_total=Count("products"))

    def get_readonly_fields(self, request: HttpRequest, obj: Category | None = None) -> list[str]:
        # Rules of membership weigh by code: a category that has one keeps it.
        return ["code"] if obj is not None else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "parent":
            kwargs["queryset"] = Category.objects.filter(parent=None)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Category, form: Any, change: bool) -> None:
        goods.save_category(category=obj, actor=request.user)

    @display(description=_("名称"), ordering="name")
    def shown_name(self, category: Category) -> str:
        return f"{category.parent} / {category}" if category.parent else str(category)

    @display(description=_("商品数"), ordering="product_total")
    def product_count(self, category: Category) -> int:
        return category.product_total


@admin.register(Label)
class LabelAdmin(ModelAdmin):
    list_display = ["shown_label", "name_en", "code", "product_count", "position"]
    list_filter = ["tone"]
    export_columns = list_display
    search_fields = ["name", "name_en", "code"]
    fields = ["name", "name_en", "code", "tone", "position"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Label]:
        return super().get_queryset(request).annotate(product_total=Count("products"))

    def save_model(self, request: HttpRequest, obj: Label, form: Any, change: bool) -> None:
        goods.save_label(label=obj, actor=request.user)

    @display(description=_("标签"), ordering="position")
    def shown_label(self, label: Label) -> Any:
        return chip(label.name, TONES[label.tone])

    @display(description=_("商品数"), ordering="product_total")
    def product_count(self, label: Label) -> int:
        return label.product_total
