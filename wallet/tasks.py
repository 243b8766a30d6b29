from celery import shared_task

from wallet import services


@shared_task
def expire_cards() -> int:
    """Daily: cards past their last moment are marked as such."""
    return services.expire_cards()


@shared_task
def drop_taken_codes() -> int:
    """Codes of cards that were downloaded are kept for a while, in case the download broke off."""
    return services.drop_taken_codes()


@shared_task
def tend_credit_lines() -> None:
    """Daily: members are warned of what is due, overdue lines are frozen."""
    services.tend_credit_lines()
