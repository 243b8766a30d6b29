from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class MarketingConfig(AppConfig):
    name = "marketing"
    verbose_name = pgettext_lazy("plural", "营销")

    def ready(self) -> None:
        import_module("marketing.codes")
