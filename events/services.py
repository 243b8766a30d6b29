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
from events.registry import News, subscription_of, subscriptions

logger = logging.getLogger(__name__)
Rank = Delivery.Rank

# Plain statements: most of what happens in the shop passes here.
_EMIT = "INSERT INTO events_event (kind, version, payload, occurred_at) VALUES (%s, %s, %s, %s) RETURNING id"
_EMIT_ALL = """
INSERT INTO events_event (kind, version, payload, occurred_at)
SELECT %s, %s, payload, %s FROM unnest(%s::jsonb[]) WITH ORDINALITY AS told (payload, place) ORDER BY place
"""
# One statement each: what is claimed is marked at once, in the transaction of the handler, whose end decides.
_FAN_OUT = """
WITH fresh AS MATERIALIZED (
    SELECT id FROM events_event WHERE fanned_out_at IS NULL ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), told AS (
    UPDATE events_event AS event SET fanned_out_at = coalesce(%(at)s::timestamptz, transaction_timestamp())
    FROM fresh WHERE event.id = fresh.id RETURNING event.id, event.kind, event.fanned_out_at
), made AS (
    INSERT INTO events_delivery (event_id, subscriber, rank, state, attempts, not_before, last_error)
    SELECT told.id, wanted.subscriber, wanted.rank, 'pending', 0, told.fanned_out_at, ''
    FROM told JOIN unnest(%(kinds)s::text[], %(names)s::text[], %(ranks)s::int[]) AS wanted (kind, subscriber, rank)
    USING (kind) ORDER BY told.id, wanted.subscriber
    ON CONFLICT (event_id, subscriber) DO NOTHING
)
SELECT count(*) FROM told
"""
# The states are constants: a generic plan cannot use a partial index for a parameter.
_DUE = """
FROM events_delivery AS delivery JOIN events_event AS event ON event.id = delivery.event_id
WHERE delivery.state = 'pending' AND delivery.not_before <= coalesce(%(at)s::timestamptz, transaction_timestamp())
"""
_TAKEN = "SELECT delivery.id, event.kind, event.version, event.payload, event.occurred_at, event.id AS event_id" + _DUE
_MARK = """
UPDATE events_delivery AS delivery
SET state = 'done', done_at = coalesce(%(at)s::timestamptz, transaction_timestamp()), last_error = ''
FROM taken WHERE delivery.id = taken.id
RETURNING delivery.id, delivery.subscriber, taken.event_id, taken.kind, taken.version, taken.payload, taken.occurred_at,
    delivery.done_at
"""
_FIRST = f"""
WITH taken AS MATERIALIZED (
    {_TAKEN} AND delivery.rank = 0
    ORDER BY delivery.not_before, delivery.id LIMIT 1 FOR UPDATE OF delivery SKIP LOCKED
)
{_MARK}"""
# Of the subscriber who has waited longest: one delivery, or as many as it takes at once.
_LONGEST = f"""
WITH oldest AS MATERIALIZED (
    SELECT delivery.subscriber {_DUE} AND delivery.rank = 1
    ORDER BY delivery.not_before, delivery.id LIMIT 1 FOR UPDATE OF delivery SKIP LOCKED
), taken AS MATERIALIZED (
    {_TAKEN} AND delivery.rank = 1 AND delivery.subscriber = (SELECT subscriber FROM oldest)
    ORDER BY delivery.not_before, delivery.id
    LIMIT (SELECT CASE WHEN subscriber = ANY(%(many)s) THEN %(limit)s ELSE 1 END FROM oldest)
    FOR UPDATE OF delivery SKIP LOCKED
)
{_MARK}"""  # noqa: S608 - our own words
_THIS = f"""
WITH taken AS MATERIALIZED ({_TAKEN} AND delivery.id = %(id)s FOR UPDATE OF delivery SKIP LOCKED)
{_MARK}"""
_PUT_BACK = "UPDATE events_delivery SET state = 'pending', done_at = NULL WHERE id = ANY(%s)"
BATCH = 200
# Before it looks for new events again, a relay hands out so many deliveries that go first, and then claims others: once
# where more may go first, else so many times, each up to so many deliveries. Who goes first waits for few, and nobody waits
# for ever.
FIRST_TURN, USUAL_TURN, MANY = 20, 5, 50
_relaying: ContextVar[bool] = ContextVar("relaying", default=False)
# Waits after the 1st, 2nd, … failure; one failure more and the delivery is parked for a person.
RETRY_AFTER = [timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 3600, 7200)]


def emit(event: Any, *, at: datetime) -> int:
    """Write one event in the caller's transaction and return its id. Raises LockOutsideTransaction outside one.

    After commit a relay is nudged; when the nudge is lost, the sweep finds the row within twenty seconds. What a handler emits
    is found by the relay that runs it.
    """
    if not connection.in_atomic_block:
        raise LockOutsideTransaction("emit() needs the transaction of the fact that it tells")
    payload = json.dumps(to_payload(event), ensure_ascii=False)
    [(pk,)] = fetch(_EMIT, [event.kind, event.version, payload, at])
    _nudge_after_commit()
    return pk


def _nudge_after_commit() -> None:
    """Once a transaction, and not within a relay, which looks for what is new by itself."""
    if not _relaying.get() and not any(queued[1] is nudge for queued in connection.run_on_commit):
        transaction.on_commit(nudge)


