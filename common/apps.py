from importlib import import_module
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings
from django.urls import register_converter
from django.utils.module_loading import autodiscover_modules

from common.converters import PublicIdConverter
from common.crypto import master_keys


class CommonConfig(AppConfig):
    name = "common"

    def ready(self) -> None:
        # A missing or known master key must stop the start, not the first sale.
        master_keys()
        register_converter(PublicIdConverter, "public_id")
        autodiscover_modules("privacy", "concealing")
        if settings.FAILPOINTS:
            # By name, so that a shop never loads what tests kill it with.
            import_module("common.failpoints").install(Path(settings.FAILPOINTS))
