"""The days that a page is about, as its address says them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from common.clock import day_of, start_of_day

USUAL_DAYS = 90
OFFERED_DAYS = (30, 90, 365)
MOST_DAYS = 3 * 366


@dataclass(frozen=True)
class DaySpan:
    """Shanghai days, both included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        return start_of_day(self.first)

    @property
    def end(self) -> datetime:
        return start_of_day(self.last + timedelta(days=1))

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def query(self) -> str:
        return urlencode({"from": self.first.isoformat(), "to": self.last.isoformat()})


def span_of(asked: Mapping[str, str], at: datetime) -> DaySpan:
    """`?from=2026-08-01&to=2026-10-31`; the last three months for anything that is not a range of days."""
    today = day_of(at)
    first, last = _day(asked.get("from", "")), _day(asked.get("to", ""))
    last = min(last, today) if last is not None else today
    if first is None or first > last or (last - first).days >= MOST_DAYS:
        return last_days(USUAL_DAYS, last)
    return DaySpan(first, last)


def last_days(days: int, last: date) -> DaySpan:
    return DaySpan(last - timedelta(days=days - 1), last)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2100 else None
