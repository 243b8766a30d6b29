from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = pgettext_lazy("plural", "通知")

    def ready(self) -> None:
        import_module("notifications.handlers")
