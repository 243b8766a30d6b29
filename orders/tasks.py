from celery import shared_task

from orders import services


@shared_task
def expire_due_orders() -> int:
    return services.expire_due()


@shared_task
def refund_overdue_short_lines() -> int:
    return services.refund_overdue_short()


@shared_task
def settle_due_lines() -> int:
    return services.settle_due()
