from celery import shared_task

from common import clock
from marketing import services


@shared_task
def give_birthday_gifts() -> None:
    """Hourly: whoever says their birthday today gets the gift today."""
    services.give_birthday_gifts(at=clock.now())
