"""What the operator sets about deliveries: one row; changes are in the audit log."""

from django.contrib import admin
from django.http import HttpRequest

from common.admin import ModelAdmin
from orders.models import DeliveryRules


@admin.register(DeliveryRules)
class DeliveryRulesAdmin(ModelAdmin):
    fields = ["short_refund_hours"]
    list_display = ["__str__", "short_refund_hours"]
    list_filter = ["short_refund_hours"]
    export_columns = list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
