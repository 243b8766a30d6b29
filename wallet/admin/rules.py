"""What the operator sets: one row; changes are in the audit log."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from common.admin import ModelAdmin
from wallet.models import WalletRules


@admin.register(WalletRules)
class WalletRulesAdmin(ModelAdmin):
    list_display = ["__str__", "card_review_above", "by_hand_daily", "credit_warn_days"]
    export_columns = list_display
    fields = ["card_review_above", "by_hand_daily", "credit_warn_days"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[WalletRules]:
        return super().get_queryset(request).order_by("pk")
