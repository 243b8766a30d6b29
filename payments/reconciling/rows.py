"""What reading a statement yields, and why one cannot be read."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from django.utils.translation import gettext_lazy as _

from common.clock import day_of, start_of_day
from common.exceptions import BadInput

YUAN = "CNY"
ERRORS = {
    "empty": _("文件里没有内容"),
    "too_large": _("文件超过 %(limit)s MB"),
    "too_many_rows": _("第 %(line)s 行：账单超过 %(limit)s 行，请按天拆分"),
    "archive": _("这是压缩包，请先解压，再上传里面的账单"),
    "old_excel": _("这是旧版 .xls 或加了密码的表格，请另存为 .xlsx 或 CSV"),
    "bad_xlsx": _("第 %(line)s 行之后无法读取：这个 XLSX 已经损坏，或者解开后大得不正常"),
    "not_statement": _("看不懂这个文件：只支持 CSV 和 XLSX"),
    "encoding": _("第 %(line)s 行既不是 UTF-8 也不是 GBK，请重新导出"),
    "nul": _("第 %(line)s 行含有空字节，文件可能已损坏"),
    "line_too_long": _("第 %(line)s 行超过 %(limit)s KB，不是账单"),
    "open_quote": _("第 %(line)s 行的引号没有成对"),
    "no_columns": _("第 %(line)s 行：没有找到账单的列名，缺少“%(missing)s”"),
    "cut_row": _("第 %(line)s 行只有 %(found)s 列，应有 %(expected)s 列，文件可能不完整"),
    "cut_file": _("第 %(line)s 行之后缺少“%(missing)s”，文件不完整，请重新下载"),
    "wrong_count": _("第 %(line)s 行的汇总写着 %(told)s 笔，文件里有 %(found)s 笔，文件不完整或被改动过"),
    "formula": _("第 %(line)s 行“%(column)s”是公式，请先粘贴为数值"),
    "not_value": _("第 %(line)s 行“%(column)s”是表格错误值"),
    "rounded": _("第 %(line)s 行“%(column)s”被表格软件写成了科学计数法，后几位已经丢失，请用原始文件"),
    "amount": _("第 %(line)s 行“%(column)s”不是金额：%(value)s"),
    "time": _("第 %(line)s 行“%(column)s”不是时间：%(value)s"),
    "state": _("第 %(line)s 行“%(column)s”看不懂：%(value)s"),
    "no_number": _("第 %(line)s 行没有单号"),
    "no_day": _("账单里没有时间，请写明是哪一天的账单"),
    "period": _("日期写成 2026-11-29，或 2026-11-01..2026-11-30，最多 %(limit)s 天"),
    "outside": _("账单里没有 %(first)s 到 %(last)s 的记录，请核对日期"),
    "form": _("没有名为“%(form)s”的账单格式"),
    "no_mapping": _("这个渠道还没有设置通用账单的列"),
}
# The longest statement that a gateway hands out covers a month.
MAX_DAYS = 62


class StatementError(BadInput):
    """Why a statement cannot be used; where a line is to blame, its number is told."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code, ERRORS[code], **params)


class Kind(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"


class State(StrEnum):
    """What the statement says became of a payment."""

    PAID = "paid"
    UNPAID = "unpaid"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a statement. Amounts are Decimal in `currency`, never negative; of a refund, what went back.

    `line` is the number that an editor or a spreadsheet shows. `refunded` is what a payment's own row says was given back of
    it until now, None where the statement lists refunds in rows of their own.
    """

    line: int
    kind: Kind = Kind.PAYMENT
    number: str = ""
    txn: str = ""
    amount: Decimal
    fee: Decimal | None = None
    state: State = State.PAID
    at: datetime | None = None
    refunded: Decimal | None = None
    refund_number: str = ""
    currency: str = "CNY"


@dataclass(frozen=True)
class Period:
    """Asia/Shanghai days, both included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        return start_of_day(self.first)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return start_of_day(self.last + timedelta(days=1))

    def holds(self, at: datetime) -> bool:
        return self.first <= day_of(at) <= self.last

    @classmethod
    def parse(cls, text: str) -> "Period":
        """2026-11-29, or 2026-11-01..2026-11-30. Raises StatementError."""
        first, _dots, last = text.strip().partition("..")
        try:
            found = cls(date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip()))
        except ValueError as error:
            raise StatementError("period", limit=MAX_DAYS) from error
        return found.checked()

    def checked(self) -> "Period":
        """Itself. Raises StatementError when it runs backwards, is too long, or lies beyond any business."""
        sane = date(2000, 1, 1) <= self.first <= self.last <= date(2999, 12, 31)
        if not sane or (self.last - self.first).days >= MAX_DAYS:
            raise StatementError("period", limit=MAX_DAYS)
        return self


@dataclass(frozen=True)
class Statement:
    """A statement as it was read. `told` is the period that the file itself claims, None where it says nothing."""

    form: str
    rows: list[Row]
    told: Period | None = None

    def period(self) -> Period:
        """The days that it covers, by its own word or by the times of what was paid. Raises StatementError."""
        if self.told is not None:
            return self.told.checked()
        days = [day_of(row.at) for row in self.rows if row.at is not None and row.state != State.UNPAID]
        if not days:
            raise StatementError("no_day")
        return Period(min(days), max(days)).checked()
