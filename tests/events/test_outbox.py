"""The outbox: facts and messages commit together, every subscriber hears of each at least once, poison is parked."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from common import clock
from common.locks import LockOutsideTransaction
from events import registry, services
from events.contracts import (
    REGISTRY,
    Line,
    OrderDelivered,
    OrderRefunded,
    RefundedLine,
    StockArrived,
    TierChanged,
    from_payload,
    to_payload,
)
from events.models import Delivery, Event, Heartbeat

pytestmark = pytest.mark.django_db
AT = datetime.fromisoformat("2026-11-22T08:00:00+00:00")


@pytest.fixture
def listeners(monkeypatch):
    """An empty registry; `listeners(name)` subscribes one that keeps what it heard and fails while told to."""
    monkeypatch.setattr(registry, "_handlers", {})
    return Listener


class Listener:
    def __init__(self, name: str, contract=StockArrived):
        self.heard: list = []
        self.error: Exception | None = None
        registry.subscribe(contract, name)(self)

    def __call__(self, event, *, at):
        self.heard.append((event, at))
        # Something that must be undone together with the mark when the handler fails.
        Heartbeat.objects.update_or_create(name=f"heard {event.sku_id}", defaults={"at": at})
        if self.error:
            raise self.error


def tell(sku_id: int = 1) -> StockArrived:
    event = StockArrived(sku_id=sku_id, added=3, arrived_at=AT)
    with transaction.atomic():
        services.emit(event, at=AT)
    return event


def delivery(subscriber: str) -> Delivery:
    return Delivery.objects.get(subscriber=subscriber)


@pytest.mark.django_db(transaction=True)
def test_emit_refuses_to_run_outside_the_transaction_of_its_fact():
    with pytest.raises(LockOutsideTransaction):
        services.emit(StockArrived(sku_id=1, added=3, arrived_at=AT), at=AT)
    assert not Event.objects.exists()


def test_a_fact_that_is_rolled_back_is_never_told(listeners):
    listener = listeners("one")
    with pytest.raises(RuntimeError), transaction.atomic():
        services.emit(StockArrived(sku_id=1, added=3, arrived_at=AT), at=AT)
        raise RuntimeError
    assert services.relay() == 0
    assert listener.heard == []


def test_many_events_of_one_transaction_nudge_once(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        for number in range(5):
            services.emit(StockArrived(sku_id=number, added=1, arrived_at=AT), at=AT)
    assert callbacks == [services.nudge]


def test_every_subscriber_hears_it_once_with_its_time(listeners):
    one, two = listeners("one"), listeners("two")
    other = listeners("other", TierChanged)
    event = tell()
    assert services.relay() == 2
    assert one.heard == two.heard == [(event, AT)]
    assert other.heard == []
    assert {row.state for row in Delivery.objects.all()} == {"done"}
    assert services.relay() == 0
    assert len(one.heard) == 1


def test_an_event_that_nobody_wants_is_done_with(listeners):
    tell()
    assert services.relay() == 0
    assert Event.objects.get().fanned_out_at is not None
    assert not Delivery.objects.exists()


def test_fanning_out_again_makes_no_second_delivery(listeners):
    listeners("one")
    tell()
    services.fan_out()
    Event.objects.update(fanned_out_at=None)
    services.fan_out()
    assert Delivery.objects.count() == 1


def test_what_a_failing_handler_wrote_is_undone_and_it_is_tried_again(listeners):
    listener = listeners("one")
    listener.error = ValueError("no such tier\nand a second line")
    tell()
    assert services.relay() == 1
    row = delivery("one")
    assert (row.state, row.attempts, row.last_error) == ("pending", 1, "ValueError: no such tier")
    assert not Heartbeat.objects.exists()
    # Not before its time.
    assert services.relay() == 0
    assert row.not_before - clock.now() == timedelta(seconds=5)
    listener.error = None
    with clock.travel(row.not_before):
        assert services.relay() == 1
    row.refresh_from_db()
    assert (row.state, row.last_error) == ("done", "")
    assert Heartbeat.objects.count() == 1


def test_one_failing_subscriber_does_not_hold_up_the_others(listeners):
    broken, well = listeners("broken"), listeners("well")
    broken.error = ValueError()
    for number in range(3):
        tell(number)
    assert services.relay() == 6
    assert len(well.heard) == 3
    assert set(Delivery.objects.values_list("subscriber", "state")) == {("broken", "pending"), ("well", "done")}


def test_waits_grow_and_then_it_is_parked_until_somebody_retries_it(listeners, django_capture_on_commit_callbacks):
    listener = listeners("one")
    listener.error = ValueError("still broken")
    tell()
    at, waits = clock.now(), []
    for _ in services.RETRY_AFTER:
        with clock.travel(at):
            assert services.relay() == 1
        row = delivery("one")
        waits.append(row.not_before - at)
        at = row.not_before
    assert waits == services.RETRY_AFTER == sorted(waits)
    with clock.travel(at):
        services.relay()
    row = delivery("one")
    assert (row.state, row.attempts) == ("parked", len(services.RETRY_AFTER) + 1)
    with clock.travel(at + timedelta(days=30)):
        assert services.relay() == 0

    listener.error = None
    with django_capture_on_commit_callbacks() as callbacks:
        assert services.retry_parked(delivery_ids=[row.pk, row.pk + 1]) == 1
    assert callbacks == [services.nudge]
    assert services.relay() == 1
    row.refresh_from_db()
    assert row.state == "done"
    assert services.retry_parked(delivery_ids=[row.pk]) == 0


def test_a_handler_that_is_gone_and_a_contract_that_is_gone_count_as_failures(listeners, monkeypatch):
    listeners("removed.room")
    tell()
    services.fan_out()
    monkeypatch.setattr(registry, "_handlers", {})
    assert services.relay() == 1
    assert delivery("removed.room").last_error == "LookupError: no handler is called 'removed.room'"
    Event.objects.update(kind="no.such.kind")
    Delivery.objects.update(not_before=AT)
    listeners("removed.room")
    assert services.relay() == 1
    assert delivery("removed.room").last_error.startswith("KeyError")


def test_a_database_error_in_a_handler_does_not_poison_the_relay(listeners):
    def broken(event, *, at):
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM events_event")

    registry.subscribe(StockArrived, "broken")(broken)
    well = listeners("well")
    tell()
    assert services.relay() == 2
    assert len(well.heard) == 1
    assert "ProgrammingError" in delivery("broken").last_error


def test_a_relay_stops_at_its_limit(listeners):
    listener = listeners("one")
    for number in range(5):
        tell(number)
    assert services.relay(limit=3) == 3
    assert len(listener.heard) == 3
    assert services.relay() == 2


def test_two_handlers_may_not_share_a_name(listeners):
    listeners("one")
    with pytest.raises(ValueError, match="one"):
        listeners("one")


def line(**changes) -> dict:
    return {"id": 7, "product_id": 3, "category": "game_card", "quantity": 2, "cash": Decimal("19.90"), **changes}


@pytest.mark.parametrize(
    "event",
    [
        StockArrived(sku_id=1, added=3, arrived_at=AT),
        TierChanged(
            decision_id=1, user_id=2, from_rank=None, to_rank=1, to_name="青铜", cause="default", changed_at=AT
        ),
        OrderDelivered(
            order_id=1,
            user_id=None,
            storefront_id=1,
            paid_at=AT,
            delivered_at=AT,
            complete=True,
            lines=(
                Line(
                    sku_id=4,
                    category_id=5,
                    seller_id=None,
                    list=Decimal("20.00"),
                    points_paid=Decimal("0.00"),
                    discount=Decimal("0.10"),
                    **line(),
                ),
            ),
        ),
        OrderRefunded(
            refund_ref="r1",
            order_id=1,
            user_id=2,
            storefront_id=1,
            paid_at=AT,
            refunded_at=AT,
            amount=Decimal("1.00"),
            complete=False,
            lines=(RefundedLine(amount=Decimal("1.00"), complete=False, **line()),),
        ),
    ],
)
def test_an_event_comes_out_of_the_database_as_it_went_in(event):
    with transaction.atomic():
        services.emit(event, at=AT)
    row = Event.objects.get()
    assert from_payload(row.kind, row.version, row.payload) == event
    assert row.payload == to_payload(event)


def test_handlers_of_the_shop_are_registered_for_contracts_that_exist():
    kinds = {kind for kind, _version in REGISTRY}
    assert {one.kind for one in registry._handlers.values()} <= kinds
