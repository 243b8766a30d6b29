"""Money that moves by one person's word: a balance corrected, a payment confirmed, something paid out outside the shop.

Nobody does it for themselves (`common.persons`). What one person does so in a day has a limit, `WalletRules.by_hand_daily`;
above it a second person agrees first, to this act, of this sum, by this person. A superuser who has nobody to ask is alone
in any case and goes on; the log says so.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Model, Sum

from accounts.models import User
from accounts.selectors import is_alone
from audit.models import Approval
from audit.services import approvals, record
from common import clock
from common.clock import day_of, start_of_day
from common.locks import lock_name
from common.money import ZERO
from common.persons import require_another
from wallet.exceptions import SecondPersonNeeded
from wallet.models import ByHand
from wallet.selectors.cards import wallet_rules

KIND, ALONE = "wallet.by_hand", "wallet.by_hand_alone"
MAY_APPROVE = "wallet.approve_by_hand"
ANSWER_WITHIN, WINDOW = timedelta(days=7), timedelta(days=1)
Act = ByHand.Act


@dataclass(frozen=True)
class Word:
    """What somebody says is to be done: once per `ref`, `amount` yuan, about `target`; for which order (its number), and whose
    money it is or becomes, by the member's id, where that is known."""

    act: Act
    target: Model
    amount: Decimal
    ref: str
    reason: str
    actor: User
    owner_id: int | None = None
    order: str = ""
    address: str | None = None

    @property
    def name(self) -> str:
        """What stays in the log and in lists for good: a member by number, whose name may go."""
        return f"#{self.target.pk}" if isinstance(self.target, User) else str(self.target)

    @property
    def detail(self) -> dict:
        return {
            "act": str(self.act),
            "amount": f"{self.amount:.2f}",
            "name": self.name[:100],
            "owner": self.owner_id or 0,
            "order": self.order,
        }


@contextmanager
def by_hand(word: Word) -> Iterator[None]:
    """The transaction of such an act; counts it first. What takes money from a member (zero or below) is not counted.

    Above the limit it asks another person, in a transaction of its own, unless it has asked already, and raises
    SecondPersonNeeded; once that is granted, the same act passes. Locks the actor's count (advisory), before all else.
    """
    try:
        with transaction.atomic():
            _count(word, clock.now())
            yield
    except SecondPersonNeeded:
        _ask(word)
        raise


def done_alone(actor: User, at: datetime) -> Decimal:
    """What this person has done by hand today without another's yes, in yuan."""
    today = ByHand.objects.filter(actor=actor, approval_id=None, at__gte=start_of_day(day_of(at)))
    return today.aggregate(sum=Sum("amount"))["sum"] or ZERO


def _count(word: Word, at: datetime) -> None:
    if word.amount <= 0:
        return
    lock_name(f"by-hand:{word.actor.pk}")
    if ByHand.objects.filter(ref=word.ref).exists():
        return
    limit, done = wallet_rules().by_hand_daily, done_alone(word.actor, at)
    approval_id = None
    if done + word.amount > limit:
        granted = _asked(word, at).filter(state=Approval.State.APPROVED).first()
        if granted is not None:
            approvals.use(approval_id=granted.pk, actor=word.actor, address=word.address)
            approval_id = granted.pk
        elif is_alone(word.actor, MAY_APPROVE):
            record(action=ALONE, at=at, actor=word.actor, target=word.target, detail=word.detail, address=word.address)
        else:
            raise SecondPersonNeeded(limit=limit, left=max(limit - done, ZERO))
    row = ByHand(
        ref=word.ref,
        act=word.act,
        actor=word.actor,
        amount=word.amount,
        target=f"{word.target._meta.verbose_name} {word.name}"[:200],
        owner_id=word.owner_id,
        approval_id=approval_id,
        at=at,
    )
    # Two persons may say the same at once: whoever comes second finds it done.
    ByHand.objects.bulk_create([row], ignore_conflicts=True)


def _asked(word: Word, at: datetime):
    return Approval.objects.filter(
        kind=KIND,
        asked_by_id=word.actor.pk,
        target_type=word.target._meta.label,
        target_id=str(word.target.pk),
        detail__act=word.detail["act"],
        detail__amount=word.detail["amount"],
        detail__owner=word.detail["owner"],
        detail__order=word.detail["order"],
        ends_at__gt=at,
    ).order_by("pk")


def _ask(word: Word) -> None:
    with transaction.atomic():
        lock_name(f"by-hand:{word.actor.pk}")
        if _asked(word, clock.now()).filter(state=Approval.State.ASKED).exists():
            return
        approvals.ask(
            kind=KIND,
            target=word.target,
            reason=word.reason,
            actor=word.actor,
            answer_within=ANSWER_WITHIN,
            detail=word.detail,
            address=word.address,
        )


def approve_by_hand(*, approval_id: int, actor: User, address: str | None = None) -> Approval:
    """A second person agrees, whose own money it is not; who asked may do it within a day. Locks the approval. Raises
    OwnMatter, SamePerson, ApprovalMoved."""
    require_another(actor, Approval.objects.get(pk=approval_id).detail.get("owner"))
    return approvals.approve(approval_id=approval_id, actor=actor, delay=timedelta(0), window=WINDOW, address=address)


def refuse_by_hand(*, approval_id: int, reason: str, actor: User, address: str | None = None) -> Approval:
    """A second person does not. Locks the approval. Raises SamePerson, ApprovalMoved, ReasonNeeded."""
    return approvals.refuse(approval_id=approval_id, reason=reason, actor=actor, address=address)
