"""Relays that work at the same time, and one that dies with a delivery in its hands."""

import threading
from collections import Counter

import pytest
from django.db import transaction

from common import clock
from events import registry, services
from events.contracts import StockArrived
from events.models import Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)

RELAYS = 4
EVENTS = 60


@pytest.fixture
def heard(monkeypatch):
    """How often each event was handled; two subscribers, one that goes first and one that takes many at once."""
    counted: Counter = Counter()
    guard = threading.Lock()
    monkeypatch.setattr(registry, "_handlers", {})
    for name in ("one", "two"):

        def handler(event, *, at, name=name):
            with guard:
                counted[name, event.sku_id] += 1

        registry.subscribe(StockArrived, name, first=name == "one")(handler)
    registry.handles_many("two")(lambda news: counted.update(("two", one.event.sku_id) for one in news))
    return counted


def tell(count: int) -> None:
    at = clock.now()
    with transaction.atomic():
        for number in range(count):
            services.emit(StockArrived(sku_id=number, added=1, arrived_at=at), at=at)


def test_concurrent_relays_hand_each_delivery_to_one(race, heard, monkeypatch):
    tell(EVENTS)
    services.fan_out()
    handle, all_hold_one, mine = services.handle, threading.Barrier(RELAYS), threading.local()

    def handle_together(delivery):
        # Nobody finishes a first delivery before everybody holds one: so the relays really share the work.
        if not getattr(mine, "began", False):
            mine.began = True
            all_hold_one.wait()
        handle(delivery)

    monkeypatch.setattr(services, "handle", handle_together)
    handled = race.run(*[services.relay] * RELAYS)
    assert sum(handled) == 2 * EVENTS
    assert min(handled) >= 1
    assert heard == Counter({(name, number): 1 for name in ("one", "two") for number in range(EVENTS)})
    assert set(Delivery.objects.values_list("state", flat=True)) == {"done"}


def test_concurrent_fan_outs_make_one_delivery_each(race, heard):
    tell(EVENTS)
    assert sum(race.run(*[services.fan_out] * RELAYS)) == EVENTS
    assert Delivery.objects.count() == 2 * EVENTS


def test_a_delivery_in_the_hands_of_a_stuck_relay_is_left_to_it_and_comes_back_when_it_dies(race, heard):
    tell(1)
    services.fan_out()
    held, done = threading.Event(), threading.Event()

    def dying_relay():
        with transaction.atomic():
            list(Delivery.objects.filter(subscriber="one").select_for_update())
            held.set()
            done.wait()
            raise SystemError("killed")

    def other_relay():
        held.wait()
        count = services.relay()
        done.set()
        return count

    died, others = race.run(dying_relay, other_relay)
    assert isinstance(died, SystemError)
    assert others == 1
    assert heard == Counter({("two", 0): 1})
    assert services.relay() == 1
    assert heard["one", 0] == 1


def test_an_event_is_not_relayed_before_its_transaction_commits(race, heard):
    written, looked = threading.Event(), threading.Event()

    def seller():
        with transaction.atomic():
            tell(1)
            written.set()
            looked.wait()

    def relay():
        written.wait()
        count = services.relay()
        looked.set()
        return count

    assert race.run(seller, relay)[1] == 0
    assert services.relay() == 2
    assert Event.objects.get().fanned_out_at is not None
