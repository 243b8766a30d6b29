from celery import shared_task

from catalog.services import figures, importing, ratings


@shared_task
def check_key_batch(batch_id: int) -> None:
    importing.check_batch(batch_id=batch_id)


@shared_task
def import_key_batch(batch_id: int) -> None:
    importing.import_batch(batch_id=batch_id)


@shared_task
def resume_key_batches() -> int:
    """Every minute: take up checks and imports whose worker was lost."""
    return importing.resume_stalled()


@shared_task
def drop_unconfirmed_batches() -> int:
    return importing.drop_unconfirmed()


@shared_task
def refresh_stock_figures() -> int:
    """Every minute: exact figures for lists, and low stock told."""
    return figures.refresh_figures()


@shared_task
def refresh_ratings() -> int:
    """Nightly: every rating counted anew, should one ever be off."""
    return ratings.refresh_ratings()
