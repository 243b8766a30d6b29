"""A member says where withdrawals go, staff look whether it is theirs."""

from django.db import transaction

from accounts.models import User
from audit.services import record
from common import clock
from common.ids import public_id
from common.locks import lock, lock_one
from common.persons import require_another
from common.reasons import read_reason
from events.contracts import PayoutAccountDecided
from events.services import emit
from payments.exceptions import WithdrawalMoved
from payments.models import PayoutAccount
from payments.payouts import digest_of, hint_of, open_account, read_account, seal_account
from wallet.services import lock_wallet

State = PayoutAccount.State
SAVE, VERIFY, REFUSE, REVEAL = "payout.save", "payout.verify", "payout.refuse", "payout.reveal"


def save_payout_account(*, user: User, kind: str, name: str, number: str, address: str | None = None) -> PayoutAccount:
    """The member's account from now on; the one before is removed, and the time to cool down begins.

    Locks the wallet, so that no withdrawal slips in with the old one, then the accounts. Raises BadPayoutAccount. Audited.
    """
    name, number = read_account(kind, name, number)
    with transaction.atomic():
        at = clock.now()
        lock_wallet(user.pk)
        for old in lock(PayoutAccount.objects.filter(user=user, state__in=PayoutAccount.LIVE)):
            old.state = State.REMOVED
            old.save(update_fields=["state"])
        key = public_id()
        made = PayoutAccount.objects.create(
            public_id=key,
            user=user,
            kind=kind,
            sealed=seal_account(key, name, number),
            hint=hint_of(name, number),
            digest=digest_of(kind, number),
            created_at=at,
        )
        record(action=SAVE, at=at, actor=user, target=made, detail={"kind": kind}, address=address)
    return made


def verify_payout_account(*, account_id: int, actor: User, address: str | None = None) -> PayoutAccount:
    """Staff saw that it is the member's. Locks the account. Raises WithdrawalMoved, OwnMatter. Audited."""
    return _decide(account_id, State.VERIFIED, "", actor, address)


def refuse_payout_account(*, account_id: int, reason: str, actor: User, address: str | None = None) -> PayoutAccount:
    """Staff do not let money go there, or no more. Locks the account. Raises what `verify_payout_account` raises, and
    ReasonNeeded. Audited."""
    reason = read_reason(reason)
    return _decide(account_id, State.REFUSED, reason, actor, address)


def _decide(account_id: int, state: str, reason: str, actor: User, address: str | None) -> PayoutAccount:
    with transaction.atomic():
        at = clock.now()
        account = lock_one(PayoutAccount.objects.filter(pk=account_id))
        if state not in PayoutAccount.MOVES[State(account.state)]:
            raise WithdrawalMoved
        require_another(actor, account.user_id)
        account.state, account.reason, account.decided_by, account.decided_at = state, reason, actor, at
        account.save(update_fields=["state", "reason", "decided_by", "decided_at"])
        told = PayoutAccountDecided(
            account_id=account.pk,
            user_id=account.user_id,
            verified=state == State.VERIFIED,
            reason=reason,
            decided_at=at,
        )
        emit(told, at=at)
        act = VERIFY if state == State.VERIFIED else REFUSE
        record(action=act, at=at, actor=actor, target=account, detail={"reason": reason}, address=address)
    return account


def reveal_payout_account(*, account_id: int, actor: User, address: str | None = None) -> tuple[str, str]:
    """(name, number) for whoever checks or pays. Audited. Raises DecryptionFailed."""
    with transaction.atomic():
        account = PayoutAccount.objects.get(pk=account_id)
        record(action=REVEAL, at=clock.now(), actor=actor, target=account, address=address)
        return open_account(account)
