from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class MarketingConfig(AppConfig):
    name = "marketing"
    verbose_name = pgettext_lazy("plural", "营销")
