"""Writing the outbox, relaying it to subscribers, and what to do with what keeps failing."""

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from common import clock
from common.locks import LockOutsideTransaction
from common.sql import fetch, run
from events.contracts import from_payload, to_payload
from events.models import Delivery, Event, Heartbeat
from events.nudge import nudge
from events.registry import handler_of, subscribers_of

logger = logging.getLogger(__name__)

# Plain statements: most of what happens in the shop passes here.
_EMIT = "INSERT INTO events_event (kind, version, payload, occurred_at) VALUES (%s, %s, %s, %s) RETURNING id"
_EMIT_ALL = """
INSERT INTO events_event (kind, version, payload, occurred_at)
SELECT %s, %s, payload, %s FROM unnest(%s::jsonb[]) WITH ORDINALITY AS told (payload, place) ORDER BY place
"""
_NEXT = """
SELECT delivery.id, delivery.subscriber, event.id, event.kind, event.version, event.payload, event.occurred_at
FROM events_delivery AS delivery JOIN events_event AS event ON event.id = delivery.event_id
WHERE delivery.state = %s AND delivery.not_before <= %s
ORDER BY delivery.not_before, delivery.id LIMIT 1
FOR UPDATE OF delivery SKIP LOCKED
"""
_DONE = "UPDATE events_delivery SET state = %s, done_at = %s, last_error = '' WHERE id = %s"
BATCH = 200
# How many deliveries a relay handles before it looks for new events again.
TURN = 20
_relaying: ContextVar[bool] = ContextVar("relaying", default=False)
# Waits after the 1st, 2nd, … failure; one failure more and the delivery is parked for a person.
RETRY_AFTER = [timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 3600, 7200)]


def emit(event: Any, *, at: datetime) -> int:
    """Write one event in the caller's transaction and return its id. Raises LockOutsideTransaction outside one.

    After commit a relay is nudged; when the nudge is lost, the sweep finds the row within a minute. What a handler emits
    is found by the relay that runs it.
    """
    if not connection.in_atomic_block:
        raise LockOutsideTransaction("emit() needs the transaction of the fact that it tells")
    payload = json.dumps(to_payload(event), ensure_ascii=False)
    [(pk,)] = fetch(_EMIT, [event.kind, event.version, payload, at])
    if not _relaying.get() and not any(queued[1] is nudge for queued in connection.run_on_commit):
        transaction.on_commit(nudge)
    return pk


def emit_all(events: Sequence[Any], *, at: datetime) -> None:
    """`emit` for many events of one kind that happened at one moment, in one statement."""
    if not events:
        return
    if not connection.in_atomic_block:
        raise LockOutsideTransaction("emit_all() needs the transaction of the facts that it tells")
    payloads = [json.dumps(to_payload(event), ensure_ascii=False) for event in events]
    run(_EMIT_ALL, [events[0].kind, events[0].version, at, payloads])
    if not _relaying.get() and not any(queued[1] is nudge for queued in connection.run_on_commit):
        transaction.on_commit(nudge)


def fan_out(*, limit: int = BATCH) -> int:
    """Give new events a delivery row per subscriber; returns how many events. Locks them, skipping those in other hands."""
    with transaction.atomic():
        fresh = list(
            Event.objects.filter(fanned_out_at=None)
            .order_by("pk")
            .select_for_update(skip_locked=True)
            .values_list("pk", "kind")[:limit]
        )
        if not fresh:
            return 0
        at = clock.now()
        Delivery.objects.bulk_create(
            [
                Delivery(event_id=pk, subscriber=name, not_before=at)
                for pk, kind in fresh
                for name in subscribers_of(kind)
            ],
            ignore_conflicts=True,
        )
        Event.objects.filter(pk__in=[pk for pk, _ in fresh]).update(fanned_out_at=at)
    return len(fresh)


def deliver_next() -> int | None:
    """Hand one due delivery to its handler; returns its id, or None when nothing is due.

    The delivery row stays locked while the handler runs, and is marked in the handler's own transaction.
    """
    delivery = None
    try:
        with transaction.atomic():
            at = clock.now()
            delivery = _claim_next(at)
            if delivery is None:
                return None
            handle(delivery)
            run(_DONE, [Delivery.State.DONE, at, delivery.pk])
    except Exception as error:
        # A handler may fail in any way; one that does must not stop the relay.
        if delivery is None:
            raise
        logger.exception("%s failed on event %s", delivery.subscriber, delivery.event_id)
        record_failure(delivery_id=delivery.pk, error=error)
    return delivery.pk


def _claim_next(at: datetime) -> Delivery | None:
    """The delivery that has waited longest and that nobody else has in hand, locked, with its event."""
    rows = fetch(_NEXT, [Delivery.State.PENDING, at])
    if not rows:
        return None
    [(pk, subscriber, event_id, kind, version, payload, occurred_at)] = rows
    event = Event(id=event_id, kind=kind, version=version, payload=json.loads(payload), occurred_at=occurred_at)
    return Delivery(id=pk, event=event, subscriber=subscriber)


def handle(delivery: Delivery) -> None:
    """Call the subscriber. Raises LookupError when nobody is registered under that name (a removed room, an old worker)."""
    handler = handler_of(delivery.subscriber)
    if handler is None:
        raise LookupError(f"no handler is called {delivery.subscriber!r}")
    event = delivery.event
    handler(from_payload(event.kind, event.version, event.payload), at=event.occurred_at)


def record_failure(*, delivery_id: int, error: Exception) -> None:
    """Count a failure: try again later, or park after the last try. Stores the error's type and first line only."""
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
        if delivery.state != Delivery.State.PENDING:
            return
        delivery.attempts += 1
        first_line = (str(error).splitlines() or [""])[0]
        delivery.last_error = f"{type(error).__name__}: {first_line}"[:500]
        if delivery.attempts > len(RETRY_AFTER):
            delivery.state = Delivery.State.PARKED
        else:
            delivery.not_before = clock.now() + RETRY_AFTER[delivery.attempts - 1]
        delivery.save(update_fields=["attempts", "last_error", "state", "not_before"])


def relay(*, limit: int = 10_000) -> int:
    """Fan out and deliver until nothing is due or `limit` deliveries were handled; returns how many."""
    handled = 0
    with as_relay():
        while handled < limit:
            fanned, delivered = fan_out(), 0
            # Not until nothing is due: what these handlers emit must not wait for all who came before.
            while delivered < min(TURN, limit - handled) and deliver_next() is not None:
                delivered += 1
            handled += delivered
            if not fanned and not delivered:
                return handled
    nudge()
    return handled


@contextmanager
def as_relay() -> Iterator[None]:
    """Within the block nobody is nudged: whoever runs it looks for what is new by itself."""
    token = _relaying.set(True)
    try:
        yield
    finally:
        _relaying.reset(token)


def retry_parked(*, delivery_ids: Iterable[int]) -> int:
    """Put parked deliveries back in the queue with a fresh count; returns how many."""
    with transaction.atomic():
        count = Delivery.objects.filter(pk__in=list(delivery_ids), state=Delivery.State.PARKED).update(
            state=Delivery.State.PENDING, attempts=0, not_before=clock.now()
        )
        if count:
            transaction.on_commit(nudge)
    return count


def beat_heart(*, name: str) -> None:
    """Note that a background process did its round."""
    with transaction.atomic():
        Heartbeat.objects.update_or_create(name=name, defaults={"at": clock.now()})
