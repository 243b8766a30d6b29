"""Using a credit line and paying it back. Locks the line before the wallet, always."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.db.models import F

from accounts.models import ApiToken, User
from audit.services import run_once
from common import clock
from common.clock import day_of
from common.locks import lock
from common.money import ZERO
from common.sweeps import safely
from events.contracts import CreditNoticed
from events.services import emit
from wallet.allowing import spend_allowance
from wallet.exceptions import BadTransfer, CreditExhausted, NoCredit, NothingOwed
from wallet.guarding import use_agreement
from wallet.models import Account, CreditDraw, CreditLine, CreditMove, CreditRepayment, Transfer
from wallet.selectors.cards import wallet_rules
from wallet.selectors.credit import is_overdue
from wallet.services.ledger import Posting, is_posted, lock_wallet, post, shop_account, user_wallet

State = CreditLine.State
Kind = Transfer.Kind


def receivable(user_id: int) -> Account:
    """What the member owes, as an account of the shop."""
    return shop_account(Account.Purpose.RECEIVABLE, str(user_id))


def due_date(at: datetime, due_day: int) -> date:
    """What is used in a month is due on this day of the next."""
    return (day_of(at).replace(day=1) + timedelta(days=32)).replace(day=due_day)


def draw_credit(*, user: User, amount: Decimal, idempotency_key: str) -> CreditDraw:
    """Put `amount` yuan on credit into the member's wallet, once per (user, key); it buys and is not withdrawn.

    Locks the line, then the wallet. Raises NoCredit, CreditExhausted, BadTransfer, KeyReused.
    """
    with transaction.atomic():
        at = clock.now()

        def run() -> int:
            line = lock_line(user.pk)
            if line is None or not _lends(line, at):
                raise NoCredit
            if not ZERO < amount <= line.free:
                raise CreditExhausted(left=line.free)
            return _draw(line, amount, at, "").pk

        made, _new = run_once(
            act="credit-draw",
            caller=f"user:{user.pk}",
            key=idempotency_key,
            request={"amount": str(amount)},
            at=at,
            run=run,
        )
        return CreditDraw.objects.get(pk=made)


def pay_from_wallet(
    *, user: User, amount: Decimal, ref: str, at: datetime, memo: str = "", token: ApiToken | None = None
) -> Transfer:
    """Move money from the member's wallet to sales, in the caller's transaction. What is missing comes on credit where the
    member has switched that on. `token` is the program that pays, if one does. Locks its allowance, the line, where there
    is one, then the wallet. Raises InsufficientBalance, ConfirmationNeeded, TokenLimit."""
    allowed = False
    if token is not None and not is_posted(ref):
        allowed = spend_allowance(token=token, amount=amount, at=at)
    if not allowed and not is_posted(ref):
        use_agreement(user=user, ref=ref, amount=amount, at=at)
    if CreditLine.objects.filter(user=user, auto_use=True, state=State.ACTIVE).exists() and not is_posted(ref):
        _cover(user, amount, at, memo)
    legs = [Posting(user_wallet(user.pk), -amount), Posting(shop_account(Account.Purpose.SALES), amount)]
    return post(ref=ref, kind=Kind.PAYMENT, postings=legs, at=at, memo=memo, actor=user)[0]


def _cover(user: User, amount: Decimal, at: datetime, memo: str) -> None:
    """Draw what the wallet lacks, where the line has it; otherwise nothing, and the payment is refused."""
    line = lock_line(user.pk)
    missing = amount - lock_wallet(user.pk).balance
    if line is not None and line.auto_use and _lends(line, at) and ZERO < missing <= line.free:
        _draw(line, missing, at, memo)


def _lends(line: CreditLine, at: datetime) -> bool:
    """Whether a locked line may be used: what is overdue stops it at once, also before beat has frozen it."""
    return line.state == State.ACTIVE and not is_overdue(line, day_of(at))


def _draw(line: CreditLine, amount: Decimal, at: datetime, memo: str) -> CreditDraw:
    made = CreditDraw.objects.create(line=line, amount=amount, at=at, due_on=due_date(at, line.due_day), memo=memo[:60])
    line.used += amount
    line.save(update_fields=["used"])
    legs = [
        Posting(receivable(line.user_id), -amount),
        Posting(user_wallet(line.user_id), amount, restricted=amount),
    ]
    post(ref=draw_ref(made.pk), kind=Kind.CREDIT_DRAWN, postings=legs, at=at, memo=memo)
    return made


def repay_credit(*, user: User, amount: Decimal, idempotency_key: str) -> CreditRepayment:
    """Pay back `amount` yuan, or all that is owed where that is less, once per (user, key).

    Locks the line, then the wallet. Raises NothingOwed, BadTransfer, InsufficientBalance, KeyReused.
    """
    with transaction.atomic():
        at = clock.now()

        def run() -> int:
            line = lock_line(user.pk)
            if amount <= 0:
                raise BadTransfer
            if line is None or not line.used:
                raise NothingOwed
            return _repay(line, min(amount, line.used), at).pk

        made, _new = run_once(
            act="credit-repay",
            caller=f"user:{user.pk}",
            key=idempotency_key,
            request={"amount": str(amount)},
            at=at,
            run=run,
        )
        return CreditRepayment.objects.get(pk=made)


def repay_at_once(line: CreditLine | None, amount: Decimal, *, at: datetime) -> Decimal:
    """Pay back as much of money that has just come in as is owed; returns how much.

    In the caller's transaction, which locked the line (`lock_line`) before the wallet.
    """
    part = min(amount, line.used) if line is not None else ZERO
    if line is None or part <= 0:
        return ZERO
    _repay(line, part, at)
    return part


def _repay(line: CreditLine, amount: Decimal, at: datetime) -> CreditRepayment:
    made = CreditRepayment.objects.create(line=line, amount=amount, at=at)
    left = amount
    for draw in lock(CreditDraw.objects.filter(line=line, repaid__lt=F("amount"))):
        part = min(left, draw.left)
        draw.repaid += part
        draw.save(update_fields=["repaid"])
        left -= part
        if not left:
            break
    line.used -= amount
    line.save(update_fields=["used"])
    legs = [Posting(user_wallet(line.user_id), -amount), Posting(receivable(line.user_id), amount)]
    post(ref=repay_ref(made.pk), kind=Kind.CREDIT_REPAID, postings=legs, at=at)
    if line.state == State.OVERDUE and not is_overdue(line, day_of(at)):
        move_line(line, State.ACTIVE, at=at, actor_id=None)
        tell(line, "unfrozen", at)
    return made


def set_auto_use(*, user: User, on: bool) -> None:
    """The member's switch. Raises NoCredit."""
    with transaction.atomic():
        line = lock_line(user.pk)
        if line is None:
            raise NoCredit
        line.auto_use = on
        line.save(update_fields=["auto_use"])


