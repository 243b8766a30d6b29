from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WalletConfig(AppConfig):
    name = "wallet"
    verbose_name = _("钱包")

    def ready(self) -> None:
        import_module("wallet.sealing")
