from celery import shared_task

from audit import services


@shared_task
def forget_old_idempotency_keys() -> int:
    return services.forget_old_keys()


@shared_task
def forget_unused_allowances() -> int:
    return services.forget_unused_allowances()
