"""Reading the outbox: does the background work keep up?"""

from datetime import datetime, timedelta

from common.findings import Findings, find
from events.models import Delivery, Event, Heartbeat

OVERDUE = timedelta(hours=1)


def silence_of(name: str, *, at: datetime) -> timedelta | None:
    """How long ago a background process last did its round; None when it never did."""
    last = Heartbeat.objects.filter(pk=name).values_list("at", flat=True).first()
    return None if last is None else at - last


def relay_lag(*, at: datetime) -> timedelta:
    """How long the oldest work that is due has been waiting for a relay; zero when nothing waits."""
    pending = Delivery.objects.filter(state=Delivery.State.PENDING).order_by("not_before", "id")
    waiting = [
        Event.objects.filter(fanned_out_at=None).order_by("pk").values_list("occurred_at", flat=True).first(),
        # One look at the front of the index for each rank.
        *(pending.filter(rank=rank).values_list("not_before", flat=True).first() for rank in Delivery.Rank),
    ]
    return max([at - since for since in waiting if since is not None and since < at], default=timedelta(0))


def parked_count() -> int:
    """Deliveries that were given up and wait for a person."""
    return Delivery.objects.filter(state=Delivery.State.PARKED).count()


def audit_events(*, at: datetime) -> dict[str, Findings]:
    """News that somebody should have heard and has not: given up, or due for longer than OVERDUE."""
    return {
        "parked_deliveries": find(
            "SELECT d.id, e.kind, d.subscriber, d.last_error FROM events_delivery d"
            " LEFT JOIN events_event e ON e.id = d.event_id WHERE d.state = 'parked'"
        ),
        "overdue_deliveries": find(
            "SELECT d.id, e.kind, d.subscriber, d.not_before FROM events_delivery d"
            " LEFT JOIN events_event e ON e.id = d.event_id WHERE d.state = 'pending' AND d.not_before < %s",
            at - OVERDUE,
        ),
        "overdue_events": find(
            "SELECT id, kind, occurred_at FROM events_event WHERE fanned_out_at IS NULL AND occurred_at < %s",
            at - OVERDUE,
        ),
    }
