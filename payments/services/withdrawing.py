"""Withdrawals from being asked for to money that has left, or is back in the wallet.

Asking locks the member's wallet before anything is counted, so that withdrawals, purchases and refunds of one member are one
after the other. Every later step locks the withdrawal, then the accounts.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from audit.services import record, run_once
from audit.services.persons import check_two_persons
from common import clock
from common.ids import withdrawal_number
from common.locks import lock_one
from common.money import ZERO
from common.persons import require_another
from common.reasons import read_reason
from events.contracts import WithdrawalMoved as Told
from events.services import emit
from payments.exceptions import (
    BadWithdrawalAmount,
    Cooling,
    FactsNeeded,
    NoPayoutAccount,
    NotWithdrawable,
    PayoutStopped,
    WithdrawalLimit,
    WithdrawalMoved,
    WithdrawalNotFound,
    WithdrawalsClosed,
    WithdrawalUnconfirmed,
)
from payments.models import PayoutAccount, Withdrawal, WithdrawalMove
from payments.selectors import fee_for, is_stopped, payout_account_of, withdrawable, withdrawal_rules
from wallet.exceptions import ConfirmationNeeded
from wallet.models import Account, Transfer
from wallet.services import (
    Agreement,
    Posting,
    agree,
    is_guarded,
    lock_wallet,
    post,
    shop_account,
    use_agreement,
    user_hold,
    user_wallet,
)

State = Withdrawal.State
Kind = Transfer.Kind
ASK, APPROVE, PAY, REJECT, CANCEL = (f"withdrawal.{act}" for act in ("ask", "approve", "pay", "reject", "cancel"))


def ask_withdrawal(
    *,
    user: User,
    amount: Decimal,
    idempotency_key: str,
    agreement: Agreement | None = None,
    address: str | None = None,
) -> Withdrawal:
    """Ask for `amount` yuan, once per (user, key); it waits outside the wallet from now on. Locks the wallet. Audited.

    `agreement` is the yes of a member who wants to be asked before money leaves the wallet. Raises WithdrawalsClosed,
    BadWithdrawalAmount, NoPayoutAccount, Cooling, NotWithdrawable, WithdrawalLimit, WithdrawalUnconfirmed, KeyReused.
    """
    with transaction.atomic():
        at = clock.now()
        made, _new = run_once(
            act="withdrawal",
            caller=f"user:{user.pk}",
            key=idempotency_key,
            request={"amount": str(amount)},
            at=at,
            run=lambda: _ask(user, amount, agreement, at, address).pk,
        )
        return Withdrawal.objects.select_related("account").get(pk=made)


def _ask(user: User, amount: Decimal, agreement: Agreement | None, at: datetime, address: str | None) -> Withdrawal:
    rules = withdrawal_rules()
    if not rules.is_open:
        raise WithdrawalsClosed
    if not rules.minimum <= amount <= rules.maximum:
        raise BadWithdrawalAmount(min=rules.minimum, max=rules.maximum)
    lock_wallet(user.pk)
    account = payout_account_of(user)
    if account is None or account.state != PayoutAccount.State.VERIFIED:
        raise NoPayoutAccount
    found = withdrawable(user, rules, account, at)
    if found.until is not None:
        raise Cooling(until=clock.minute_text(found.until))
    if amount > found.free:
        raise NotWithdrawable(left=found.free)
    if amount > found.left:
        raise WithdrawalLimit(left=found.left)
    fee = fee_for(rules, amount)
    if fee >= amount:
        raise BadWithdrawalAmount(min=rules.minimum, max=rules.maximum)
    made = Withdrawal.objects.create(
        number=withdrawal_number(at), user=user, account=account, amount=amount, fee=fee, asked_at=at
    )
    _check_agreed(made, agreement, at)
    legs = [Posting(user_wallet(user.pk), -amount, restricted=ZERO), Posting(user_hold(user.pk), amount)]
    post(ref=hold_ref(made.pk), kind=Kind.WITHDRAWAL, postings=legs, at=at, memo=made.number, actor=user)
    WithdrawalMove.objects.create(withdrawal=made, to_state=State.ASKED, at=at, actor_id=user.pk)
    _tell(made, at)
    record(action=ASK, at=at, actor=user, target=made, detail={"amount": str(amount)}, address=address)
    return made


def _check_agreed(made: Withdrawal, agreement: Agreement | None, at: datetime) -> None:
    ref = hold_ref(made.pk)
    if agreement is not None and is_guarded(user=made.user, amount=made.amount):
        agree(user=made.user, ref=ref, agreement=agreement, at=at)
    try:
        use_agreement(user=made.user, ref=ref, amount=made.amount, at=at)
    except ConfirmationNeeded as error:
        raise WithdrawalUnconfirmed from error


def approve_withdrawal(*, withdrawal_id: int, actor: User, address: str | None = None) -> Withdrawal:
    """The first of two people. Locks the withdrawal, then the payout account. Raises WithdrawalMoved, OwnMatter,
    PayoutStopped. Audited."""
    with transaction.atomic():
        at = clock.now()
        row = _locked(withdrawal_id, State.APPROVED, actor)
        _require_payable(row)
        row.approved_by, row.approved_at = actor, at
        _move(row, State.APPROVED, ["approved_by", "approved_at"], at=at, actor=actor)
        record(action=APPROVE, at=at, actor=actor, target=row, detail={"amount": str(row.amount)}, address=address)
    return row


def confirm_withdrawal(*, withdrawal_id: int, proof: str, actor: User, address: str | None = None) -> Withdrawal:
    """The second of two people has paid; `proof` is the bank's or wallet's own number. Locks the withdrawal, the
    payout account, then the accounts. Raises WithdrawalMoved, OwnMatter, SamePerson, FactsNeeded,
    PayoutStopped. Audited."""
    proof = proof.strip()[:100]
    if not proof:
        raise FactsNeeded
    with transaction.atomic():
        at = clock.now()
        row = _locked(withdrawal_id, State.PAID, actor)
        check_two_persons(row.approved_by_id, actor, at=at)
        _require_payable(row)
        row.paid_by, row.paid_at, row.proof, row.closed_at = actor, at, proof, at
        _move(row, State.PAID, ["paid_by", "paid_at", "proof", "closed_at"], at=at, actor=actor, note=proof)
        legs = [
            Posting(user_hold(row.user_id), -row.amount),
            Posting(shop_account(Account.Purpose.PAYOUT), row.net),
            Posting(shop_account(Account.Purpose.FEES, "withdrawals"), row.fee),
        ]
        post(ref=end_ref(row.pk), kind=Kind.WITHDRAWN, postings=legs, at=at, memo=row.number, actor=actor)
        _tell(row, at)
        detail = {"amount": str(row.amount), "ref": proof}
        record(action=PAY, at=at, actor=actor, target=row, detail=detail, address=address)
    return row


def reject_withdrawal(*, withdrawal_id: int, reason: str, actor: User, address: str | None = None) -> Withdrawal:
    """Staff do not pay, or the bank sent it back: the money returns to the wallet. Locks the withdrawal, then the accounts.

    Raises WithdrawalMoved, OwnMatter, ReasonNeeded. Audited.
    """
    reason = read_reason(reason)
    with transaction.atomic():
        at = clock.now()
        row = _locked(withdrawal_id, State.REJECTED, actor)
        row.reason, row.closed_at = reason, at
        _move(row, State.REJECTED, ["reason", "closed_at"], at=at, actor=actor, note=reason)
        _give_back(row, at, actor)
        _tell(row, at)
        detail = {"amount": str(row.amount), "reason": reason}
        record(action=REJECT, at=at, actor=actor, target=row, detail=detail, address=address)
    return row


def cancel_withdrawal(*, public_id: str, user: User, address: str | None = None) -> Withdrawal:
    """The member takes it back before anybody approved it; again, it changes nothing. Locks the withdrawal, then the
    accounts. Raises WithdrawalNotFound for a stranger, WithdrawalMoved. Audited."""
    with transaction.atomic():
        at = clock.now()
        try:
            row = lock_one(Withdrawal.objects.select_related("account").filter(public_id=public_id, user=user))
        except Withdrawal.DoesNotExist as error:
            raise WithdrawalNotFound from error
        if row.state == State.CANCELLED:
            return row
        if State.CANCELLED not in Withdrawal.MOVES[State(row.state)]:
            raise WithdrawalMoved
        row.closed_at = at
        _move(row, State.CANCELLED, ["closed_at"], at=at, actor=user)
        _give_back(row, at, user)
        record(action=CANCEL, at=at, actor=user, target=row, detail={"amount": str(row.amount)}, address=address)
    return row


def _locked(withdrawal_id: int, wanted: str, actor: User) -> Withdrawal:
    row = lock_one(Withdrawal.objects.select_related("account").filter(pk=withdrawal_id))
    if wanted not in Withdrawal.MOVES[State(row.state)]:
        raise WithdrawalMoved
    require_another(actor, row.user_id)
    return row


def _require_payable(row: Withdrawal) -> None:
    """Days may lie between asking and paying: money goes to an account that is still verified, of a member who is not
    blocked. Raises PayoutStopped."""
    row.account = lock_one(PayoutAccount.objects.filter(pk=row.account_id))
    # Read, not locked: whoever asks for a withdrawal holds the member's row and waits for the account's.
    row.user = User.objects.get(pk=row.user_id)
    if is_stopped(row):
        raise PayoutStopped


def _move(row: Withdrawal, state: str, fields: list[str], *, at: datetime, actor: User, note: str = "") -> None:
    WithdrawalMove.objects.create(
        withdrawal=row, from_state=row.state, to_state=state, at=at, actor_id=actor.pk, note=note
    )
    row.state = state
    row.save(update_fields=["state", *fields])


def _give_back(row: Withdrawal, at: datetime, actor: User) -> None:
    legs = [Posting(user_hold(row.user_id), -row.amount), Posting(user_wallet(row.user_id), row.amount)]
    post(ref=end_ref(row.pk), kind=Kind.WITHDRAWAL_BACK, postings=legs, at=at, memo=row.number, actor=actor)


def _tell(row: Withdrawal, at: datetime) -> None:
    told = Told(
        withdrawal_id=row.pk,
        user_id=row.user_id,
        state=row.state,
        amount=row.net if row.state == State.PAID else row.amount,
        reason=row.reason,
        moved_at=at,
    )
    emit(told, at=at)


def hold_ref(withdrawal_id: int) -> str:
    """The ledger's reference of the money's leaving the wallet."""
    return f"withdrawal:{withdrawal_id}"


def end_ref(withdrawal_id: int) -> str:
    """The ledger's reference of what became of it: paid or given back, and never both."""
    return f"withdrawal:{withdrawal_id}:end"
