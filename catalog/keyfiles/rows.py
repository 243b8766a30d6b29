"""What reading a key file yields, and the limits that keep a hostile file from hurting."""

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_ROWS = 1_000_000
# The longest things sold as one key are cookies and licence blocks of a few kilobytes.
MAX_KEY_CHARS = 8_192
# A physical line is dropped past this; four bytes is the longest character in every encoding read here.
MAX_LINE_BYTES = 4 * MAX_KEY_CHARS

ROW_ERRORS = {
    "too_long": _("这一行超过 %(limit)s 个字符"),
    "encoding": _("这一行既不是 UTF-8 也不是 GBK，无法识别"),
    "damaged": _("这一行的文字已经变成乱码，请重新导出"),
    "torn": _("这一行中间有看不见的控制字符，卡密可能不完整，请重新导出"),
    "html": _("这一行是网页代码，不是卡密，请换一种导出方式"),
    "note": _("这一行像是合计或备注，不是卡密"),
    "no_content": _("这一行只有符号，没有内容"),
    "half_pair": _("分隔符只有一边有内容"),
    "empty_column": _("“%(column)s”一列是空的"),
    "column_count": _("这一行有 %(found)s 列，其他行有 %(expected)s 列"),
    "open_quote": _("引号没有成对"),
    "rounded": _("表格软件把长数字写成了科学计数法，后几位已经丢失"),
    "formula": _("单元格是公式，请先粘贴为数值"),
    "not_text": _("单元格是日期或错误值，不是卡密"),
    "sold": _("文件里标着“%(status)s”，不再出售"),
}

FILE_ERRORS = {
    "empty": _("文件里没有内容"),
    "too_large": _("文件超过 %(limit)s MB"),
    "too_many_rows": _("文件超过 %(limit)s 行"),
    "old_excel": _("这是旧版 .xls 或加了密码的表格，请另存为不加密的 .xlsx 或 CSV"),
    "not_keys": _("看不懂这个文件：只支持文本、CSV 和 XLSX"),
    "bad_xlsx": _("这个 XLSX 已经损坏，或者解开后大得不正常"),
    "choose_sheet": _("有内容的工作表不止一张（%(sheets)s），请选一张"),
    "no_sheet": _("没有名为“%(sheet)s”的工作表"),
    "no_column": _("没有第 %(column)s 列"),
}


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row is not a key. `str()` gives it in the reader's language; `code` and `params` are what is stored."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(ROW_ERRORS[self.code]) % self.params


class FileError(Exception):
    """Why a whole file cannot be read. `str()` gives it in the reader's language."""

    def __init__(self, code: str, **params: Any):
        super().__init__(code)
        self.code = code
        self.params = params

    def __str__(self) -> str:
        return str(FILE_ERRORS[self.code]) % self.params


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One row of a key file.

    `number` counts from 1 as the operator's editor does. `text` is what a buyer gets, `normal` what the fingerprint
    is made of, `preview` the masked form; all three are empty when there is an `error`.
    """

    number: int
    text: str = ""
    normal: str = ""
    preview: str = ""
    error: RowError | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read. Decided once by `inspect`, stored, and obeyed by every later reading of the file.

    `kind` is text, table or sheet. `columns` are the 0-based columns that make up a key, None for all of them.
    Rows numbered up to `header_row` are titles and names. `width` is the usual number of columns. `status_column` says
    which rows were sold already.
    """

    kind: str
    delimiter: str = ""
    sheet: str = ""
    header_row: int = 0
    columns: tuple[int, ...] | None = None
    names: tuple[str, ...] = ()
    width: int = 0
    status_column: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "delimiter": self.delimiter,
            "sheet": self.sheet,
            "header_row": self.header_row,
            "columns": None if self.columns is None else list(self.columns),
            "names": list(self.names),
            "width": self.width,
            "status_column": self.status_column,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Layout":
        columns = data["columns"]
        return cls(**{**data, "columns": None if columns is None else tuple(columns), "names": tuple(data["names"])})
