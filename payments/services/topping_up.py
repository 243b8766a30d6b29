"""Top-ups: money that goes to the member's wallet."""

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from accounts.models import User
from audit.services import run_once
from common import clock
from common.locks import lock_name
from common.money import ZERO
from payments.bonuses import best_of, rules_for
from payments.exceptions import BadTopUpAmount, TooManyTopUps
from payments.models import TopUp
from tenancy.models import Storefront

MAX_UNPAID = 5


def place_top_up(
    *, user: User, storefront: Storefront, amount: Decimal, idempotency_key: str, repays_credit: bool = False
) -> TopUp:
    """A top-up to be paid, once per (user, key), with the gift that is promised for it. Raises BadTopUpAmount, TooManyTopUps, KeyReused."""
    low, high = settings.TOP_UP_LIMITS
    if not low <= amount <= high:
        raise BadTopUpAmount(min=low, max=high)
    with transaction.atomic():
        at = clock.now()

        def run() -> int:
            # Parallel requests of one member count each other.
            lock_name(f"top-up:{user.pk}")
            unpaid = TopUp.objects.filter(user=user, state=TopUp.State.UNPAID, pay_deadline__gt=at)
            if unpaid.count() >= MAX_UNPAID:
                raise TooManyTopUps
            deadline = at + timedelta(minutes=settings.ORDER_PAY_MINUTES)
            # What pays a debt brings no gift.
            promised = None if repays_credit else best_of(rules_for(user, storefront.pk, at), amount)
            return TopUp.objects.create(
                user=user,
                storefront=storefront,
                amount=amount,
                bonus_rule=promised.rule if promised else None,
                bonus=promised.amount if promised else ZERO,
                repays_credit=repays_credit,
                placed_at=at,
                pay_deadline=deadline,
            ).pk

        top_up_id, _new = run_once(
            act="top-up",
            caller=f"user:{user.pk}",
            key=idempotency_key,
            request={"amount": str(amount), **({"repays_credit": True} if repays_credit else {})},
            at=at,
            run=run,
        )
        return TopUp.objects.get(pk=top_up_id)


def close_due_top_ups() -> int:
    """Close unpaid top-ups past their deadline; money that comes later still counts. Returns how many."""
    due = TopUp.objects.filter(state=TopUp.State.UNPAID, pay_deadline__lte=clock.now())
    return due.update(state=TopUp.State.CLOSED)
