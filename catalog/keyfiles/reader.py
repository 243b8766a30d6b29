"""Reading a key file: `inspect` decides once how, `read_rows` then yields its keys and its errors."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from common.texts import listed

from . import columns, normal, sheet, table
from .html import is_html
from .lines import Line, detect_encoding, read_lines
from .rows import MAX_FILE_BYTES, MAX_KEY_CHARS, MAX_ROWS, FileError, KeyRow, Layout, RowError

ZIP = b"PK\x03\x04"
OLE2 = b"\xd0\xcf\x11\xe0"
# Archives, pictures, documents: nothing with keys as lines starts like these.
FOREIGN = (b"Rar!", b"7z\xbc\xaf", b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"\x7fELF", b"MZ\x90")
TABLE_SUFFIXES = (".csv", ".tsv")
# The first line by which Excel is told the delimiter.
SEP_HINT = re.compile(r"^sep=(.)$", re.IGNORECASE)
# acg-faka marks what a buyer sees when choosing a key: `secret║preview║surcharge║cost`; older versions wrote
# `secret#[preview]#`.
ACG_FIELDS = "║"
ACG_PREVIEW = re.compile(r"#\[([\s\S]+?)\]#")
CONTENT = re.compile(r"[^\W_]")


def inspect(file: BinaryIO, name: str, *, sheet_title: str = "", chosen: tuple[int, ...] | None = None) -> Layout:
    """How to read `file`, whose name is `name`. `sheet_title` and `chosen` (0-based columns) overrule the guess.

    Raises FileError for what is no key file, an empty one, and a workbook with several filled sheets and no title.
    """
    file.seek(0, 2)
    if file.tell() > MAX_FILE_BYTES:
        raise FileError("too_large", limit=MAX_FILE_BYTES // 1024 // 1024)
    file.seek(0)
    head = file.read(8)
    if head.startswith(ZIP):
        return _inspect_sheet(file, sheet_title, chosen)
    if head.startswith(OLE2):
        raise FileError("old_excel")
    if head.startswith(FOREIGN):
        raise FileError("not_keys")
    return _inspect_text(file, name, chosen)


def read_rows(file: BinaryIO, layout: Layout) -> Iterator[KeyRow]:
    """Every key and every error of the file, in its order; blank rows and headers are not rows.

    The same file and layout always give the same rows: an import that was killed is resumed by counting them.
    Memory does not grow with the file. Raises FileError past MAX_ROWS or when an XLSX turns out broken midway.
    """
    for count, row in enumerate(_rows(file, layout)):
        if count >= MAX_ROWS:
            raise FileError("too_many_rows", limit=MAX_ROWS)
        yield row


def _rows(file: BinaryIO, layout: Layout) -> Iterator[KeyRow]:
    if layout.kind == "sheet":
        with sheet.open_workbook(file) as book:
            yield from _record_rows(sheet.read_sheet(book, layout.sheet), layout)
        return
    lines = read_lines(file, detect_encoding(file))
    if layout.kind == "table":
        yield from _record_rows(table.read_records(lines, layout.delimiter), layout)
    else:
        yield from _line_rows(lines, layout)


def _inspect_sheet(file: BinaryIO, title: str, chosen: tuple[int, ...] | None) -> Layout:
    with sheet.open_workbook(file) as book:
        titles = sheet.sheets_with_content(book)
        if not titles:
            raise FileError("empty")
        if title and title not in titles:
            raise FileError("no_sheet", sheet=title)
        if not title and len(titles) > 1:
            # One sheet for each face value is common; pouring them into one SKU would be expensive.
            raise FileError("choose_sheet", sheets=listed(titles))
        title = title or titles[0]
        records = []
        for record in sheet.read_sheet(book, title):
            if any(record.cells):
                records.append((record.number, record.cells))
            if len(records) >= table.SAMPLE_LINES:
                break
    return _with_columns(Layout(kind="sheet", sheet=title), records, chosen)


def _inspect_text(file: BinaryIO, name: str, chosen: tuple[int, ...] | None) -> Layout:
    lines = table.sample(read_lines(file, detect_encoding(file)))
    if not lines:
        _require_content(file)
        return Layout(kind="text")
    hint = SEP_HINT.match(lines[0].text.strip())
    delimiter = hint.group(1) if hint else table.guess_delimiter([line.text for line in lines])
    if not _is_table(lines, name, delimiter, bool(hint or chosen)):
        first = normal.clean(lines[0].text)
        header = columns.is_header(normal.parts(first))
        return Layout(kind="text", header_row=lines[0].number if header else 0)
    body = lines[1:] if hint else lines
    records = [(line.number, tuple(table.split_record(line.text, delimiter or ",")[0])) for line in body]
    layout = _with_columns(Layout(kind="table", delimiter=delimiter or ","), records, chosen)
    return layout if layout.header_row or not hint else _skipping(layout, lines[0].number)


def _is_table(lines: list[Line], name: str, delimiter: str, told: bool) -> bool:
    """A .csv is a table, and so is text whose header names columns between delimiters (pasted, or saved as .txt)."""
    if told or name.lower().endswith(TABLE_SUFFIXES):
        return True
    if not delimiter:
        return False
    heads = [table.split_record(line.text, delimiter)[0] for line in lines[: table.HEADER_SEARCH]]
    return any(len(cells) > 1 and columns.is_header(cells) for cells in heads)


def _require_content(file: BinaryIO) -> None:
    """An empty file is refused; one with nothing but errors is shown with them."""
    if not any(line.error for line in read_lines(file, detect_encoding(file))):
        raise FileError("empty")


def _with_columns(layout: Layout, records: list, chosen: tuple[int, ...] | None) -> Layout:
    header_row, names = table.find_header(records)
    widths = Counter(len(cells) for number, cells in records if number > header_row and cells)
    width = len(names) or (widths.most_common(1)[0][0] if widths else 0)
    for column in chosen or ():
        if not 0 <= column < width:
            raise FileError("no_column", column=column + 1)
    return Layout(
        kind=layout.kind,
        delimiter=layout.delimiter,
        sheet=layout.sheet,
        header_row=header_row,
        columns=chosen or columns.key_columns(names),
        names=names,
        width=width,
        status_column=columns.status_column(names),
    )


def _skipping(layout: Layout, row: int) -> Layout:
    return Layout.from_json({**layout.as_json(), "header_row": row})


def _record_rows(records: Iterable[table.Record], layout: Layout) -> Iterator[KeyRow]:
    for record in records:
        if record.number <= layout.header_row or not (record.error or any(cell.strip() for cell in record.cells)):
            continue
        yield _record_row(record, layout)


def _record_row(record: table.Record, layout: Layout) -> KeyRow:
    if columns.is_note(record.cells):
        return KeyRow(record.number, error=RowError("note"))
    if record.error:
        return KeyRow(record.number, error=record.error)
    if error := columns.sold_error(record.cells, layout.status_column):
        return KeyRow(record.number, error=error)
    if layout.kind == "table" and len(record.cells) > layout.width and any(record.cells[layout.width :]):
        # A delimiter inside an unquoted key: taking only the first part would sell half of it.
        return KeyRow(
            record.number, error=RowError("column_count", {"found": len(record.cells), "expected": layout.width})
        )
    for index, error in (record.cell_errors or {}).items():
        if layout.columns is None or index in layout.columns:
            return KeyRow(record.number, error=error)
    text, error = columns.join_cells(record.cells, layout.columns, layout.names)
    return KeyRow(record.number, error=error) if error else make_row(record.number, text)


def _line_rows(lines: Iterable[Line], layout: Layout) -> Iterator[KeyRow]:
    for line in lines:
        if line.number <= layout.header_row:
            continue
        if line.error:
            yield KeyRow(line.number, error=line.error)
            continue
        for piece in normal.BREAKS.split(line.text) if not line.text.isascii() else (line.text,):
            if not normal.clean(piece):
                continue
            if columns.is_note([piece]):
                yield KeyRow(line.number, error=RowError("note"))
                continue
            secret, preview = split_acg(piece)
            yield make_row(line.number, secret, preview)


def split_acg(text: str) -> tuple[str, str]:
    """The secret and the preview of an acg-faka line; its surcharge and cost belong to the shop that wrote it."""
    if ACG_FIELDS in text:
        secret, preview, *_ = text.split(ACG_FIELDS)
        return secret, preview
    if match := ACG_PREVIEW.search(text):
        return ACG_PREVIEW.sub("", text), match.group(1)
    return text, ""


def make_row(number: int, raw: str, preview: str = "") -> KeyRow:
    """A row from the raw text of one key: cleaned, judged, masked. `preview` is what the file itself wants shown."""
    text = normal.clean(raw)
    error = RowError("torn") if normal.is_torn(raw) else _text_error(text)
    if error:
        return KeyRow(number, error=error)
    shown = normal.clean(preview)[: normal.PREVIEW_CHARS] or normal.mask(text)
    return KeyRow(number, text, normal.normal_form(text), shown)


def _text_error(text: str) -> RowError | None:
    if len(text) > MAX_KEY_CHARS:
        return RowError("too_long", {"limit": MAX_KEY_CHARS})
    if "\ufffd" in text:
        return RowError("damaged")
    if is_html(text):
        return RowError("html")
    if not CONTENT.search(text):
        return RowError("no_content")
    if normal.SEPARATOR in text and sum(bool(part) for part in normal.parts(text)) < 2:
        return RowError("half_pair")
    return None
