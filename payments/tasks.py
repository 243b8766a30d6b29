from celery import shared_task

from payments import services


@shared_task
def ask_attempt(attempt_id: int) -> str:
    """After a notify that the gateway did not confirm at once."""
    return services.ask_attempt(attempt_id=attempt_id)


@shared_task
def ask_due_attempts() -> int:
    """Every 15 seconds: ask about open attempts whose notify may have been lost."""
    return services.ask_due_attempts()


@shared_task
def push_refund(refund_id: int) -> str:
    """After a refund was asked for."""
    return services.push_refund(refund_id=refund_id)


@shared_task
def push_due_refunds() -> int:
    """Every 15 seconds: refunds that nobody told the gateway of, or whose result is not known."""
    return services.push_due_refunds()


@shared_task
def fetch_keys(channel_id: int) -> int:
    """After a signature by a key that is not known, or a change of the channel."""
    return services.fetch_keys(channel_id=channel_id)


@shared_task
def fetch_due_keys() -> int:
    """Every ten minutes: keys of gateways that change them, when they are half a day old."""
    return services.fetch_due_keys()


@shared_task
def close_due_attempts() -> int:
    """Every 15 seconds: what shall not be paid any more is closed at its gateway."""
    return services.close_due_attempts()


@shared_task
def sweep_notifies() -> int:
    """Every minute: notifies whose process died."""
    return services.sweep_notifies()


@shared_task
def close_due_top_ups() -> int:
    return services.close_due_top_ups()


@shared_task
def forget_old_notifies() -> int:
    """Nightly."""
    return services.forget_old_notifies()
