"""manage.py reconcile CHANNEL FILE: compare a gateway's statement with our books; each difference becomes a case."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.exceptions import DomainError
from common.progress import Bar
from payments.models import Channel
from payments.reconciling.cases import confirm_run, drop_run
from payments.reconciling.checking import check_statement, earlier_run
from payments.reconciling.forms import NAMES
from payments.reconciling.models import Reconciliation, ReconciliationCase
from payments.reconciling.rows import Period

SHOWN = 20


class Command(BaseCommand):
    help = str(
        gettext_lazy(
            "用渠道账单（CSV 或 XLSX）对账；每处差异建一条待处理记录，不动任何款项。同一文件重复运行不会重复建"
        )
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("channel", help=_("支付渠道的代码"))
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--day", default="", help=_("2026-11-29，或 2026-11-01..2026-11-30；不写则按账单自己的日期")
        )
        parser.add_argument("--form", default="", choices=["", *NAMES], help=_("账单格式；不写则按渠道"))
        parser.add_argument("--check", action="store_true", help=_("只列出差异，不建记录"))

    def handle(self, *args: Any, **options: Any) -> None:
        channel = Channel.objects.filter(code=options["channel"]).first()
        if channel is None:
            raise CommandError(_("没有代码为“%(code)s”的支付渠道") % {"code": options["channel"]})
        try:
            run = self._checked(channel, options)
            self._preview(run)
            if options["check"]:
                drop_run(run_id=run.pk)
                return
            self._confirm(run)
        except DomainError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error

    def _checked(self, channel: Channel, options: dict[str, Any]) -> Reconciliation:
        period = Period.parse(options["day"]) if options["day"] else None
        reading, comparing = Bar(_("读取账单"), self.stderr), Bar(_("比对"), self.stderr)
        with options["file"].open("rb") as file:
            return check_statement(
                channel=channel,
                file=file,
                filename=options["file"].name,
                form=options["form"],
                period=period,
                reading=reading,
                comparing=comparing,
            )

    def _preview(self, run: Reconciliation) -> None:
        told = _(
            "%(first)s 至 %(last)s，账单 %(rows)s 行：一致 %(matched)s，渠道缺少 %(missing)s，渠道多出 %(extra)s，"
            "内容不同 %(different)s，重复 %(duplicate)s，等待相邻账单 %(waiting)s"
        )
        names = ("rows", "matched", "missing", "extra", "different", "duplicate", "waiting")
        counts = {name: getattr(run, name) for name in names}
        self.stdout.write(told % {**counts, "first": run.first_day, "last": run.last_day})
        amounts = {"theirs": run.their_amount, "ours": run.our_amount}
        if run.outside:
            self.stdout.write(_("账单里另有 %(count)s 行属于其他日期，没有核对") % {"count": run.outside})
        self.stdout.write(_("渠道收款合计 ¥%(theirs)s，我方收款合计 ¥%(ours)s") % amounts)
        for one in run.found[:SHOWN]:
            aspect = ReconciliationCase.Aspect(one["aspect"]).label
            line = f" ({one['line']})" if one["line"] else ""
            self.stdout.write(f"  {one['day']}{line} {aspect} {one['reference']} {one['amount']}")
        if len(run.found) > SHOWN:
            self.stdout.write("  …")

    def _confirm(self, run: Reconciliation) -> None:
        earlier, before = earlier_run(run), ReconciliationCase.objects.count()
        confirm_run(run_id=run.pk)
        if earlier is not None:
            self.stdout.write(_("这份账单已在 %(run)s 核对过，差异没有重复建立") % {"run": earlier})
        made = ReconciliationCase.objects.count() - before
        self.stdout.write(_("对账 %(run)s：新建差异 %(count)s 条") % {"run": run, "count": made})
