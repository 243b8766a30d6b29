from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class MembershipConfig(AppConfig):
    name = "membership"
    verbose_name = pgettext_lazy("plural", "会员")

    def ready(self) -> None:
        import_module("membership.handlers")
