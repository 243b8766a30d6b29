"""What staff do by hand: confirm where a gateway cannot be asked, assign money that nobody expected."""

from decimal import Decimal
from typing import Any

from accounts.models import User
from audit.services import record
from common import clock
from common.persons import require_another
from orders.exceptions import OrderNotFound
from orders.models import Order
from orders.services import PaymentOutcome, receive_payment
from payments.exceptions import FactsNeeded, MoreThanAsked
from payments.models import PaymentAttempt
from payments.purposes import owner_of
from payments.selectors import unclaimed_amount
from payments.services.applying import apply_payment
from payments.services.reasons import reason_about
from payments.services.unclaimed import assign_ref, channel_of, locked_unclaimed
from wallet.models import Account, ByHand, Transfer
from wallet.services import Posting, Word, by_hand, post, shop_account, user_wallet

CONFIRM, ASSIGN = "payments.confirm", "payments.assign"


def confirm_payment(
    *, attempt_id: int, provider_txn: str, amount: Decimal, reason: str, actor: User, address: str | None = None
) -> bool:
    """Book money that staff saw in the gateway's own console, the same way as a notify would; returns False when it was
    booked before. Writes an audit entry.

    What is more than was asked for is not taken on anybody's word: it is unexpected, and goes back in the gateway's console.
    Raises FactsNeeded, MoreThanAsked, OwnMatter, SecondPersonNeeded, TransactionTaken.
    """
    reason, provider_txn = reason.strip(), provider_txn.strip()
    if not reason or not provider_txn or amount <= 0:
        raise FactsNeeded
    attempt = PaymentAttempt.objects.select_related("order", "top_up").get(pk=attempt_id)
    require_another(actor, owner_of(attempt))
    reason = reason_about(reason, attempt.order_id)
    if amount > attempt.amount:
        raise MoreThanAsked(asked=attempt.amount)
    ref = f"confirm:{attempt.channel_id}:{provider_txn}"[:100]
    who = {"actor": actor, "owner_id": owner_of(attempt), "address": address}
    with by_hand(Word(ByHand.Act.CONFIRM, attempt, amount, ref=ref, reason=reason, **who)):
        new = apply_payment(attempt_id=attempt_id, provider_txn=provider_txn, amount=amount)
        if new:
            record(
                action=CONFIRM,
                at=clock.now(),
                actor=actor,
                target=PaymentAttempt.objects.get(pk=attempt_id),
                detail={"provider_txn": provider_txn, "amount": str(amount), "reason": reason},
                address=address,
            )
    return new


def assign_to_member(*, transfer_id: int, user_id: int, reason: str, actor: User, address: str | None = None) -> None:
    """Move gateway money that nobody expected into a member's wallet, with an audit entry.

    Locks the transfer that booked it, then the wallet. Raises ReasonNeeded, OwnMatter, SecondPersonNeeded, AlreadyAssigned.
    """
    reason = reason_about(reason, None)
    require_another(actor, user_id)
    with by_hand(_assigning(transfer_id, reason, actor=actor, owner_id=user_id, address=address)):
        at = clock.now()
        transfer = locked_unclaimed(transfer_id)
        amount, user = unclaimed_amount(transfer), User.objects.get(pk=user_id)
        legs = [Posting(shop_account(Account.Purpose.UNCLAIMED), -amount), Posting(user_wallet(user.pk), amount)]
        ref = assign_ref(transfer.pk)
        post(ref=ref, kind=Transfer.Kind.ASSIGNED, postings=legs, at=at, memo=transfer.memo, actor=actor)
        detail = {"amount": str(amount), "member": user.pk, "reason": reason}
        record(action=ASSIGN, at=at, actor=actor, target=transfer, detail=detail, address=address)


def assign_to_order(
    *, transfer_id: int, order_id: int, reason: str, actor: User, address: str | None = None
) -> PaymentOutcome:
    """Let gateway money that nobody expected pay an order, as if it had just come in for it, with an audit entry.

    Locks the transfer that booked it, then what `receive_payment` locks. Raises ReasonNeeded, OwnMatter,
    SecondPersonNeeded, AlreadyAssigned, OrderNotFound.
    """
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound
    reason = reason_about(reason, order.pk)
    require_another(actor, order.buyer_id)
    who = {"actor": actor, "owner_id": order.buyer_id, "address": address}
    with by_hand(_assigning(transfer_id, reason, order=order.number, **who)):
        at = clock.now()
        transfer = locked_unclaimed(transfer_id)
        amount = unclaimed_amount(transfer)
        outcome = receive_payment(
            order_id=order_id,
            amount=amount,
            channel=channel_of(transfer).code,
            ref=assign_ref(transfer.pk),
            at=at,
            source=shop_account(Account.Purpose.UNCLAIMED),
        )
        detail = {"amount": str(amount), "order": order.number, "reason": reason}
        record(action=ASSIGN, at=at, actor=actor, target=transfer, detail=detail, address=address)
    return outcome


def _assigning(transfer_id: int, reason: str, **more: Any) -> Word:
    transfer = Transfer.objects.get(pk=transfer_id)
    ref, amount = f"assign:{transfer.pk}", unclaimed_amount(transfer)
    return Word(ByHand.Act.ASSIGN, transfer, amount, ref=ref, reason=reason, **more)
