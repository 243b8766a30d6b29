"""XLSX from strangers, through openpyxl's read-only mode, after looking at the archive itself.

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

MAX_PARTS = 2_000
MAX_UNPACKED = 512 * 1024 * 1024
# Strings, styles and the workbook are read whole; a million short texts make about 60 MB of shared strings.
MAX_WHOLE_PART = 96 * 1024 * 1024
MAX_STYLES = 8 * 1024 * 1024
# Deflate reaches about 1000:1 on nothing but repetition; sheets of real text stay under 30:1.
MAX_RATIO = 200
PROLOGUE_BYTES = 4096
BEFORE_ROOT = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->)*<[A-Za-z]", re.DOTALL)
# What openpyxl raises for a broken file, when it opens one and while its rows are read.
XML_ERRORS = (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, TypeError, SyntaxError, EOFError, OSError)


class BadWorkbook(Exception):
    """Broken, or unpacking to more than any honest one; `is_other` when it is a zip of something else."""

    def __init__(self, *, is_other: bool = False) -> None:
        super().__init__("no workbook" if is_other else "bad workbook")
        self.is_other = is_other


@contextmanager
def open_workbook(file: BinaryIO) -> Iterator[Workbook]:
    """The workbook, opened for one pass. Raises BadWorkbook for one that is broken or a bomb."""
    _check_archive(file)
    file.seek(0)
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=False, keep_links=False)
    except XML_ERRORS as error:
        raise BadWorkbook from error
    try:
        yield book
    finally:
        book.close()


def _check_archive(file: BinaryIO) -> None:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if "xl/workbook.xml" not in {part.filename for part in parts}:
                raise BadWorkbook(is_other=True)
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
                raise BadWorkbook
            for part in parts:
                _check_part(archive, part)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise BadWorkbook from error


def _check_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """zipfile never unpacks more of a part than its declared size, so the declared sizes are the bound."""
    sheet = part.filename.startswith("xl/worksheets/")
    limit = MAX_UNPACKED if sheet else MAX_STYLES if part.filename == "xl/styles.xml" else MAX_WHOLE_PART
    if part.file_size > limit or part.file_size > max(part.compress_size, 5_000) * MAX_RATIO:
        raise BadWorkbook
    if part.filename.endswith((".xml", ".rels")):
        with archive.open(part) as stream:
            # A document type would allow entities that expand; no spreadsheet program writes one.
            if not BEFORE_ROOT.match(stream.read(PROLOGUE_BYTES)):
                raise BadWorkbook
