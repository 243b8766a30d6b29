from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = pgettext_lazy("plural", "账户")

    def ready(self) -> None:
        import_module("accounts.hearing")
        import_module("accounts.sealing")
