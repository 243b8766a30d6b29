"""manage.py audit_chain verify | anchor | seal: look through the audit log's chain, write down its end, add what waits."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.services import anchoring, chain
from audit.words import fault_in_words
from common.exceptions import DomainError
from common.progress import Bar

SHOWN = 50


class Command(BaseCommand):
    help = str(gettext_lazy("核对审计链、写出锚点；核对被中断后再次运行会从中断处继续"))

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        verify = acts.add_parser("verify", help=_("核对整条审计链，发现改动、删除、插入或移动即以 1 退出"))
        verify.add_argument("--anchors", type=Path, help=_("保存在别处的锚点文件；默认用 AUDIT_ANCHOR_FILE"))
        verify.add_argument("--chunk", type=int, default=chain.CHUNK, help=_("每批多少条，默认 %(default)s"))
        acts.add_parser("anchor", help=_("把审计链的末端写到文件、邮件和日志"))
        acts.add_parser("seal", help=_("把等待的记录加入审计链"))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            {"verify": self._verify, "anchor": self._anchor, "seal": self._seal}[options["act"]](options)
        except DomainError as refused:
            raise CommandError(str(refused)) from refused
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error

    def _verify(self, options: dict[str, Any]) -> None:
        given = options["anchors"]
        anchors = anchoring.read_anchors(given) if given else anchoring.kept_anchors()
        bar = Bar(_("核对审计链"))
        try:
            check = chain.verify(anchors=anchors, chunk=max(options["chunk"], 1), progress=bar)
        finally:
            bar.close()
        for found in check.findings[:SHOWN]:
            self.stderr.write(f"  {fault_in_words(found)}")
        if check.faults > SHOWN:
            self.stderr.write("  …")
        counts = {"total": f"{check.position:,}", "anchors": len(anchors), "faults": f"{check.faults:,}"}
        told = _("已核对 %(total)s 条记录、%(anchors)s 个外部锚点，发现 %(faults)s 个问题") % counts
        if check.faults:
            raise CommandError(told)
        self.stdout.write(told)

    def _anchor(self, options: dict[str, Any]) -> None:
        made = anchoring.anchor()
        if made is None:
            self.stdout.write(_("没有新的记录，不需要新的锚点"))
        else:
            told = {"position": f"{made.position:,}", "hash": made.hash, "where": ", ".join(made.kept_in)}
            self.stdout.write(_("锚点 %(position)s %(hash)s 已写到：%(where)s") % told)

    def _seal(self, options: dict[str, Any]) -> None:
        total = 0
        while count := chain.seal():
            total += count
        self.stdout.write(_("%(count)s 条记录已加入审计链") % {"count": f"{total:,}"})
