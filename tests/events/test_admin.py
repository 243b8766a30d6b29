"""Parked deliveries in the admin: seen by whoever may look, retried by whoever may retry."""

from datetime import timedelta

import pytest

from audit.models import AuditEntry
from common import clock
from events.models import Delivery, Event
from tests.desk import Act, at_desk, staff

pytestmark = pytest.mark.django_db
LIST = "/admin/events/delivery/"


@pytest.fixture
def make_delivery(db):
    def make(state: str = Delivery.State.PARKED, subscriber: str = "membership.record_order") -> Delivery:
        at = clock.now()
        event = Event.objects.create(kind="order.paid", payload={"order_id": 7}, occurred_at=at, fanned_out_at=at)
        return Delivery.objects.create(
            event=event,
            subscriber=subscriber,
            state=state,
            attempts=8,
            not_before=at - timedelta(days=1),
            last_error="KeyError: 'sku'",
            done_at=at if state == Delivery.State.DONE else None,
        )

    return make


def test_a_parked_delivery_is_queued_again(make_delivery):
    delivery = make_delivery()
    desk = at_desk(staff("rita", "events.view_delivery", "events.retry_delivery"))
    assert "已搁置" in desk.get(LIST).content.decode()
    act = Act(desk, f"{LIST}{delivery.pk}/retry/")
    assert "KeyError" in act.text
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.PARKED, "a preview changes nothing"
    assert "1" in act.confirm().done()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (Delivery.State.PENDING, 0)
    assert AuditEntry.objects.get(action="events.retry").detail == {"ids": [delivery.pk], "count": 1}


def test_several_at_once_and_only_the_parked_ones(make_delivery):
    parked, done = [make_delivery(subscriber=f"room.{n}") for n in range(3)], make_delivery(Delivery.State.DONE)
    desk = at_desk(staff("rita", "events.view_delivery", "events.retry_delivery"))
    chosen = [row.pk for row in [*parked, done]]
    act = Act(desk, LIST, action="retry_selected", _selected_action=chosen, index=0)
    assert "将重新投递" in act.text
    act.confirm()
    assert act.page.status_code == 302
    assert set(Delivery.objects.filter(pk__in=[p.pk for p in parked]).values_list("state", flat=True)) == {"pending"}
    done.refresh_from_db()
    assert done.state == Delivery.State.DONE


def test_looking_is_not_retrying(make_delivery):
    delivery = make_delivery()
    desk = at_desk(staff("lars", "events.view_delivery"))
    assert desk.get(f"{LIST}{delivery.pk}/change/").status_code == 200
    assert desk.get(f"{LIST}{delivery.pk}/retry/").status_code == 403
    assert desk.post(f"{LIST}{delivery.pk}/retry/", {"_step": "run"}).status_code == 403
    desk.post(LIST, {"action": "retry_selected", "_selected_action": [delivery.pk], "_step": "run"})
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.PARKED


def test_strangers_to_the_room_get_403(make_delivery):
    delivery = make_delivery()
    desk = at_desk(staff("gina", "catalog.view_product"))
    assert desk.get(LIST).status_code == 403
    assert desk.get(f"{LIST}{delivery.pk}/change/").status_code == 403
    assert desk.get("/admin/events/event/").status_code == 403
