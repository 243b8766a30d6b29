"""The way out for money that an order owes its guest: into a member's wallet, or paid by hand outside the shop."""

from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import User
from audit.services import record
from common import clock
from common.money import ZERO
from common.persons import require_another
from common.reasons import read_reason
from orders.exceptions import CreditTooSmall, IllegalMove, OrderNotFound
from orders.models import Order
from orders.services.concealing import conceal_of_order
from orders.services.moves import note_act
from orders.services.paying import lock_order
from wallet.models import Account, ByHand, Transfer
from wallet.selectors import credit_of_order
from wallet.services import Posting, Word, by_hand, is_posted, order_credit, post, shop_account, user_wallet

GIVE, PAY_OUT = "order.credit_given", "order.credit_paid_out"


def claim_credit(*, order_id: int, user: User) -> Decimal:
    """Move all that a guest's order owes into the wallet of the member who proved the order; returns how much.

    The caller has checked that this visitor may see the order (selectors.order_for). A repeated call finds nothing left.
    Locks the order, then the accounts. Raises OrderNotFound, IllegalMove for a member's order.
    """
    with transaction.atomic():
        at = clock.now()
        order = _locked_guests(order_id)
        account = order_credit(order.pk)
        amount = credit_of_order(order.pk)
        if amount:
            # The account's version grows with every posting, so each balance is claimed once.
            ref = f"credit:{order.pk}:claim:{account.version}"
            legs = [Posting(account, -amount), Posting(user_wallet(user.pk), amount)]
            post(ref=ref, kind=Transfer.Kind.CREDIT_CLAIMED, postings=legs, at=at, memo=order.number, actor=user)
            note_act(order, at=at, cause="credit_claimed", actor_id=user.pk, note=f"¥{amount}")
    return amount


def give_credit(
    *, order_id: int, user_id: int, amount: Decimal, reason: str, ref: str, actor: User, address: str | None = None
) -> None:
    """Move money that a guest's order owes into a member's wallet, whom staff know to be the guest; once per `ref`.

    Locks the order, then the accounts. Raises what `pay_out_credit` raises, and OwnMatter.
    """
    require_another(actor, user_id)
    user = User.objects.get(pk=user_id)
    detail = {"amount": str(amount), "reason": _read(reason, order_id), "member": user.pk}
    who = {"actor": actor, "owner_id": user.pk, "address": address}
    with by_hand(_word(ByHand.Act.GIVE, order_id, amount, detail["reason"], ref=ref, **who)):
        order = _locked_guests(order_id)
        if _post(order, user_wallet(user.pk), Transfer.Kind.CREDIT_CLAIMED, amount, ref, actor):
            note = f"¥{amount} → #{user.pk}：{detail['reason']}"
            _tell(order, GIVE, note, detail, actor, address)


def pay_out_credit(
    *, order_id: int, amount: Decimal, reason: str, ref: str, actor: User, address: str | None = None
) -> None:
    """Note that staff paid the guest by hand what the order owed, such as in the gateway's own console; once per `ref`.

    Locks the order, then the account. Raises OrderNotFound, IllegalMove for a member's order, ReasonNeeded,
    CreditTooSmall, SecondPersonNeeded.
    """
    detail = {"amount": str(amount), "reason": _read(reason, order_id)}
    word = _word(ByHand.Act.PAY_OUT, order_id, amount, detail["reason"], ref=ref, actor=actor, address=address)
    with by_hand(word):
        order = _locked_guests(order_id)
        if _post(order, shop_account(Account.Purpose.PAYOUT), Transfer.Kind.PAID_OUT, amount, ref, actor):
            _tell(order, PAY_OUT, f"¥{amount}：{detail['reason']}", detail, actor, address)


def _read(reason: str, order_id: int) -> str:
    return conceal_of_order(read_reason(reason, most=150), order_id)[:150]


def _word(act: ByHand.Act, order_id: int, amount: Decimal, reason: str, **more: Any) -> Word:
    try:
        order = Order.objects.get(pk=order_id)
    except Order.DoesNotExist as error:
        raise OrderNotFound from error
    return Word(act, order, amount, reason=reason, order=order.number, **more)


def _post(order: Order, to: Account, kind: str, amount: Decimal, ref: str, actor: User) -> bool:
    """Move `amount` from the order's account; returns False when `ref` did so before. Raises CreditTooSmall."""
    left = credit_of_order(order.pk)
    if not is_posted(ref) and not ZERO < amount <= left:
        raise CreditTooSmall(left=left)
    legs = [Posting(order_credit(order.pk), -amount), Posting(to, amount)]
    return post(ref=ref, kind=kind, postings=legs, at=clock.now(), memo=order.number, actor=actor)[1]


def _tell(order: Order, action: str, note: str, detail: dict, actor: User, address: str | None) -> None:
    at = clock.now()
    record(action=action, at=at, actor=actor, target=order, detail=detail, address=address)
    note_act(order, at=at, cause=action.partition(".")[2], actor_id=actor.pk, note=note)


def _locked_guests(order_id: int) -> Order:
    order = lock_order(order_id)
    if not order.is_guest:
        raise IllegalMove  # a member's money is in the wallet already
    return order
