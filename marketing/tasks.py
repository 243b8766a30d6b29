from datetime import date

from celery import shared_task

from accounts.models import User
from common import clock
from marketing import services


@shared_task
def give_birthday_gifts() -> None:
    """Hourly: whoever says their birthday today gets the gift today."""
    services.give_birthday_gifts(at=clock.now())


@shared_task
def pay_due_rebates() -> None:
    """Daily: refunds of settled months are taken into account, and months whose day of payment has come are paid."""
    services.pay_due_rebates(at=clock.now())


@shared_task
def pay_rebates(month: str, actor_id: int) -> None:
    """Asked for by staff, for a month such as 2026-10-01. Whoever has theirs is passed by."""
    services.pay_rebates(month=date.fromisoformat(month), at=clock.now(), actor=User.objects.get(pk=actor_id))
