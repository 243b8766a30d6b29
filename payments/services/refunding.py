"""Money goes back the way it came: which attempts give it, telling the gateways, and what they answered.

Attempts are locked before orders; a refund's own row is locked before its order. Nothing talks to a gateway inside a
transaction: the number is stored and committed, then the gateway is told, then one transaction writes what it said.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Coalesce

from accounts.models import User
from audit.services import record
from common import clock
from common.ids import refund_number
from common.locks import lock, lock_one
from common.money import ZERO
from common.persons import require_another
from common.queue import send
from events.contracts import RefundSettled
from events.services import emit
from orders.models import OrderRefund
from orders.services import credit_instead, note_returned
from payments import exceptions
from payments.bonuses import due_back, give_again, lock_gift, take_back
from payments.exceptions import NotReturnable
from payments.gateways import YUAN, currency_of, foreign_of, kind_of, provider_of
from payments.models import PaymentAttempt, Refund, RefundMove
from payments.providers import Outcome, Refunded
from payments.purposes import owner_account, owner_of
from payments.selectors import paid_attempts, returnable, share_out, unclaimed_amount
from payments.services.reasons import reason_about
from payments.services.unclaimed import channel_of, locked_unclaimed
from wallet.models import Account, ByHand
from wallet.services import Word, by_hand, fall_back, return_to_channel, send_back, shop_account

logger = logging.getLogger(__name__)
State = Refund.State
SEND_BACK, SETTLE = "payments.send_back", "payments.settle_refund"
# A caller that has not come back by now was killed; the gateway is asked whether it had told it.
CALL_LIMIT = timedelta(seconds=30)
SHORTEST_GAP, LONGEST_GAP = timedelta(seconds=30), timedelta(hours=6)
# Banks take days; after this it is left to staff.
GIVE_UP_AFTER = timedelta(days=10)
# Unanswered calls in a row after which a channel is left alone for this round.
PATIENCE = 5


def begin_refund(*, refund_id: int) -> list[Refund]:
    """Turn an order's refund by the original route into refunds of the attempts that paid; what none of them can give is
    the buyer's in the shop at once. Repeated, it changes nothing.

    Locks the attempts, the order, the account. Calls nobody: workers do, after the commit.
    """
    with transaction.atomic():
        at = clock.now()
        wanted = OrderRefund.objects.select_related("order").get(pk=refund_id)
        attempts = lock(paid_attempts(wanted.order_id))
        if wanted.state != OrderRefund.State.PENDING or wanted.parts.exists():
            return list(wanted.parts.all())
        parts = share_out(attempts, wanted.amount)
        made = [
            _create(attempt, amount, ref=f"order:{wanted.pk}:{attempt.pk}", at=at, order_refund=wanted)
            for attempt, amount in parts
        ]
        rest = wanted.amount - sum((part.amount for part in made), ZERO)
        if rest:
            credit_instead(refund_id=wanted.pk, amount=rest, ref=f"refund-back:order:{wanted.pk}", at=at)
        _nudge(made)
    return made


def return_payment(
    *, attempt_id: int, amount: Decimal, reason: str, ref: str, actor: User, address: str | None = None
) -> Refund:
    """Send money that came through an attempt and paid for nothing (too much, too late, a top-up, refunded into the shop)
    back to its payer, out of the wallet or the guest's order where it lies; once per `ref`, with an audit entry.

    What goes back of the payment that brought a gift takes its share of that along. Locks the attempt, the top-up and its
    gift, then the account. Raises ReasonNeeded, OwnMatter, NotReturnable, InsufficientBalance.
    """
    with transaction.atomic():
        at = clock.now()
        attempt = lock_one(PaymentAttempt.objects.select_related("channel", "order", "top_up").filter(pk=attempt_id))
        reason = reason_about(reason, attempt.order_id, most=150)
        require_another(actor, owner_of(attempt))
        known = Refund.objects.filter(ref=ref).first()
        if known is not None:
            return known
        grant = None
        if attempt.top_up is not None:
            grant = lock_gift(attempt.top_up)
            attempt.top_up.refresh_from_db()
        left = returnable(attempt)
        if not ZERO < amount <= left:
            raise NotReturnable(left=left)
        bonus = due_back(grant, amount, attempt_id=attempt.pk)
        made = _create(attempt, amount, ref=ref, at=at, actor=actor, reason=reason, bonus=bonus)
        if bonus:
            take_back(grant, bonus, ref=gift_ref(made), memo=reason, at=at)
        send_back(
            source=owner_account(attempt),
            amount=amount,
            ref=f"sent-back:{made.number}",
            at=at,
            memo=_memo(attempt),
            actor=actor,
        )
        detail = {"amount": str(amount), "refund": made.number, "reason": reason}
        if bonus:
            detail["bonus"] = str(bonus)
        record(action=SEND_BACK, at=at, actor=actor, target=attempt, detail=detail, address=address)
        _nudge([made])
    return made


def return_unclaimed(*, transfer_id: int, reason: str, actor: User, address: str | None = None) -> Refund:
    """Send gateway money that nobody expected back to whoever paid it, whole, with an audit entry. What the gateway refuses
    lies where it lay, to be assigned or sent anew.

    Locks the transfer that booked it. Raises ReasonNeeded, AlreadyAssigned, also for money on its way back or returned,
    NotReturnable where its gateway takes nothing back, and for foreign money.
    """
    reason = reason_about(reason, None, most=150)
    with transaction.atomic():
        at = clock.now()
        transfer = locked_unclaimed(transfer_id)
        amount, channel, txn = unclaimed_amount(transfer), channel_of(transfer), transfer.ref.split(":", 2)[2]
        if not kind_of(channel).can_refund or currency_of(channel) != YUAN:
            # Of foreign money nobody stored what was charged.
            raise NotReturnable(left=ZERO)
        # One number at a time is told of the same money; after a refusal there may be another.
        tries = Refund.objects.filter(transfer_id=transfer.pk).count()
        told = {"transfer_id": transfer.pk, "channel": channel, "paid_number": transfer.memo, "paid_txn": txn}
        ref = f"unclaimed:{transfer.pk}:{tries + 1}"
        made = _create(None, amount, ref=ref, at=at, actor=actor, reason=reason, **told)
        send_back(
            source=shop_account(Account.Purpose.UNCLAIMED),
            amount=amount,
            ref=f"sent-back:{made.number}",
            at=at,
            memo=transfer.memo,
            actor=actor,
        )
        detail = {"amount": str(amount), "refund": made.number, "reason": reason}
        record(action=SEND_BACK, at=at, actor=actor, target=transfer, detail=detail, address=address)
        _nudge([made])
    return made


def _create(
    attempt: PaymentAttempt | None,
    amount: Decimal,
    *,
    ref: str,
    at: datetime,
    order_refund: OrderRefund | None = None,
    actor: User | None = None,
    reason: str = "",
    **told: Any,
) -> Refund:
    actor_id = actor.pk if actor else order_refund.actor_id if order_refund else None
    made = Refund.objects.create(
        **told,
        number=refund_number(at),
        ref=ref,
        attempt=attempt,
        order_refund=order_refund,
        amount=amount,
        reason=reason or (order_refund.reason if order_refund else ""),
        actor_id=actor_id,
        created_at=at,
        ask_at=at,
    )
    RefundMove.objects.create(refund=made, to_state=State.CREATED, actor_id=actor_id, at=at)
    return made


def _nudge(made: Sequence[Refund]) -> None:
    for refund in made:
        transaction.on_commit(partial(send, "payments.tasks.push_refund", refund.pk))


def push_refund(*, refund_id: int) -> str:
    """Tell the gateway of a refund, or ask it what became of it; write down the answer and return the state.

    One that is not known there is sent again, under the same number. Network; no transaction may be open.
    """
    refund = Refund.objects.select_related("attempt__channel", "channel").get(pk=refund_id)
    if refund.state not in Refund.OPEN:
        return refund.state
    provider = provider_of(refund.gateway)
    told = {
        "number": refund.payment_number,
        "provider_txn": refund.payment_txn,
        "refund_number": refund.number,
    }
    if refund.state != State.CREATED:
        if refund.state == State.SENT and clock.now() < refund.sent_at + CALL_LIMIT:
            return refund.state  # the call is under way
        answer = provider.query_refund(**told)
        if not (answer.missing and refund.state == State.UNKNOWN):
            return _store(refund.pk, answer)
    if not _claim(refund):
        return Refund.objects.get(pk=refund.pk).state
    answer = provider.refund(**told, amount=refund.amount, foreign=foreign_of(refund.attempt))
    return _store(refund.pk, answer)


def _claim(refund: Refund) -> bool:
    """Whether this process makes the call; committed before it."""
    with transaction.atomic():
        at = clock.now()
        fresh = lock_one(Refund.objects.filter(pk=refund.pk))
        if fresh.state != refund.state:
            return False
        fresh.sent_at, fresh.ask_at = at, at + CALL_LIMIT
        _move(fresh, State.SENT, at=at, fields=["sent_at", "ask_at"])
    return True


def _store(refund_id: int, answer: Refunded) -> str:
    """Write down what the gateway answered, unless another answer was faster. Locks the refund, the order, the account."""
    with transaction.atomic():
        at = clock.now()
        refund = _locked(refund_id)
        if refund.state not in Refund.OPEN:
            return refund.state
        refund.provider_refund = answer.provider_refund or refund.provider_refund
        refund.last_error = answer.reason[:200]
        if answer.outcome == Outcome.UNKNOWN:
            _go_on_asking(refund, at)
        else:
            _settle(refund, done=answer.outcome == Outcome.DONE, at=at, note=answer.reason)
    return refund.state


def _go_on_asking(refund: Refund, at: datetime) -> None:
    refund.asked_count = min(refund.asked_count + 1, 1000)
    gap = min(SHORTEST_GAP * 2 ** min(refund.asked_count - 1, 20), LONGEST_GAP)
    refund.ask_at = at + gap if at < refund.created_at + GIVE_UP_AFTER else None
    fields = ["provider_refund", "last_error", "asked_count", "ask_at"]
    if refund.state == State.UNKNOWN:
        refund.save(update_fields=fields)
    else:
        _move(refund, State.UNKNOWN, at=at, fields=fields, note=refund.last_error)


def settle_refund(*, refund_id: int, done: bool, reason: str, actor: User, address: str | None = None) -> Refund:
    """Staff saw in the gateway's own console what became of a refund that it does not tell; with an audit entry.

    `done` False gives the money to its buyer in the shop. Locks the refund, the order, the account. Raises ReasonNeeded,
    OwnMatter, SecondPersonNeeded, RefundSettled when there is a result already, or a call under way.
    """
    known = Refund.objects.select_related("attempt__order", "attempt__top_up").get(pk=refund_id)
    reason = reason_about(reason, known.attempt.order_id if known.attempt else None, most=150)
    owner_id = owner_of(known.attempt) if known.attempt else None
    require_another(actor, owner_id)
    to = State.DONE if done else State.REFUSED
    _require_open(known, to)
    act = ByHand.Act.REFUND_DONE if done else ByHand.Act.REFUND_REFUSED
    # A gift that went along with it comes back with it.
    amount = known.amount if done else known.amount + known.bonus
    order = known.attempt.order.number if known.attempt and known.attempt.order else ""
    who = {"actor": actor, "owner_id": owner_id, "order": order, "address": address}
    with by_hand(Word(act, known, amount, ref=f"settle:{known.number}", reason=reason, **who)):
        at = clock.now()
        refund = _locked(refund_id)
        _require_open(refund, to)
        _settle(refund, done=done, at=at, note=reason, actor=actor)
        detail = {"amount": str(refund.amount), "result": str(to), "reason": reason}
        record(action=SETTLE, at=at, actor=actor, target=refund, detail=detail, address=address)
    return refund


def _require_open(refund: Refund, to: str) -> None:
    if refund.state == State.SENT or to not in Refund.MOVES[State(refund.state)]:
        raise exceptions.RefundSettled


def _locked(refund_id: int) -> Refund:
    related = ("attempt__channel", "attempt__order", "attempt__top_up", "order_refund", "channel")
    return lock_one(Refund.objects.select_related(*related).filter(pk=refund_id))


def _settle(refund: Refund, *, done: bool, at: datetime, note: str, actor: User | None = None) -> None:
    """The money arrived at the payer, or stays with the buyer in the shop."""
    refund.settled_at, refund.ask_at = at, None
    fields = ["settled_at", "ask_at", "provider_refund", "last_error"]
    _move(refund, State.DONE if done else State.REFUSED, at=at, fields=fields, note=note, actor=actor)
    channel, amount = refund.gateway.code, refund.amount
    ref = f"refund-out:{refund.number}" if done else f"refund-back:{refund.number}"
    if refund.order_refund_id is not None:
        if done:
            note_returned(refund_id=refund.order_refund_id, amount=amount, channel=channel, ref=ref, at=at)
        else:
            credit_instead(refund_id=refund.order_refund_id, amount=amount, ref=ref, at=at, note=refund.number)
        return
    attempt = refund.attempt
    memo = _memo(attempt) if attempt else refund.paid_number
    if done:
        return_to_channel(channel=channel, amount=amount, ref=ref, at=at, memo=memo)
    elif attempt is None:
        fall_back(to=shop_account(Account.Purpose.UNCLAIMED), amount=amount, ref=ref, at=at, memo=memo)
    else:
        grant = lock_gift(attempt.top_up) if refund.bonus else None
        fall_back(to=owner_account(attempt), amount=amount, ref=ref, at=at, memo=memo, was_sold=False)
        if grant is not None:
            give_again(grant, refund.bonus, ref=gift_ref(refund), at=at)
    if attempt is not None:
        _tell(refund, done=done, at=at)


def gift_ref(refund: Refund) -> str:
    """The ledger's reference of what was taken back of a gift with this refund."""
    return f"bonus_back:{refund.number}"


