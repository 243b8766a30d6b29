import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from membership.replay.lines import BadLine, Line, last_of, parse_line
from membership.replay.output import dump_decision
from membership.replay.run import replay
from membership.rules.nodes import RuleSet
from membership.rules.parse import loads_rules
from membership.rules.reading import RuleErrors

BAD_LINE = 2


class Command(BaseCommand):
    help = str(gettext_lazy("用一套规则重放活动文件，每行打印一个等级决定；与线上引擎是同一段代码，不读写数据库"))
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("rules", metavar="RULES.json", help=_("规则文件"))
        parser.add_argument("events", metavar="EVENTS.jsonl", help=_("活动文件，每行一个 JSON；- 表示标准输入"))
        parser.add_argument("--as-of", metavar="TIME", help=_("推算到这一时刻或这一天结束；默认到最后一条活动"))
        parser.add_argument("--strict", action="store_true", help=_("遇到无法使用的行立即停止，退出码 2"))

    def handle(self, *args: Any, **options: Any) -> None:
        rules = self._rules(options["rules"])
        try:
            as_of = last_of(options["as_of"], "--as-of") if options["as_of"] is not None else None
        except BadLine as error:
            raise CommandError(str(error)) from error
        if rules.counts == "settled":
            self.stderr.write(_("规则写的是结算后计入，而活动文件里没有结算：订单按各自的时间计入"))
        lines = self._connected(
            list(self._lines(options["events"], rules, strict=options["strict"])), options["strict"]
        )
        for member, decision in replay(rules, lines, as_of):
            self.stdout.write(json.dumps(dump_decision(member, decision), ensure_ascii=False))

    def _rules(self, path: str) -> RuleSet:
        try:
            return loads_rules(Path(path).read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(_("无法读取 %(path)s：%(error)s") % {"path": path, "error": error}) from error
        except RuleErrors as refused:
            problems = "\n".join(str(error) for error in refused.errors)
            raise CommandError(_("规则有误：\n%(problems)s") % {"problems": problems}) from refused

    def _lines(self, path: str, rules: RuleSet, *, strict: bool) -> Iterator[Line]:
        """The lines that can be read, each reference once. Raises CommandError with exit code 2 for a bad one if `strict`."""
        known: set[str] = set()
        for number, raw in self._raw(path):
            try:
                line = parse_line(_decoded(raw, first=number == 1), number, rules)
            except BadLine as error:
                self._refuse(number, error, strict)
                continue
            if line.ref not in known:
                known.add(line.ref)
                yield line

    def _connected(self, lines: list[Line], strict: bool) -> list[Line]:
        """The lines without those that take back what another member did. What is not in the file is told, and no mistake:
        an export of one quarter holds refunds of orders of the one before.
        """
        owners = {line.ref: line.member for line in lines}
        kept = []
        for line in lines:
            owner = owners.get(line.reverses, line.member)
            if owner != line.member:
                told = _("reverses：%(ref)s 是另一位会员的") % {"ref": line.reverses}
                self._refuse(line.number, BadLine(told), strict)
                continue
            if line.reverses and line.reverses not in owners:
                told = _("文件里没有 %(ref)s，没有可以冲销的") % {"ref": line.reverses}
                self.stderr.write(_("第 %(number)s 行：%(error)s") % {"number": line.number, "error": told})
            kept.append(line)
        return kept

    def _refuse(self, number: int, error: BadLine, strict: bool) -> None:
        message = _("第 %(number)s 行：%(error)s") % {"number": number, "error": error}
        if strict:
            raise CommandError(message, returncode=BAD_LINE) from error
        self.stderr.write(message)

    def _raw(self, path: str) -> Iterator[tuple[int, bytes]]:
        try:
            with _opened(path) as stream:
                for number, raw in enumerate(stream, 1):
                    if raw.strip():
                        yield number, raw
        except OSError as error:
            raise CommandError(_("无法读取 %(path)s：%(error)s") % {"path": path, "error": error}) from error


def _opened(path: str) -> BinaryIO:
    return sys.stdin.buffer if path == "-" else Path(path).open("rb")


def _decoded(raw: bytes, *, first: bool) -> str:
    try:
        return raw.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError:
        raise BadLine(_("不是 UTF-8 文本")) from None
