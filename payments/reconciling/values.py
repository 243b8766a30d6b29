"""Single values of a statement: texts without what exports wrap around them, amounts, times."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from common.clock import SHANGHAI
from common.money import CENT, MAX_AMOUNT

EXCEL_TEXT = re.compile(r'^="(.*)"$', re.DOTALL)
# WeChat puts a backtick before each value, Excel an apostrophe, Alipay a tab behind it.
MARKS = " \t\r\n\u00a0\u3000\ufeff`'"
SCIENTIFIC = re.compile(r"^\d(\.\d+)?[eE]\+\d{1,3}$")
# ASCII digits only, at most eight before the point: Decimal() itself would take full-width digits, "1_000", "NaN".
AMOUNT = re.compile(r"([+-]?)(\d{1,8}|\d{1,3}(?:,\d{3})+)(\.\d{1,8})?", re.ASCII)
SIGNS = re.compile(r"^(¥|￥|CNY|RMB)\s*|\s*(元|CNY|RMB)$", re.IGNORECASE)
TIME = re.compile(
    r"(\d{4})[-/年.](\d{1,2})[-/月.](\d{1,2})日?(?:[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
UNIX = re.compile(r"\d{10}(\d{3})?", re.ASCII)


def plain(cell: str) -> str:
    """A cell without marks and blanks around it."""
    cell = cell.strip(MARKS)
    if cell.startswith('="') and (match := EXCEL_TEXT.match(cell)):
        return match.group(1).replace('""', '"').strip(MARKS)
    return cell


def amount_of(text: str) -> Decimal | None:
    """A signed amount with two places; None for what is none, and for one that has fractions of a cent."""
    exact = exact_amount(text)
    if exact is None:
        return None
    cents = exact.quantize(CENT)
    return cents if cents == exact else None


def exact_amount(text: str) -> Decimal | None:
    """A signed amount with all its places (WeChat writes fees with five); None for what is none."""
    match = AMOUNT.fullmatch(SIGNS.sub("", text.strip()))
    if not match:
        return None
    sign, whole, rest = match.groups()
    value = Decimal(f"{sign}{whole.replace(',', '')}{rest or ''}")
    return value if abs(value) <= MAX_AMOUNT else None


def time_of(text: str, *, utc: bool) -> datetime | None:
    """An aware time; without a zone of its own it is UTC or Asia/Shanghai. None for what is none."""
    if UNIX.fullmatch(text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    match = TIME.fullmatch(text)
    if not match:
        return None
    *parts, zone = match.groups()
    try:
        naive = datetime(*(int(part or 0) for part in parts))  # noqa: DTZ001 - the zone follows
        if zone:
            return datetime.fromisoformat(f"{naive.isoformat()}{zone.replace('Z', '+00:00')}")
        return naive.replace(tzinfo=UTC if utc else SHANGHAI)
    except ValueError:
        return None


def is_rounded(text: str) -> bool:
    """Whether a spreadsheet has written a long number as 2.02611E+21."""
    return bool(SCIENTIFIC.match(text))
