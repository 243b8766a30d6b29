from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MembershipConfig(AppConfig):
    name = "membership"
    verbose_name = _("会员")

    def ready(self) -> None:
        import_module("membership.handlers")
