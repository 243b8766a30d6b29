from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from membership.exceptions import AlreadyRunning
from membership.services import recalculate

WIDTH = 40


class Command(BaseCommand):
    help = str(gettext_lazy("重新评定会员等级；被中断后再次运行会从中断处继续"))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--due", action="store_true", help=_("只评定到期的会员，与每晚的任务相同"))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = recalculate(everyone=not options["due"], progress=self.show)
        except AlreadyRunning as refused:
            raise CommandError(str(refused)) from refused
        counts = {"evaluated": run.evaluated, "changed": run.changed}
        self.stdout.write(_("已评定 %(evaluated)s 位会员，%(changed)s 位等级有变") % counts)

    def show(self, done: int, total: int) -> None:
        """A bar that redraws itself on a terminal, and lines elsewhere."""
        filled = WIDTH * done // total
        bar = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {100 * done // total}% {done}/{total}"
        if self.stderr.isatty():
            self.stderr.write(f"\r{bar}", ending="\n" if done == total else "")
        else:
            self.stderr.write(bar)
