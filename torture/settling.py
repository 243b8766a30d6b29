"""Whether everything has come to rest: all news told, all money that the gateway holds for us booked."""

import time
from collections.abc import Callable

from django.db import connection

from events.models import Delivery, Event
from payments.models import PaymentAttempt
from torture.gateway import Gateway

# What the promise is.
SECONDS = 60.0


def restless() -> str:
    """What is not done yet; "" when all is."""
    untold = Event.objects.filter(fanned_out_at=None).count()
    undone = Delivery.objects.exclude(state=Delivery.State.DONE).count()
    said = f"{untold} events untold, " if untold else ""
    if undone:
        errors = Delivery.objects.exclude(state=Delivery.State.DONE).values_list("subscriber", "last_error")[:3]
        said += f"{undone} deliveries undone such as {list(errors)}"
    return said


def unbooked(gateway: Gateway) -> list[str]:
    """Numbers of payments that the gateway has and we have not."""
    paid = {one["out_trade_no"] for one in gateway.orders() if one["status"] == 1}
    booked = PaymentAttempt.objects.filter(state=PaymentAttempt.State.PAID).values_list("number", flat=True)
    return sorted(paid - set(booked))


def unbooked_of(gateway: Gateway, since: int) -> list[str]:
    """The same of our own attempts from this one on: a gateway has many payments when a shop is old."""
    open_ = PaymentAttempt.objects.filter(pk__gte=since).exclude(state=PaymentAttempt.State.PAID)
    numbers = open_.values_list("number", flat=True)
    return [number for number in numbers if (known := gateway.order(number)) and known["status"] == 1]


def wait(
    gateway: Gateway | None = None,
    seconds: float = SECONDS,
    since: int = 0,
    meanwhile: Callable[[], bool] = lambda: False,
) -> tuple[float, str]:
    """(seconds until all was at rest, what was not by then). `since`: the first attempt that is looked at, 0 for all.

    `meanwhile` does what a supervisor does; when it had to start something, the time that is allowed begins anew.
    """
    began = given = time.monotonic()
    while True:
        left = _look(gateway, since)
        now = time.monotonic()
        if not left or now - given > seconds:
            return now - began, left
        if meanwhile():
            given = time.monotonic()
        time.sleep(0.05)


def _look(gateway: Gateway | None, since: int) -> str:
    try:
        left = restless()
        missing = []
        if gateway is not None and not left:
            missing = unbooked_of(gateway, since) if since else unbooked(gateway)
    except Exception as error:
        # The database itself may be on its way up.
        connection.close()
        return f"{type(error).__name__}: {error}"
    return left or (f"not booked: {missing[:3]}" if missing else "")
