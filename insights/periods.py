"""The stretch of days that a board looks at, and the one before it that it is compared with."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from common.clock import day_of, start_of_day

# How many Asia/Shanghai days, today the last of them.
LENGTHS = (1, 7, 30)


@dataclass(frozen=True)
class Period:
    """`days` days up to now. The comparison ends at the same time of day, so that a morning is held against a morning."""

    days: int
    at: datetime

    @property
    def last(self) -> date:
        return day_of(self.at)

    @property
    def first(self) -> date:
        return self.last - timedelta(days=self.days - 1)

    @property
    def start(self) -> datetime:
        return start_of_day(self.first)

    @property
    def end(self) -> datetime:
        """The end of the last day: what is dated later today (a clock ahead of ours) still counts, as it does in lists."""
        return start_of_day(self.last + timedelta(days=1))

    @property
    def before_start(self) -> datetime:
        return start_of_day(self.first - timedelta(days=self.days))

    @property
    def before_end(self) -> datetime:
        return self.at - timedelta(days=self.days)


def period_of(text: str, at: datetime) -> Period:
    """The period that an address asks for by its number of days; today for anything else."""
    days = int(text) if text.isdecimal() and len(text) < 10 else 0
    return Period(days if days in LENGTHS else LENGTHS[0], at)
