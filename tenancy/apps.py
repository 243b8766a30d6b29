from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class TenancyConfig(AppConfig):
    name = "tenancy"
    verbose_name = pgettext_lazy("plural", "店铺")
