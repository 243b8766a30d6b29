"""Key files as shops export them: text, CSV and XLSX in; cleaned keys and row errors out. No database, no settings."""

from .normal import clean, mask, normal_form
from .reader import inspect, make_row, read_rows
from .rows import MAX_FILE_BYTES, MAX_KEY_CHARS, MAX_ROWS, FileError, KeyRow, Layout, RowError

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_KEY_CHARS",
    "MAX_ROWS",
    "FileError",
    "KeyRow",
    "Layout",
    "RowError",
    "clean",
    "inspect",
    "make_row",
    "mask",
    "normal_form",
    "read_rows",
]
