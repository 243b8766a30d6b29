"""Complaints: what became of them, and whose turn it is."""

from datetime import datetime

from django.urls import reverse

from accounts.selectors import staff_with
from common import clock
from events.contracts import DisputeAsked, DisputeDecided, DisputeOpened, DisputeOverdue
from events.registry import subscribe
from notifications import services
from notifications.handlers.buyers import tell_buyer
from notifications.models import Kind
from orders.models import Dispute


def tell_of_dispute(
    dispute_id: int, *, ref: str, kind: Kind, at: datetime, until: datetime | None = None, **params: str
) -> None:
    dispute = Dispute.objects.select_related("order").get(pk=dispute_id)
    params |= {"number": dispute.number}
    if until is not None:
        params["until"] = clock.minute_text(until)
    link = reverse("shop:dispute", args=[dispute.public_id])
    tell_buyer(dispute.order, ref=f"dispute:{dispute_id}:{ref}", kind=kind, params=params, link=link, at=at)


@subscribe(DisputeOpened, "notifications.dispute_opened")
def dispute_opened(event: DisputeOpened, *, at: datetime) -> None:
    tell_of_dispute(event.dispute_id, ref="opened", kind=Kind.DISPUTE_OPENED, at=at, until=event.due_at)


@subscribe(DisputeAsked, "notifications.dispute_asked")
def dispute_asked(event: DisputeAsked, *, at: datetime) -> None:
    tell_of_dispute(event.dispute_id, ref=f"asked:{event.move_id}", kind=Kind.DISPUTE_ASKED, at=at)


DECIDED = {
    "replace": Kind.DISPUTE_REPLACED,
    "refund": Kind.DISPUTE_REFUNDED,
    "partial": Kind.DISPUTE_REFUNDED,
    "reject": Kind.DISPUTE_REJECTED,
}


@subscribe(DisputeDecided, "notifications.dispute_decided")
def dispute_decided(event: DisputeDecided, *, at: datetime) -> None:
    tell_of_dispute(
        event.dispute_id,
        ref=f"decided:{event.move_id}",
        kind=Kind.DISPUTE_WAITS if event.waits else DECIDED[event.told],
        at=at,
        until=event.appeal_until,
        amount=str(event.amount),
    )


@subscribe(DisputeOverdue, "notifications.dispute_overdue")
def dispute_overdue(event: DisputeOverdue, *, at: datetime) -> None:
    """Whoever may decide it reads it in the inbox: of an appeal now also who decided first."""
    deciders = staff_with("orders.decide_dispute")
    services.tell_many(
        services.Note(
            ref=f"dispute:{event.dispute_id}:late:{event.due_at.isoformat()}:{user_id}",
            user_id=user_id,
            kind=Kind.DISPUTE_OVERDUE,
            params={"number": event.number},
            link=reverse("admin:orders_dispute_change", args=[event.dispute_id]),
            at=at,
        )
        for user_id in deciders.values_list("pk", flat=True)
    )
