from celery import shared_task

from common.queue import send
from orders import services

SETTLED_AT_ONCE = 500


@shared_task
def expire_due_orders() -> int:
    return services.expire_due()


@shared_task
def refund_overdue_short_lines() -> int:
    return services.refund_overdue_short()


@shared_task
def settle_due_lines() -> int:
    """Goes on at once while there are more."""
    settled = services.settle_due(limit=SETTLED_AT_ONCE)
    if settled == SETTLED_AT_ONCE:
        send(settle_due_lines.name)
    return settled


@shared_task
def go_on_with_disputes() -> int:
    """Serves what waits for stock before its time is judged."""
    return services.serve_restocked() + services.sweep_disputes()
