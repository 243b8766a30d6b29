"""Whose deliveries go first, who has a turn all the same, and deliveries that are handed over many at once."""

from datetime import datetime

import pytest
from django.db import transaction

from common import clock
from events import registry, selectors, services
from events.contracts import StockArrived
from events.models import Delivery, Heartbeat

pytestmark = pytest.mark.django_db
AT = datetime.fromisoformat("2026-11-22T08:00:00+00:00")


@pytest.fixture
def heard(monkeypatch):
    """(subscriber, number of the SKU), as they are handled; an empty registry."""
    monkeypatch.setattr(registry, "_handlers", {})
    return []


def listen(heard: list, name: str, *, first: bool = False, guilty: int | None = None, many=None) -> None:
    """A subscriber that writes what it hears, and fails on one number. `many` is its handler of many, if it has one."""

    def handler(event, *, at):
        heard.append((name, event.sku_id))
        write(event.sku_id)
        if event.sku_id == guilty:
            raise ValueError("guilty")

    registry.subscribe(StockArrived, name, first=first)(handler)
    if many is not None:
        registry.handles_many(name)(many)


def write(number: int) -> None:
    Heartbeat.objects.create(name=f"heard {number}", at=AT)


def written() -> set[str]:
    return set(Heartbeat.objects.values_list("name", flat=True))


def tell(*numbers: int) -> None:
    with transaction.atomic():
        for number in numbers:
            services.emit(StockArrived(sku_id=number, added=1, arrived_at=AT), at=AT)


def states() -> dict[int, str]:
    return {row.event.payload["sku_id"]: row.state for row in Delivery.objects.select_related("event")}


class TestRanks:
    def test_who_goes_first_goes_first_and_the_others_have_a_turn_all_the_same(self, heard, monkeypatch):
        monkeypatch.setattr(services, "FIRST_TURN", 2)
        listen(heard, "awaited", first=True)
        registry.subscribe(StockArrived, "usual")(lambda event, *, at: heard.append(("usual", event.sku_id)))
        tell(1, 2, 3, 4, 5)
        services.relay()
        names = [name for name, _ in heard]
        assert names == ["awaited"] * 2 + ["usual"] + ["awaited"] * 2 + ["usual", "awaited"] + ["usual"] * 3
        assert [number for name, number in heard if name == "usual"] == [1, 2, 3, 4, 5]

    def test_nobody_starves_while_there_is_always_somebody_who_goes_first(self, heard):
        def endless(event, *, at):
            heard.append(("awaited", event.sku_id))
            services.emit(StockArrived(sku_id=event.sku_id + 1, added=1, arrived_at=AT), at=AT)

        registry.subscribe(StockArrived, "awaited", first=True)(endless)
        registry.subscribe(StockArrived, "usual")(lambda event, *, at: heard.append(("usual", event.sku_id)))
        tell(*range(100, 130))
        services.relay(limit=100)
        assert sum(name == "usual" for name, _ in heard) >= 100 // (services.FIRST_TURN + 1)

    def test_what_is_late_is_seen_in_either_rank(self, heard):
        listen(heard, "awaited", first=True)
        listen(heard, "usual")
        tell(1)
        services.fan_out()
        later = clock.now() + services.RETRY_AFTER[0]
        for subscriber in ("awaited", "usual"):
            Delivery.objects.update(state="done", done_at=AT)
            Delivery.objects.filter(subscriber=subscriber).update(state="pending", done_at=None)
            assert selectors.relay_lag(at=later) == services.RETRY_AFTER[0]


class TestMany:
    def test_they_are_handed_over_at_once_and_what_is_left_one_by_one(self, heard):
        def many(news):
            heard.append([one.event.sku_id for one in news])
            assert all(one.at == AT for one in news)
            return [one for one in news if one.event.sku_id % 2]

        listen(heard, "bulk", many=many)
        tell(1, 2, 3, 4)
        assert services.relay() == 4
        assert heard == [[1, 2, 3, 4], ("bulk", 1), ("bulk", 3)]
        assert set(states().values()) == {"done"}
        assert services.relay() == 0

    def test_of_those_that_fail_together_only_the_guilty_one_is_tried_again(self, heard):
        def many(news):
            for one in news:
                write(one.event.sku_id)
                if one.event.sku_id == 2:
                    raise ValueError("guilty")

        listen(heard, "bulk", guilty=2, many=many)
        tell(1, 2, 3)
        assert services.relay() == 3
        # Nothing that was written together stayed: each wrote its own once more, and could.
        assert written() == {"heard 1", "heard 3"}
        assert states() == {1: "done", 2: "pending", 3: "done"}
        guilty = Delivery.objects.get(state="pending")
        assert (guilty.attempts, guilty.last_error, guilty.done_at) == (1, "ValueError: guilty", None)
        Delivery.objects.update(attempts=len(services.RETRY_AFTER), not_before=AT)
        assert services.relay() == 1
        assert states() == {1: "done", 2: "parked", 3: "done"}

    def test_after_a_death_in_the_middle_all_are_delivered_again(self, heard):
        class Killed(BaseException):
            pass

        def dying(news):
            write(news[0].event.sku_id)
            raise Killed

        listen(heard, "bulk", many=dying)
        tell(1, 2, 3)
        services.fan_out()
        with pytest.raises(Killed):
            services.relay()
        assert written() == set()
        assert set(states().values()) == {"pending"}
        registry.handles_many("bulk")(lambda news: [write(one.event.sku_id) for one in news] and None)
        assert services.relay() == 3
        assert written() == {"heard 1", "heard 2", "heard 3"}

    def test_no_more_than_the_limit(self, heard):
        listen(heard, "bulk", many=lambda news: heard.append(len(news)))
        tell(1, 2, 3)
        assert services.relay(limit=2) == 2
        assert services.relay() == 1
        assert heard == [2, 1]
