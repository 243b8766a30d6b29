from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from common import clock
from common.exceptions import DomainError
from common.money import ZERO
from common.progress import Bar
from marketing.selectors import due_for
from marketing.services import pay_due_rebates, pay_rebates


def month(text: str) -> date:
    """2026-10 → its first day."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise ArgumentTypeError(_("月份写成 2026-10")) from error


class Command(BaseCommand):
    help = str(gettext_lazy("发放月返利；不写月份时发放所有到了发放日的。重复运行不会多发，被中断后再次运行会接着发"))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("month", nargs="?", type=month, help=_("只发这个月，例如 2026-10，不等发放日"))
        parser.add_argument("--preview", action="store_true", help=_("只列出谁会得到多少，不发放；需要写月份"))

    def handle(self, *args: Any, **options: Any) -> None:
        if options["preview"]:
            return self._preview(options["month"])
        bar = Bar(_("发放返利"))
        try:
            if options["month"] is None:
                paid = pay_due_rebates(at=clock.now(), progress=bar)
            else:
                paid = pay_rebates(month=options["month"], at=clock.now(), progress=bar)
        except DomainError as refused:
            raise CommandError(str(refused)) from refused
        finally:
            bar.close()
        counts = {"members": paid.members, "amount": paid.amount, "corrected": paid.corrected}
        self.stdout.write(_("已发放 %(members)s 人，共 ¥%(amount)s；更正以前的月份 %(corrected)s 笔") % counts)
        return None

    def _preview(self, chosen: date | None) -> None:
        if chosen is None:
            raise CommandError(_("预览需要写月份"))
        dues = due_for(month=chosen)
        names = dict(User.objects.filter(pk__in=[d.entitled.user_id for d in dues]).values_list("pk", "username"))
        for due in dues:
            one = due.entitled
            self.stdout.write(f"{names[one.user_id]}\t{one.base}\t{one.rate}\t{one.amount}\t{due.carried}\t{due.paid}")
        whole = sum((due.paid for due in dues), ZERO)
        self.stdout.write(_("共 %(members)s 人，¥%(amount)s") % {"members": len(dues), "amount": whole})
