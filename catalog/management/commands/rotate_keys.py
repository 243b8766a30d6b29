"""manage.py rotate_keys: bring everything under the first master key of KEY_RING, or keys of a batch under a new data key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import KeyBatch
from catalog.services import resealing, rotation
from common import crypto
from common.exceptions import DomainError
from common.progress import Bar

SHOWN = 20


class Command(BaseCommand):
    help = str(gettext_lazy("用 KEY_RING 中的第一个主密钥重新加密；边卖边换，被中断后再次运行会接着做"))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help=_("只检查，不修改"))
        parser.add_argument("--chunk", type=int, default=rotation.CHUNK, help=_("每个事务多少行，默认 %(default)s"))
        parser.add_argument(
            "--data-keys", nargs="+", type=int, metavar="BATCH", help=_("改为给这些批次的卡密换一个新的数据密钥")
        )
        parser.add_argument(
            "--anyway", action="store_true", help=_("即使有进程还没有新的主密钥也继续；它们会读不到改过的内容")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["data_keys"]:
                for batch_id in options["data_keys"]:
                    self._reseal(batch_id, options)
            elif options["dry_run"]:
                self._rehearse()
            else:
                self._rotate(options)
        except DomainError as refused:
            raise CommandError(str(refused)) from refused

    def _rehearse(self) -> None:
        found = rotation.rehearse()
        self._tell_held(found)
        self.stdout.write(_("将重新加密 %(count)s 行") % {"count": f"{found.rewrapped:,}"})
        old = rotation.sessions_without(crypto.wrapping_name())
        if old:
            self.stdout.write(_("有 %(count)s 个数据库连接的进程还没有新的主密钥，请先重启它们") % {"count": len(old)})
        self._fail_for(found.broken)

    def _rotate(self, options: dict[str, Any]) -> None:
        bar = Bar(_("更换主密钥"))
        try:
            done = rotation.rotate(chunk=max(options["chunk"], 1), progress=bar, check_sessions=not options["anyway"])
        finally:
            bar.close()
        self._tell_held(done)
        self.stdout.write(_("已重新加密 %(count)s 行") % {"count": f"{done.rewrapped:,}"})
        self._tell_ring(done)
        self._fail_for(done.broken)

    def _tell_held(self, found: rotation.Rotation) -> None:
        for name, columns in sorted(found.held.items()):
            parts = ", ".join(f"{column} {count:,}" for column, count in sorted(columns.items()))
            self.stdout.write(f"  {name}: {parts}")

    def _tell_ring(self, done: rotation.Rotation) -> None:
        for name in crypto.master_keys():
            if name in done.may_go:
                self.stdout.write(
                    _("主密钥 %(name)s 已不再使用，可以从 KEY_RING 中取出；旧备份仍需要它，请离线保存") % {"name": name}
                )
            elif name != crypto.wrapping_name():
                told = {"name": name, "count": f"{done.still_under(name):,}"}
                self.stdout.write(_("主密钥 %(name)s 还不能取出：仍有 %(count)s 行需要它") % told)

    @staticmethod
    def _fail_for(broken: list[str]) -> None:
        if broken:
            told = {"count": len(broken), "rows": "\n".join(f"  {row}" for row in broken[:SHOWN])}
            raise CommandError(_("%(count)s 行无法解密，可能被改动过，或 KEY_RING 缺少主密钥：\n%(rows)s") % told)

    def _reseal(self, batch_id: int, options: dict[str, Any]) -> None:
        batch = KeyBatch.objects.filter(pk=batch_id).first()
        if batch is None:
            raise CommandError(_("没有批次 #%(batch)s") % {"batch": batch_id})
        if options["dry_run"]:
            told = {"batch": batch_id, "count": f"{batch.keys.count():,}"}
            self.stdout.write(_("批次 #%(batch)s：将重新加密 %(count)s 条卡密") % told)
            return
        bar = Bar(str(batch))
        try:
            done = resealing.reseal_batch(batch_id=batch_id, chunk=max(options["chunk"], 1), progress=bar)
        finally:
            bar.close()
        told = {"batch": batch_id, "count": f"{done.count - len(done.broken):,}"}
        self.stdout.write(_("批次 #%(batch)s：已重新加密 %(count)s 条卡密") % told)
        self._fail_for([f"catalog.Key {pk}" for pk in done.broken])
