from celery import shared_task

from accounts.services import locking, privacy


@shared_task
def forget_old_tries() -> int:
    return locking.forget_old_tries()


@shared_task
def make_export(export_id: int) -> None:
    privacy.make_export(export_id=export_id)


@shared_task
def resume_exports() -> int:
    """Every minute: copies of somebody's data whose worker was lost."""
    return privacy.resume_exports()


@shared_task
def erase_due() -> int:
    """Hourly: accounts whose owners wished to be forgotten a week ago."""
    return privacy.erase_due()
