from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.progress import Bar
from membership.exceptions import AlreadyRunning
from membership.services import recalculate
from membership.services.recalculation import SLICE


class Command(BaseCommand):
    help = str(gettext_lazy("重新评定会员等级；被中断后再次运行会从中断处继续"))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help=_("核对全部会员，与每周的任务相同；默认只评定到期的会员")
        )
        parser.add_argument(
            "--batch", type=int, default=SLICE, help=_("每批多少位会员；被中断时最多重做一批，默认 %(default)s")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        bar = Bar(_("评定会员"))
        try:
            run = recalculate(everyone=options["all"], batch=max(options["batch"], 1), progress=bar)
        except AlreadyRunning as refused:
            raise CommandError(str(refused)) from refused
        finally:
            bar.close()
        counts = {"evaluated": run.evaluated, "changed": run.changed, "differences": run.differences}
        self.stdout.write(_("已评定 %(evaluated)s 位会员，%(changed)s 位等级有变") % counts)
        if run.differences:
            self.stderr.write(_("%(differences)s 处与存储不一致，见后台“等级差异”") % counts)