def _tell(refund: Refund, *, done: bool, at: datetime) -> None:
    attempt = refund.attempt
    settled = RefundSettled(
        ref=refund.number,
        order_id=attempt.order_id,
        user_id=owner_of(attempt),
        number=_memo(attempt),
        returned=refund.amount if done else ZERO,
        credited=ZERO if done else refund.amount,
        settled_at=at,
    )
    emit(settled, at=at)


def _move(
    refund: Refund, to: str, *, at: datetime, fields: Sequence[str], note: str = "", actor: User | None = None
) -> None:
    """Move a locked refund together with other columns; writes the history row. Raises RefundSettled for no legal move."""
    came_from = refund.state
    if to not in Refund.MOVES[State(came_from)]:
        raise exceptions.RefundSettled
    refund.state = to
    refund.save(update_fields=["state", *fields])
    actor_id = actor.pk if actor else None
    RefundMove.objects.create(
        refund=refund, from_state=came_from, to_state=to, actor_id=actor_id, note=note[:200], at=at
    )


def _memo(attempt: PaymentAttempt) -> str:
    """What the buyer knows the payment by: the order's number, or the payment's."""
    return attempt.order.number if attempt.order else attempt.number


def push_due_refunds(*, limit: int = 100) -> int:
    """Tell of or ask about what is due; returns how many are settled now. A channel that does not answer, or a refund that
    cannot be told of, does not hold up the others.
    """
    due = Refund.objects.filter(ask_at__lte=clock.now()).order_by("ask_at")
    silent: dict[int, int] = {}
    settled = 0
    channels = Coalesce("attempt__channel_id", "channel_id")
    for refund_id, channel_id, ask_at in list(due.values_list("pk", channels, "ask_at")[:limit]):
        # A round that takes long is overtaken by the next: whoever moves the time goes on.
        mine = Refund.objects.filter(pk=refund_id, ask_at=ask_at)
        if silent.get(channel_id, 0) >= PATIENCE or not mine.update(ask_at=clock.now() + CALL_LIMIT):
            continue
        if _pushed_safely(refund_id) in Refund.OPEN:
            silent[channel_id] = silent.get(channel_id, 0) + 1
        else:
            silent[channel_id] = 0
            settled += 1
    return settled


def _pushed_safely(refund_id: int) -> str:
    try:
        return push_refund(refund_id=refund_id)
    except Exception:
        # Such as credentials that no longer open: staff reads the log, the others go on.
        logger.exception("cannot push refund %s", refund_id)
        Refund.objects.filter(pk=refund_id, ask_at__isnull=False).update(ask_at=clock.now() + SHORTEST_GAP)
        return State.UNKNOWN
