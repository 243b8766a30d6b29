"""Records out of a CSV in UTF-8 or GBK, or out of an XLSX, with the numbers that an editor or a spreadsheet shows.

A statement is evidence: what cannot be read for certain is an error that names its line, never left out.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import BinaryIO

from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from common.workbooks import XML_ERRORS, BadWorkbook, open_workbook
from payments.reconciling.rows import StatementError

MAX_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024
MAX_RECORD_LINES = 20
MAX_COLUMNS = 100
MAX_BLANK_RUN = 5_000
ZIP, OLE2, GZIP = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b"
FOREIGN = (
    b"Rar!",
    b"7z\xbc\xaf",
    b"%PDF",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x7fELF",
    b"MZ\x90",
    b"\xff\xfe",
    b"\xfe\xff",
)
COMMENT = "#"
DELIMITERS = (",", "\t", ";", "|")
SAMPLE_LINES = 60
PROGRESS_EVERY = 500
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `bad` says by column which cells cannot be believed: formula, not_value or rounded.

    `may_be_short`: empty cells at its end are left out, as spreadsheets do.
    """

    number: int
    cells: list[str]
    bad: dict[int, str] = field(default_factory=dict)
    is_comment: bool = False
    may_be_short: bool = False


def read_records(file: BinaryIO, progress: Progress | None = None) -> Iterator[Record]:
    """Every record that is not blank; a comment line is one cell. `progress` is told (bytes or rows done, of how many).

    Raises StatementError.
    """
    file.seek(0, 2)
    size = file.tell()
    if size > MAX_BYTES:
        raise StatementError("too_large", limit=MAX_BYTES // 1024 // 1024)
    file.seek(0)
    head = file.read(8)
    if not head:
        raise StatementError("empty")
    if head.startswith(OLE2):
        raise StatementError("old_excel")
    if head.startswith(GZIP):
        raise StatementError("archive")
    if head.startswith(FOREIGN):
        raise StatementError("not_statement")
    if head.startswith(ZIP):
        yield from _sheet_records(file, progress)
        return
    encoding = _encoding(file)
    yield from _text_records(file, encoding, _delimiter(file, encoding), size, progress)


def _raw_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    file.seek(0)
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise StatementError("line_too_long", line=number, limit=MAX_LINE_BYTES // 1024)
        yield number, raw.rstrip(b"\r\n")


def _encoding(file: BinaryIO) -> str:
    """UTF-8 or GBK for the whole file. A line that neither can read, or one that breaks a file of the other, is told."""
    wide, broken, broken_in_both = 0, [], 0
    for number, raw in _raw_lines(file):
        if b"\0" in raw:
            raise StatementError("nul", line=number)
        if raw.isascii():
            continue
        if _reads(raw, "utf-8"):
            wide += 1
            continue
        broken.append(number)
        if not broken_in_both and not _reads(raw, "gb18030"):
            broken_in_both = number
    if not broken:
        return "utf-8-sig"
    # A GBK line happens to be valid UTF-8 now and then; in a UTF-8 file one damaged line stands among many good ones.
    if wide > len(broken):
        raise StatementError("encoding", line=broken[0])
    if broken_in_both:
        raise StatementError("encoding", line=broken_in_both)
    return "gb18030"


def _reads(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _text_lines(file: BinaryIO, encoding: str) -> Iterator[tuple[int, str]]:
    for number, raw in _raw_lines(file):
        try:
            yield number, raw.decode(encoding if number == 1 else encoding.removesuffix("-sig"))
        except UnicodeDecodeError as error:
            raise StatementError("encoding", line=number) from error


def _delimiter(file: BinaryIO, encoding: str) -> str:
    counts = dict.fromkeys(DELIMITERS, 0)
    sampled = 0
    for _number, text in _text_lines(file, encoding):
        if text.strip() and not text.startswith(COMMENT):
            sampled += 1
            for one in DELIMITERS:
                counts[one] += text.count(one)
        if sampled >= SAMPLE_LINES:
            break
    return max(DELIMITERS, key=lambda one: counts[one])


def _text_records(
    file: BinaryIO, encoding: str, delimiter: str, size: int, progress: Progress | None
) -> Iterator[Record]:
    lines = _text_lines(file, encoding)
    for count, (number, text) in enumerate(lines):
        if progress is not None and count % PROGRESS_EVERY == 0:
            progress(min(file.tell(), size), size)
        if not text.strip():
            continue
        if text.startswith(COMMENT):
            yield Record(number, [text], is_comment=True)
            continue
        cells = text.split(delimiter) if '"' not in text else _quoted(number, text, delimiter, lines)
        if any(cell.strip() for cell in cells):
            yield Record(number, cells)
    if progress is not None:
        progress(size, size)


def _quoted(number: int, text: str, delimiter: str, lines: Iterator[tuple[int, str]]) -> list[str]:
    """The cells of a record with quotes, which may go on over some of the next lines."""
    for _line in range(MAX_RECORD_LINES):
        try:
            return next(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True))
        except csv.Error:
            _number, more = next(lines, (0, None))
            if more is None or len(text) > MAX_LINE_BYTES:
                break
            text = f"{text}\n{more}"
    raise StatementError("open_quote", line=number)


def _sheet_records(file: BinaryIO, progress: Progress | None) -> Iterator[Record]:
    """The rows of the first visible sheet that holds anything."""
    number = 0
    try:
        with open_workbook(file) as book:
            for sheet in book.worksheets:
                if sheet.sheet_state != "visible":
                    continue
                found = False
                for record in _rows_of(sheet, progress):
                    number, found = record.number, True
                    yield record
                if found:
                    return
    except BadWorkbook as error:
        raise StatementError("archive") if error.is_other else StatementError("bad_xlsx", line=number) from error
    except XML_ERRORS as error:
        raise StatementError("bad_xlsx", line=number) from error


def _rows_of(sheet: ReadOnlyWorksheet, progress: Progress | None) -> Iterator[Record]:
    total = sheet.max_row or 0
    # The sheet's own idea of its size may be wrong or hostile; without it openpyxl reads what is there.
    sheet.reset_dimensions()
    blanks = 0
    for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS), start=1):
        if progress is not None and number % PROGRESS_EVERY == 0:
            progress(min(number, total), total)
        cells, bad = _cells_of(row)
        blanks = 0 if cells else blanks + 1
        if blanks > MAX_BLANK_RUN:
            return
        if len(cells) == 1 and cells[0].startswith(COMMENT):
            yield Record(number, cells, is_comment=True)
        elif cells:
            yield Record(number, cells, bad, may_be_short=True)


def _cells_of(row: tuple) -> tuple[list[str], dict[int, str]]:
    texts, bad = [], {}
    for index, cell in enumerate(row):
        text, problem = _cell_text(cell)
        texts.append(text)
        if problem:
            bad[index] = problem
    while texts and not texts[-1]:
        texts.pop()
    return texts, bad


def _cell_text(cell) -> tuple[str, str]:
    """What a cell says as text, and why it cannot be believed."""
    value = cell.value
    if value is None:
        return "", ""
    if cell.data_type == "f":
        return str(value), "formula"
    if cell.data_type == "e":
        return str(value), "not_value"
    if isinstance(value, datetime | date):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat(), ""
    if isinstance(value, bool):
        return str(value), "not_value"
    if isinstance(value, int | float):
        # A spreadsheet keeps 15 significant digits: what is longer has been rounded already.
        whole = isinstance(value, int) or value.is_integer()
        text = str(int(value)) if whole else repr(value)
        return text, "rounded" if whole and len(text.lstrip("-")) > 15 else ""
    return str(value), ""
