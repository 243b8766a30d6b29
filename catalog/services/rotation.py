"""Another master key while the shop sells: what the old one wraps is wrapped anew, a few rows at a time.

Readers take either key from the ring, so they never wait and never fail. Nothing is written down about how far a rotation
came: what is left is whatever still names another master key.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count

from audit.services import record
from catalog.exceptions import AlreadyRotating, OldSessions
from catalog.models import DataKey
from common import clock, crypto
from common.locks import session_lock
from common.wrapped import Wrapped, wrapped_columns

CHUNK = 200
# The name of the advisory lock; any number that nobody else uses.
LOCK = 731_071
# Rows in other hands are passed over, and taken the next time round.
ROUNDS = 60
PAUSE = 0.5

Progress = Callable[[int, int], None]


@dataclass
class Rotation:
    """How many rows were wrapped anew, which cannot be opened ("catalog.DataKey.wrapped 12"), and what is where now.

    `held` is rows by master key and column; a name that the ring does not have is there too.
    """

    rewrapped: int = 0
    broken: list[str] = field(default_factory=list)
    held: dict[str, dict[str, int]] = field(default_factory=dict)

    def still_under(self, name: str) -> int:
        return sum(self.held.get(name, {}).values())

    @property
    def may_go(self) -> list[str]:
        """Master keys of the ring that nothing needs any more."""
        return [name for name in crypto.master_keys() if name != crypto.wrapping_name() and not self.still_under(name)]

    @property
    def complete(self) -> bool:
        return not self.broken and all(name == crypto.wrapping_name() for name in self.held)


def rotate(
    *, chunk: int = CHUNK, progress: Progress | None = None, check_sessions: bool = True, pause: float = PAUSE
) -> Rotation:
    """Wrap everything anew that another master key than the first of the ring wraps; goes on where a killed run was.

    Locks `chunk` rows at a time, without waiting for any. Raises AlreadyRotating while another process does the same,
    OldSessions while processes are connected that could not read what is written. Audited.
    """
    with session_lock(LOCK, 0) as mine:
        if not mine:
            raise AlreadyRotating
        if check_sessions and (old := sessions_without(crypto.wrapping_name())):
            raise OldSessions(count=len(old), key=crypto.wrapping_name())
        done = Rotation()
        total = sum(_pending(column).count() for column in wrapped_columns())
        if total:
            _note("keys.rotate", {"total": total})
        for column in wrapped_columns():
            for count in _rewrap_all(column, chunk, done.broken, pause):
                done.rewrapped += count
                if progress is not None:
                    progress(done.rewrapped, max(total, done.rewrapped))
        done.held = held_by()
        if total:
            _note("keys.rotated", {"count": done.rewrapped, "errors": len(done.broken)})
    return done


def rehearse() -> Rotation:
    """What `rotate` would find, opening everything and writing nothing; `rewrapped` is what would be."""
    found = Rotation(held=held_by())
    for column in wrapped_columns():
        for row in _pending(column).order_by("pk").iterator(chunk_size=CHUNK):
            try:
                column.rewrapped(row)
                found.rewrapped += 1
            except crypto.DecryptionFailed:
                found.broken.append(f"{column.name} {row.pk}")
    return found


def held_by() -> dict[str, dict[str, int]]:
    """Rows by the master key that opens them, and by column."""
    held: dict[str, dict[str, int]] = {}
    for column in wrapped_columns():
        for name, count in column.rows().order_by().values_list("master").annotate(Count("pk")):
            held.setdefault(name, {})[column.name] = count
    return held


def sessions_without(name: str) -> list[int]:
    """Processes of the database that serve a program of ours whose key ring does not have this master key.

    Each connection tells the names in its ring (see DATABASES in the settings). Who is not connected is not seen.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, application_name FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = current_user AND pid <> pg_backend_pid() AND application_name LIKE %s",
            [f"{settings.APPLICATION}%"],
        )
        rows = cursor.fetchall()
    return [pid for pid, told in rows if name not in told.removeprefix(settings.APPLICATION).strip().split("+")]


def _pending(column: Wrapped):
    return column.rows().exclude(master=crypto.wrapping_name())


def _rewrap_all(column: Wrapped, chunk: int, broken: list[str], pause: float) -> Iterator[int]:
    """Row counts, chunk by chunk, until nothing is left but what cannot be opened."""
    failed: set[int] = set()
    for turn in range(ROUNDS):
        if turn:
            time.sleep(pause)
        last = 0
        while taken := _rewrap_some(column, last, chunk, failed):
            count, last = taken
            yield count
        if not _pending(column).exclude(pk__in=failed).exists():
            break
    broken += [f"{column.name} {pk}" for pk in sorted(failed)]


def _rewrap_some(column: Wrapped, after: int, chunk: int, failed: set[int]) -> tuple[int, int] | None:
    """(how many, the last primary key) of the next rows; None where there are no more. Broken ones go into `failed`."""
    with transaction.atomic():
        # Not against FOR KEY SHARE: keys are imported under a data key, and attempts made for a channel, all the while.
        free = _pending(column).select_for_update(skip_locked=True, no_key=True, of=("self",))
        rows = list(free.filter(pk__gt=after).order_by("pk")[:chunk])
        count = 0
        for row in rows:
            try:
                column.model._default_manager.filter(pk=row.pk).update(**column.rewrapped(row))
                count += 1
            except crypto.DecryptionFailed:
                failed.add(row.pk)
    return (count, rows[-1].pk) if rows else None


def _note(action: str, detail: dict) -> None:
    with transaction.atomic():
        detail = {"name": crypto.wrapping_name(), **detail}
        record(action=action, at=clock.now(), target_type=DataKey._meta.label, detail=detail)
