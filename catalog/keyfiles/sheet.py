"""Rows of an XLSX as texts: what its cells say, and why one cannot be part of a key."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from openpyxl.workbook import Workbook

from common import workbooks

from .normal import BREAKS
from .rows import MAX_ROWS, FileError, RowError
from .table import Record

MAX_COLUMNS = 64
# A row number far away makes openpyxl fill in every row before it. Nobody leaves this many empty between two keys.
MAX_BLANK_RUN = 20_000


@contextmanager
def open_workbook(file: BinaryIO) -> Iterator[Workbook]:
    """The workbook, opened for one pass. Raises FileError for one that is broken, a bomb, or something else."""
    try:
        with workbooks.open_workbook(file) as book:
            yield book
    except workbooks.BadWorkbook as error:
        raise FileError("not_keys" if error.is_other else "bad_xlsx") from error


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
    except workbooks.XML_ERRORS as error:
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
