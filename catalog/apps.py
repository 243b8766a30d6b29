from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = pgettext_lazy("plural", "商品")

    def ready(self) -> None:
        import_module("catalog.handlers")
