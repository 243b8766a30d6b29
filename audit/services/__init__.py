"""Writing the audit log, running a request once, and limiting how often something may be tried."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from audit.exceptions import KeyReused
from audit.marks import mark_of
from audit.models import Allowance, AuditEntry, IdempotencyRecord
from common import clock
from common.crypto import fingerprint
from common.exceptions import TooManyRequests
from common.locks import LockOutsideTransaction
from common.sql import fetch

KEEP = timedelta(days=7)
MAX_KEY = 80


def record(
    *,
    action: str,
    at: datetime,
    actor: Any = None,
    target: Any = None,
    target_type: str = "",
    target_id: Any = "",
    detail: dict | None = None,
    address: str | None = None,
) -> AuditEntry:
    """Write one entry in the caller's transaction. `actor` is a user or None for the system; `target` any saved model.

    Name and address are kept of staff only: nothing can be taken out of the log again, and members may leave.
    """
    if target is not None:
        target_type, target_id = target._meta.label, target.pk
    entry = AuditEntry(
        id=fetch("SELECT nextval(pg_get_serial_sequence('audit_auditentry', 'id'))", [])[0][0],
        at=at,
        actor_id=getattr(actor, "pk", None),
        actor=_named(actor),
        action=action,
        target_type=target_type,
        target_id=str(target_id),
        detail=detail or {},
        address=address if actor is None or actor.is_staff else None,
    )
    entry.mark = mark_of(entry)
    entry.save(force_insert=True)
    return entry


def _named(actor: Any) -> str:
    if actor is None:
        return ""
    return actor.get_username()[:150] if actor.is_staff else f"user:{actor.pk}"


def request_hash(request: dict) -> str:
    """A digest of what was asked; equal requests have equal digests whatever their order of keys."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()


def run_once(
    *, act: str, caller: str, key: str, request: dict, at: datetime, run: Callable[[], Any]
) -> tuple[Any, bool]:
    """Run `run` once per act ("order", "withdrawal"), caller and key; return (its JSON result, whether it was run now).

    Must be called inside the transaction of the effect: the record and the effect commit together, and a concurrent
    twin waits on the unique key until the first has committed. Raises KeyReused when the key came with another request.
    """
    if not connection.in_atomic_block:
        raise LockOutsideTransaction("run_once() needs the transaction of its effect")
    digest, key = request_hash(request), f"{act}:{key}"
    if len(key) > MAX_KEY:
        # Cut off, two keys that differ at their end would be one.
        key = f"{act}:{hashlib.sha256(key.encode()).hexdigest()}"[:MAX_KEY]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_idempotencyrecord (caller, key, request_hash, created_at) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (caller, key) DO NOTHING RETURNING id",
            [caller, key, digest, at],
        )
        inserted = cursor.fetchone()
    if inserted is None:
        known = IdempotencyRecord.objects.get(caller=caller, key=key)
        if known.request_hash != digest:
            raise KeyReused
        return known.result, False
    result = run()
    IdempotencyRecord.objects.filter(pk=inserted[0]).update(result=result)
    return result, True


def forget_old_keys() -> int:
    """Delete idempotency records older than a week."""
    with transaction.atomic():
        return IdempotencyRecord.objects.filter(created_at__lt=clock.now() - KEEP).delete()[0]


@dataclass(frozen=True)
class Limit:
    """`burst` tries at once, then one more each `every`. The name tells limits apart."""

    name: str
    burst: int
    every: timedelta

    def key(self, subject: str) -> str:
        # Subjects are what people typed, now and then a password in the field of the name.
        return fingerprint(subject, f"limit:{self.name}").hex()


def take(limit: Limit, *, subject: str, at: datetime) -> None:
    """Use up one try of `subject`. Raises TooManyRequests, and counts nothing, when none is left.

    One statement, so that parallel tries cannot slip past each other. Call it outside the transaction of what is tried:
    a failure that is rolled back must stay counted.
    """
    room = limit.every * (limit.burst - 1)
    key = limit.key(subject)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_allowance AS a (key, free_at) VALUES (%(key)s, %(at)s + %(every)s)"
            " ON CONFLICT (key) DO UPDATE SET free_at = greatest(a.free_at, %(at)s) + %(every)s"
            " WHERE a.free_at <= %(at)s + %(room)s RETURNING free_at",
            {"key": key, "at": at, "every": limit.every, "room": room},
        )
        if cursor.fetchone():
            return
    free_at = Allowance.objects.filter(key=key).values_list("free_at", flat=True).first() or at
    raise TooManyRequests(free_at - at - room)


def has_left(limit: Limit, *, subject: str, at: datetime) -> bool:
    """Whether a try is left; uses up nothing."""
    room = limit.every * (limit.burst - 1)
    return not Allowance.objects.filter(key=limit.key(subject), free_at__gt=at + room).exists()


def give_back(limit: Limit, *, subject: str) -> None:
    """Undo one `take`, because the try was a good one."""
    with transaction.atomic():
        Allowance.objects.filter(key=limit.key(subject)).update(free_at=F("free_at") - limit.every)


def forget_unused_allowances() -> int:
    """Delete the rows of those who have used up nothing."""
    with transaction.atomic():
        return Allowance.objects.filter(free_at__lt=clock.now()).delete()[0]
