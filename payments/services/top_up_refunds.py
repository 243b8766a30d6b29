"""A top-up is given back: by hand outside the shop, out of what the wallet still holds of it."""

from decimal import Decimal

from accounts.models import User
from audit.services import record
from common import clock
from common.locks import lock
from common.money import ZERO
from common.persons import require_another
from payments.bonuses import due_back, lock_gift, take_back
from payments.exceptions import RefundTooLarge, RefUsed
from payments.models import PaymentAttempt, TopUp, TopUpRefund
from payments.selectors import given_back_of
from payments.services.reasons import reason_about
from wallet.models import Account, ByHand, Transfer
from wallet.services import Posting, Word, by_hand, post, shop_account, user_wallet

REFUND = "payments.top_up.refund"


def refund_top_up(
    *, top_up_id: int, amount: Decimal, reason: str, ref: str, actor: User, address: str | None = None
) -> TopUpRefund:
    """Note that staff gave back `amount` yuan of a top-up, once per `ref`; its gift goes back in proportion, once
    nothing is left of further payments that brought none.

    Only money that could be withdrawn is given back. Locks the top-up, its gift, the wallet. Raises ReasonNeeded,
    OwnMatter, SecondPersonNeeded, RefundTooLarge, RefUsed where `ref` is another top-up's, InsufficientBalance. Audited.
    """
    reason = reason_about(reason, None)
    owner = TopUp.objects.select_related("user").get(pk=top_up_id).user
    require_another(actor, owner.pk)
    act = ByHand.Act.REFUND_TOP_UP
    who = {"actor": actor, "owner_id": owner.pk, "address": address}
    with by_hand(Word(act, owner, amount, ref=f"{act}:{ref}", reason=reason, **who)):
        at = clock.now()
        lock(PaymentAttempt.objects.filter(top_up=top_up_id))  # no refund through a gateway begins meanwhile
        top_up = TopUp.objects.get(pk=top_up_id)
        grant = lock_gift(top_up)
        top_up.refresh_from_db()
        known = TopUpRefund.objects.filter(ref=ref).first()
        if known is not None:
            if known.top_up_id != top_up.pk:
                raise RefUsed
            return known
        left = top_up.credited - given_back_of(top_up)
        if top_up.state != TopUp.State.PAID or not ZERO < amount <= left:
            raise RefundTooLarge(left=max(left, ZERO))
        bonus = due_back(grant, amount)
        made = TopUpRefund.objects.create(
            ref=ref, top_up=top_up, amount=amount, bonus=bonus, reason=reason, actor=actor, at=at
        )
        if grant is not None and bonus:
            take_back(grant, bonus, ref=f"bonus_back:{made.pk}", memo=reason, at=at)
        legs = [
            Posting(user_wallet(top_up.user_id), -amount, restricted=ZERO),
            Posting(shop_account(Account.Purpose.PAYOUT), amount),
        ]
        kind = Transfer.Kind.TOP_UP_REFUND
        post(ref=f"topup_refund:{made.pk}", kind=kind, postings=legs, at=at, memo=reason, actor=actor)
        top_up.refunded += amount
        top_up.save(update_fields=["refunded"])
        detail = {"amount": str(amount), "reason": reason, "ref": ref}
        record(action=REFUND, at=at, actor=actor, target=top_up, detail=detail, address=address)
    return made
