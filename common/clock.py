"""One clock for business time: the database's.

Services read it once and pass `at` on, so that everything in one transaction happens at one moment and no web server's
clock matters. Tests and the demo shop travel; production refuses to.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

SHANGHAI = ZoneInfo("Asia/Shanghai")
_travelled: ContextVar[datetime | None] = ContextVar("travelled", default=None)
# What `now()` answered first within `one_moment()`.
_moment: ContextVar[list[datetime] | None] = ContextVar("moment", default=None)


def now() -> datetime:
    """The time (UTC, aware) at which the current transaction began, by the database's clock; or the travelled time.

    Within `one_moment()` it is the time of the first question.
    """
    travelled = _travelled.get()
    if travelled is not None:
        return travelled
    moment = _moment.get()
    if moment:
        return moment[0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT transaction_timestamp()")
        return read_beside(cursor.fetchone()[0])


def read_beside(at: datetime) -> datetime:
    """What `now()` answers, for whoever read `at`, the time of the current transaction, with a statement of their own."""
    travelled, moment = _travelled.get(), _moment.get()
    if travelled is not None or moment is None:
        return travelled or at
    if not moment:
        moment.append(at)
    return moment[0]


def travelled() -> datetime | None:
    """The travelled time, for statements that otherwise take the time of their own transaction."""
    return _travelled.get()


def day_of(at: datetime) -> date:
    """The Asia/Shanghai day on which `at` falls."""
    return at.astimezone(SHANGHAI).date()


def minute_text(at: datetime) -> str:
    """`at` in Asia/Shanghai, to the minute, as every language reads it: 2026-11-30 17:05."""
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def start_of_day(day: date) -> datetime:
    """The first moment of an Asia/Shanghai day."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def today_range(at: datetime) -> tuple[datetime, datetime]:
    """First moment of the Asia/Shanghai day of `at`, and first moment of the next."""
    start = start_of_day(day_of(at))
    return start, start + timedelta(days=1)


@contextmanager
def one_moment(at: datetime | None = None) -> Iterator[None]:
    """Let `now()` ask once and answer the same within the block: a page that only reads shows one moment.

    `at` is the time of the current transaction, for whoever has read it already.
    """
    token = _moment.set([] if at is None else [at])
    try:
        yield
    finally:
        _moment.reset(token)


@contextmanager
def travel(at: datetime) -> Iterator[None]:
    """Make `now()` answer `at` (aware) within the block. Refused in production."""
    if settings.PRODUCTION:
        raise RuntimeError("the clock does not travel in production")
    if at.tzinfo is None:
        raise ValueError("travel needs an aware time")
    token = _travelled.set(at)
    try:
        yield
    finally:
        _travelled.reset(token)
