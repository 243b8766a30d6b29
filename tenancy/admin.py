from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common.admin import ModelAdmin, chip, display
from tenancy.models import Storefront
from tenancy.selectors import forget


@admin.register(Storefront)
class StorefrontAdmin(ModelAdmin):
    list_display = ["name", "shown_host", "shown_status"]
    list_filter = ["status"]
    export_columns = ["name", "host", "status"]
    fields = ["name", "name_en", "host", "status"]
    ordering = ["id"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A storefront needs an owner and a look; the wizard that gives it both makes it.
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Storefront | None = None) -> list[str]:
        # The main shop answers every host that nobody else owns: its own is only a name, and it cannot be paused.
        return ["host", "status"] if obj and obj.is_main else []

    def save_model(self, request: HttpRequest, obj: Storefront, form, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget()

    @display(description=_("域名"))
    def shown_host(self, storefront: Storefront) -> str:
        return storefront.host

    @display(description=_("状态"))
    def shown_status(self, storefront: Storefront):
        active = storefront.status == Storefront.Status.ACTIVE
        return chip(storefront.get_status_display(), "success" if active else "warning")