def emit_all(events: Sequence[Any], *, at: datetime) -> None:
    """`emit` for many events of one kind that happened at one moment, in one statement."""
    if not events:
        return
    if not connection.in_atomic_block:
        raise LockOutsideTransaction("emit_all() needs the transaction of the facts that it tells")
    payloads = [json.dumps(to_payload(event), ensure_ascii=False) for event in events]
    run(_EMIT_ALL, [events[0].kind, events[0].version, at, payloads])
    _nudge_after_commit()


def fan_out(*, limit: int = BATCH) -> int:
    """Give new events a delivery row per subscriber; returns how many events. Locks them, skipping those in other hands."""
    wanted = [(one.kind, name, Rank.FIRST if one.is_first else Rank.USUAL) for name, one in subscriptions()]
    kinds, names, ranks = ([row[column] for row in wanted] for column in range(3))
    told = {"at": clock.travelled(), "limit": limit, "kinds": kinds, "names": names, "ranks": ranks}
    [(count,)] = fetch(_FAN_OUT, told)
    return count


def deliver_first() -> int:
    """Hand the delivery of those who go first that has waited longest to its handler; returns how many it were, 0 or 1.

    Its row stays locked while the handler runs, and its mark commits with what the handler wrote.
    """
    return _deliver(_FIRST)


def deliver_usual(*, limit: int = MANY) -> int:
    """Hand deliveries of the subscriber who has waited longest to its handler; returns how many.

    One, or up to `limit` in one transaction where the subscriber takes many. What such a transaction leaves, and all of it
    when it fails, is handed out one by one: so only the guilty one is tried again later, or parked.
    """
    deliveries: list[Delivery] = []
    many = [name for name, one in subscriptions() if one.many is not None]
    try:
        with transaction.atomic():
            deliveries, at = _claim(_LONGEST, many=many, limit=limit)
            if not deliveries:
                return 0
            with clock.one_moment(at):
                left = _handle_many(deliveries)
            if left:
                run(_PUT_BACK, [left])
    except Exception as error:
        # As in _deliver().
        if not deliveries:
            raise
        if deliveries[0].subscriber not in many:
            _note_failure(deliveries[0], error)
            return 1
        logger.warning("%s failed on %s deliveries together", deliveries[0].subscriber, len(deliveries), exc_info=True)
        left = [delivery.pk for delivery in deliveries]
    for pk in left:
        _deliver(_THIS, id=pk)
    return len(deliveries)


def _deliver(statement: str, **which: Any) -> int:
    deliveries: list[Delivery] = []
    try:
        with transaction.atomic():
            deliveries, at = _claim(statement, **which)
            for delivery in deliveries:
                with clock.one_moment(at):
                    handle(delivery)
    except Exception as error:
        # A handler may fail in any way; one that does must not stop the relay.
        if not deliveries:
            raise
        _note_failure(deliveries[0], error)
    return len(deliveries)


def _note_failure(delivery: Delivery, error: Exception) -> None:
    logger.error("%s failed on event %s", delivery.subscriber, delivery.event_id, exc_info=error)
    record_failure(delivery_id=delivery.pk, error=error)


def _claim(statement: str, **which: Any) -> tuple[list[Delivery], datetime | None]:
    """What nobody else has in hand, locked and marked, with the events, and the time of the transaction."""
    found, at = [], None
    for pk, subscriber, event_id, kind, version, payload, occurred_at, done_at in fetch(
        statement, {"at": clock.travelled(), **which}
    ):
        event = Event(id=event_id, kind=kind, version=version, payload=json.loads(payload), occurred_at=occurred_at)
        found.append(Delivery(id=pk, event=event, subscriber=subscriber))
        at = done_at
    return sorted(found, key=lambda one: one.pk), at


def _handle_many(deliveries: Sequence[Delivery]) -> list[int]:
    """Hand them over together where the subscriber takes many, else the one; returns the numbers of those left."""
    subscription = subscription_of(deliveries[0].subscriber)
    if subscription is None or subscription.many is None:
        handle(deliveries[0])
        return []
    news = [News(one.pk, event_of(one), one.event.occurred_at) for one in deliveries]
    return [one.delivery for one in subscription.many(news) or ()]


def handle(delivery: Delivery) -> None:
    """Call the subscriber. Raises LookupError when nobody is registered under that name (a removed room, an old worker)."""
    subscription = subscription_of(delivery.subscriber)
    if subscription is None:
        raise LookupError(f"no handler is called {delivery.subscriber!r}")
    subscription.handler(event_of(delivery), at=delivery.event.occurred_at)


def event_of(delivery: Delivery) -> Any:
    """What was emitted. Raises KeyError for an event that no contract describes."""
    return from_payload(delivery.event.kind, delivery.event.version, delivery.event.payload)


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
            fanned, turn = fan_out(), 0
            # Not until nothing is due: what these handlers emit must not wait for all who came before.
            for _ in range(min(FIRST_TURN, limit - handled)):
                if not deliver_first():
                    break
                turn += 1
            for _ in range(1 if turn == FIRST_TURN else USUAL_TURN):
                delivered = deliver_usual(limit=min(MANY, limit - handled - turn)) if handled + turn < limit else 0
                if not delivered:
                    break
                turn += delivered
            handled += turn
            if not fanned and not turn:
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
