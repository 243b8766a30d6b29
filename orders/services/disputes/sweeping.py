"""What happens to cases by time: silence goes on to the next one, what waits for stock is served or paid back."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import F, Q

from catalog.exceptions import OutOfStock
from common import clock
from common.money import ZERO
from common.sweeps import safely
from events.contracts import DisputeOverdue
from events.services import emit
from orders.models import Dispute
from orders.services.dispute_moves import Party, State, locked_dispute, move_dispute
from orders.services.disputes.buying import take_money_instead
from orders.services.disputes.deciding import after, give_anew, restockable, tell_decided


def sweep_disputes(*, limit: int = 500) -> int:
    """Go on with cases whose deadline has passed, each in a transaction of its own; returns how many.

    A seller who did not answer leaves it to the operator; a decision that was not appealed is final; what waited for stock
    too long is paid back; of an operator who is late, staff are told once. One that fails stops no other.
    """
    untold = Q(told_of=None) | ~Q(told_of=F("due_at"))
    due = Dispute.objects.filter(Q(state__in=[State.SELLER, State.DECIDED, State.RESTOCK]) | untold)
    ids = list(due.filter(due_at__lte=clock.now()).order_by("due_at").values_list("pk", flat=True)[:limit])
    return sum(_tried(_go_on, dispute_id) for dispute_id in ids)


def serve_restocked(*, limit: int = 200) -> int:
    """Replace what waits for stock and can be replaced by now, first come first served; returns how many cases."""
    ids = Dispute.objects.filter(state=State.RESTOCK).order_by("opened_at", "pk").values_list("pk", flat=True)
    return sum(_tried(_serve, dispute_id) for dispute_id in list(ids[:limit]))


def _tried(act: Callable[[int], int], dispute_id: int) -> int:
    return safely(partial(act, dispute_id), "go on with dispute", dispute_id, failed=0)


def _go_on(dispute_id: int) -> int:
    """Judged again under the lock: 0 when somebody else went on with it meanwhile."""
    with transaction.atomic():
        at = clock.now()
        dispute = locked_dispute(dispute_id)
        if dispute.due_at is None or dispute.due_at > at:
            return 0
        if dispute.state == State.SELLER:
            move_dispute(dispute, State.OPERATOR, at=at, cause="seller_silent", party=Party.SYSTEM)
        elif dispute.state == State.DECIDED:
            move_dispute(dispute, State.CLOSED, at=at, cause="appeal_time_over", party=Party.SYSTEM)
        elif dispute.state == State.RESTOCK:
            take_money_instead(dispute_id=dispute_id, party=Party.SYSTEM, cause="restock_time_over")
        elif dispute.told_of != dispute.due_at:
            _tell_late(dispute, at)
        else:
            return 0
    return 1


def _tell_late(dispute: Dispute, at: datetime) -> None:
    Dispute.objects.filter(pk=dispute.pk).update(told_of=dispute.due_at)
    overdue = DisputeOverdue(
        dispute_id=dispute.pk,
        order_id=dispute.order_id,
        storefront_id=dispute.order.storefront_id,
        number=dispute.number,
        appeal=dispute.state == State.APPEALED,
        decided_by_id=dispute.decided_by_id,
        due_at=dispute.due_at,
        noticed_at=at,
    )
    emit(overdue, at=at)


def _serve(dispute_id: int) -> int:
    with transaction.atomic():
        at = clock.now()
        dispute = locked_dispute(dispute_id)
        if dispute.state != State.RESTOCK or not restockable(dispute):
            return 0
        try:
            give_anew(dispute, at=at, actor=None)
        except OutOfStock:
            return 0
        move_dispute(
            dispute,
            after(dispute),
            at=at,
            cause="restocked",
            party=Party.SYSTEM,
            told=Dispute.Outcome.REPLACE,
        )
        tell_decided(dispute, dispute.outcome, ZERO, at=at)
    return 1
