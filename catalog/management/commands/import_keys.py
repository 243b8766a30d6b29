"""manage.py import_keys SKU FILE: bring a key file into stock, with its errors and duplicates told before."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from catalog.keyfiles import FileError, RowError
from catalog.models import KeyBatch, Sku
from catalog.services import importing
from common.exceptions import DomainError
from common.progress import Bar

SHOWN = 20


class Command(BaseCommand):
    help = "Import a key file (text, CSV or XLSX) into a SKU. Run it again after an interruption: nothing is doubled."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sku", help="the SKU's code")
        parser.add_argument("file", type=Path)
        parser.add_argument("--sheet", default="", help="which sheet of a workbook with several")
        parser.add_argument("--columns", default="", help="which columns make up a key, counted from 1, such as 2,3")
        parser.add_argument("--check", action="store_true", help="tell what would happen and import nothing")
        parser.add_argument("--note", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        sku = Sku.objects.filter(code=options["sku"]).select_related("product").first()
        if sku is None:
            raise CommandError(_("没有编码为“%(code)s”的规格") % {"code": options["sku"]})
        try:
            batch = self._checked(sku, options)
            if options["check"]:
                importing.cancel_batch(batch_id=batch.pk)
                return
            batch = self._imported(batch)
        except (FileError, DomainError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
        self._tell(batch)

    def _checked(self, sku: Sku, options: dict[str, Any]) -> KeyBatch:
        with options["file"].open("rb") as file:
            batch = importing.unfinished_batch(sku=sku, file=file)
            if batch is None:
                batch = importing.receive_file(
                    sku=sku,
                    file=file,
                    filename=options["file"].name,
                    sheet=options["sheet"],
                    columns=parse_columns(options["columns"]),
                    note=options["note"],
                )
            else:
                self.stderr.write(_("继续上次未完成的批次 #%(batch)s") % {"batch": batch.pk})
        batch = importing.check_batch(batch_id=batch.pk)
        if batch.state == KeyBatch.State.FAILED:
            raise CommandError(_("这个文件读不了"))
        self._preview(batch)
        return batch

    def _preview(self, batch: KeyBatch) -> None:
        report = batch.report
        counts = _(
            "共 %(rows)s 行：新卡密 %(fresh)s，文件内重复 %(file_duplicates)s，库存已有 %(stock_duplicates)s，错误 %(errors)s"
        )
        self.stderr.write(counts % report)
        for number, code, params in report["error_rows"][:SHOWN]:
            line = {"number": number, "error": RowError(code, params)}
            self.stderr.write("  " + _("第 %(number)s 行：%(error)s") % line)
        if report["errors"] > SHOWN:
            self.stderr.write("  …")

    def _imported(self, batch: KeyBatch) -> KeyBatch:
        if batch.state == KeyBatch.State.READY:
            batch = importing.confirm_batch(batch_id=batch.pk)
        bar = Bar(batch.sku.code)
        batch = importing.import_batch(batch_id=batch.pk, progress=bar)
        bar.close()
        return batch

    def _tell(self, batch: KeyBatch) -> None:
        if batch.state != KeyBatch.State.DONE:
            raise CommandError(_("批次 #%(batch)s 没有完成，可以再运行一次") % {"batch": batch.pk})
        done = _("批次 #%(batch)s：入库 %(imported)s，重复 %(duplicates)s，错误 %(errors)s")
        self.stdout.write(
            done
            % {
                "batch": batch.pk,
                "imported": batch.imported,
                "duplicates": batch.duplicates,
                "errors": batch.errors,
            }
        )


def parse_columns(text: str) -> tuple[int, ...] | None:
    """Columns counted from 1, separated by commas, as 0-based numbers; None for an empty text. Raises CommandError."""
    if not text:
        return None
    try:
        columns = tuple(int(part) - 1 for part in text.replace("，", ",").split(","))
    except ValueError:
        columns = (-1,)
    if min(columns) < 0:
        raise CommandError(_("列号应像 2,3 这样填写"))
    return columns