def tend_credit_lines() -> tuple[int, int]:
    """Daily: warn of what is due soon, freeze what is overdue; (how many warned, how many frozen). Locks line by line."""
    at = clock.now()
    today = day_of(at)
    soon = today + timedelta(days=wallet_rules().credit_warn_days)
    open_ = CreditDraw.objects.filter(repaid__lt=F("amount"), due_on__lte=soon)
    told = [
        safely(partial(_tend, user_id, today, soon, at), "tend the credit of user", user_id, failed="")
        for user_id in sorted(set(open_.values_list("line__user_id", flat=True)))
    ]
    return told.count("due"), told.count("frozen")


def _tend(user_id: int, today: date, soon: date, at: datetime) -> str:
    """What the member was told, if anything: "due" or "frozen"."""
    with transaction.atomic():
        line = lock_line(user_id)
        if line.state == State.ACTIVE and is_overdue(line, today):
            move_line(line, State.OVERDUE, at=at, actor_id=None)
            tell(line, "frozen", at)
            return "frozen"
        due = _next_due(line, today)
        if due is None or due > soon or line.warned_for == due:
            return ""
        line.warned_for = due
        line.save(update_fields=["warned_for"])
        tell(line, "due", at, due)
    return "due"


def _next_due(line: CreditLine, today: date) -> date | None:
    found = line.draws.filter(repaid__lt=F("amount"), due_on__gte=today).order_by("due_on")
    return found.values_list("due_on", flat=True).first()


def move_line(line: CreditLine, state: str, *, at: datetime, actor_id: int | None, note: str = "") -> None:
    """Move a locked line and write its history."""
    CreditMove.objects.create(
        line=line, from_state=line.state, to_state=state, limit=line.limit, at=at, actor_id=actor_id, note=note
    )
    line.state = state
    line.save(update_fields=["state"])


def tell(line: CreditLine, what: str, at: datetime, due: date | None = None) -> None:
    """Tell the other rooms of something about a line; `what` as in CreditNoticed."""
    emit(
        CreditNoticed(
            line_id=line.pk,
            user_id=line.user_id,
            what=what,
            used=line.used,
            limit=line.limit,
            due_on=due.isoformat() if due else "",
            noticed_at=at,
        ),
        at=at,
    )


def lock_line(user_id: int) -> CreditLine | None:
    """The member's line, locked and read afresh."""
    found = lock(CreditLine.objects.filter(user=user_id))
    return found[0] if found else None


def draw_ref(draw_id: int) -> str:
    """The ledger's reference of what was put on credit."""
    return f"credit_draw:{draw_id}"


def repay_ref(repayment_id: int) -> str:
    """The ledger's reference of what was paid back."""
    return f"credit_repay:{repayment_id}"
