from celery import shared_task

from common import clock
from insights import services


@shared_task
def run_win_back() -> None:
    """Nightly: who stays away, why, and what is done about it."""
    services.run_win_back(at=clock.now())
