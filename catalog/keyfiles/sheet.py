"""XLSX through openpyxl's read-only mode, after looking at the archive itself.

An XLSX is a zip of XML files. openpyxl streams the rows but loads the shared strings whole, and trusts the row and
column numbers it reads, so sizes are bounded here before it opens anything.
"""

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook import Workbook

from .normal import BREAKS
from .rows import MAX_ROWS, FileError, RowError
from .table import Record

MAX_PARTS = 2_000
MAX_UNPACKED = 512 * 1024 * 1024
# Strings, styles and the workbook are read whole; a million short keys make about 60 MB of shared strings.
MAX_WHOLE_PART = 96 * 1024 * 1024
MAX_STYLES = 8 * 1024 * 1024
# Deflate reaches about 1000:1 on nothing but repetition; sheets of real text stay under 30:1.
MAX_RATIO = 200
MAX_COLUMNS = 64
# A row number far away makes openpyxl fill in every row before it. Nobody leaves this many empty between two keys.
MAX_BLANK_RUN = 20_000
PROLOGUE_BYTES = 4096
BEFORE_ROOT = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->)*<[A-Za-z]", re.DOTALL)
XML_ERRORS = (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, TypeError, SyntaxError, EOFError, OSError)


@contextmanager
def open_workbook(file: BinaryIO) -> Iterator[Workbook]:
    """The workbook, opened for one pass. Raises FileError("bad_xlsx") for one that is broken or a bomb."""
    _check_archive(file)
    file.seek(0)
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=False, keep_links=False)
    except XML_ERRORS as error:
        raise FileError("bad_xlsx") from error
    try:
        yield book
    finally:
        book.close()


def sheets_with_content(book: Workbook) -> list[str]:
    """Titles of the visible sheets that hold at least one cell."""
    titles = []
    for sheet in book.worksheets:
        if sheet.sheet_state == "visible" and next(_filled(read_sheet(book, sheet.title)), None):
            titles.append(sheet.title)
    return titles


def _filled(records: Iterator[Record]) -> Iterator[Record]:
    return (record for record in records if any(record.cells))


def read_sheet(book: Workbook, title: str) -> Iterator[Record]:
    """Rows of one sheet as texts, numbered as the spreadsheet numbers them."""
    sheet = book[title]
    # The sheet's own idea of its size may be wrong or hostile; without it openpyxl reads what is there.
    sheet.reset_dimensions()
    try:
        blanks = 0
        for number, row in enumerate(sheet.iter_rows(max_row=MAX_ROWS + 1, max_col=MAX_COLUMNS), start=1):
            record = _record(number, row)
            blanks = 0 if record.cells else blanks + 1
            if blanks > MAX_BLANK_RUN:
                return
            yield record
    except XML_ERRORS as error:
        raise FileError("bad_xlsx") from error


def _record(number: int, row: tuple) -> Record:
    texts, errors = [], {}
    for index, cell in enumerate(row):
        text, error = _cell_text(cell)
        texts.append(text)
        if error:
            errors[index] = error
    while texts and not texts[-1]:
        texts.pop()
    return Record(number, tuple(texts), cell_errors=errors or None)


def _cell_text(cell) -> tuple[str, RowError | None]:
    """What the cell says as text, and why it cannot be part of a key."""
    value = cell.value
    if value is None:
        return "", None
    text = BREAKS.sub("\n", str(value))
    if cell.data_type == "f":
        return text, RowError("formula")
    if cell.data_type in "bde":
        return text, RowError("not_text")
    if isinstance(value, int | float):
        return _number_text(value, cell.number_format)
    return text, None


def _number_text(value: float, number_format: str) -> tuple[str, RowError | None]:
    """A number with the zeros that its format shows in front.

    A spreadsheet keeps 15 significant digits: what is longer has been rounded already.
    """
    if isinstance(value, float) and not value.is_integer():
        return repr(value), None
    digits = str(int(value))
    if len(digits.lstrip("-")) > 15:
        return digits, RowError("rounded")
    zeros = number_format.strip()
    return (digits.zfill(len(zeros)) if zeros and set(zeros) == {"0"} else digits), None


def _check_archive(file: BinaryIO) -> None:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if "xl/workbook.xml" not in {part.filename for part in parts}:
                raise FileError("not_keys")
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
                raise FileError("bad_xlsx")
            for part in parts:
                _check_part(archive, part)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise FileError("bad_xlsx") from error


def _check_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """zipfile never unpacks more of a part than its declared size, so the declared sizes are the bound."""
    sheet = part.filename.startswith("xl/worksheets/")
    limit = MAX_UNPACKED if sheet else MAX_STYLES if part.filename == "xl/styles.xml" else MAX_WHOLE_PART
    if part.file_size > limit or part.file_size > max(part.compress_size, 5_000) * MAX_RATIO:
        raise FileError("bad_xlsx")
    if part.filename.endswith((".xml", ".rels")):
        with archive.open(part) as stream:
            # A document type would allow entities that expand; no spreadsheet program writes one.
            if not BEFORE_ROOT.match(stream.read(PROLOGUE_BYTES)):
                raise FileError("bad_xlsx")
