from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = pgettext_lazy("plural", "订单")

    def ready(self) -> None:
        import_module("orders.sales")
        import_module("orders.sealing")
