"""Two persons for one act: asked for by one, granted by another, done after a delay, within a time, once.

Rooms ask for their own kinds and do what was granted in the transaction of `use`. Each step is in the audit log.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction

from audit.exceptions import ApprovalMoved, NotYetUsable, OnlyTheAsker
from audit.models import Approval
from audit.services import record
from audit.services.persons import check_two_persons, require_other
from common import clock
from common.locks import lock_one
from common.reasons import read_reason
from common.sweeps import safely

State = Approval.State
MAX_REASON = 200


def ask(
    *,
    kind: str,
    target: Any,
    reason: str,
    actor: Any,
    answer_within: timedelta,
    detail: dict | None = None,
    address: str | None = None,
) -> Approval:
    """Ask for something; it lapses when nobody has granted it `answer_within` from now. Raises ReasonNeeded."""
    reason = read_reason(" ".join(reason.split()), most=MAX_REASON)
    with transaction.atomic():
        at = clock.now()
        approval = Approval.objects.create(
            kind=kind,
            target_type=target._meta.label,
            target_id=str(target.pk),
            detail=detail or {},
            reason=reason,
            asked_by_id=actor.pk,
            asked_by=actor.get_username()[:150],
            asked_at=at,
            ends_at=at + answer_within,
        )
        _record(approval, "approval.ask", actor, at, address, reason=reason)
    return approval


def approve(
    *, approval_id: int, actor: Any, delay: timedelta, window: timedelta, address: str | None = None
) -> Approval:
    """Grant it: it may be done after `delay`, for as long as `window`. Locks the approval.

    Raises SamePerson for who asked, NotIndependent for who has that account in hand, ApprovalMoved for one that was decided
    or has lapsed.
    """
    with transaction.atomic():
        at = clock.now()
        approval = _locked(approval_id, State.APPROVED, at)
        check_two_persons(approval.asked_by_id, actor, at=at)
        approval.usable_from, approval.ends_at = at + delay, at + delay + window
        _decide(approval, State.APPROVED, actor, at)
        _record(approval, "approval.approve", actor, at, address)
    return approval


def approve_and_use(*, approval_id: int, actor: Any, address: str | None = None) -> Approval:
    """Grant what is done by the grant itself, in the caller's transaction of doing it. Locks the approval.

    Raises what `approve` raises.
    """
    with transaction.atomic():
        at = clock.now()
        approval = _locked(approval_id, State.APPROVED, at)
        check_two_persons(approval.asked_by_id, actor, at=at)
        approval.usable_from = at
        _decide(approval, State.USED, actor, at)
        _record(approval, "approval.approve", actor, at, address)
    return approval


def refuse(*, approval_id: int, actor: Any, reason: str, address: str | None = None) -> Approval:
    """Turn it down. Locks the approval. Raises SamePerson for who asked (they cancel), ApprovalMoved, ReasonNeeded."""
    reason = read_reason(reason, most=MAX_REASON)
    with transaction.atomic():
        at = clock.now()
        approval = _locked(approval_id, State.REFUSED, at)
        require_other(approval.asked_by_id, actor)
        _decide(approval, State.REFUSED, actor, at)
        _record(approval, "approval.refuse", actor, at, address, reason=reason)
    return approval


def cancel(*, approval_id: int, actor: Any, address: str | None = None) -> Approval:
    """Take it back before it is done: who asked, or anybody who may decide. Locks the approval. Raises ApprovalMoved."""
    with transaction.atomic():
        at = clock.now()
        approval = _locked(approval_id, State.CANCELLED, at)
        _close(approval, State.CANCELLED, at)
        _record(approval, "approval.cancel", actor, at, address)
    return approval


def use(*, approval_id: int, actor: Any, address: str | None = None) -> Approval:
    """Use it up, in the transaction of what was asked for. Locks the approval.

    Raises OnlyTheAsker for anybody else, NotYetUsable before its time, ApprovalMoved for one that is not granted, was used
    or has lapsed.
    """
    with transaction.atomic():
        at = clock.now()
        approval = _locked(approval_id, State.USED, at)
        if approval.asked_by_id != actor.pk:
            raise OnlyTheAsker
        if at < approval.usable_from:
            raise NotYetUsable(when=clock.minute_text(approval.usable_from))
        _close(approval, State.USED, at)
        _record(approval, "approval.use", actor, at, address)
    return approval


def use_again(*, approval_id: int, actor: Any, address: str | None = None) -> Approval:
    """Do what was used once more, within its time: for what may have broken off. How often is for the room to count.

    Locks the approval. Raises OnlyTheAsker for anybody else, ApprovalMoved for one that was not used or whose time is over.
    """
    with transaction.atomic():
        at = clock.now()
        approval = lock_one(Approval.objects.filter(pk=approval_id))
        if approval.state != State.USED or approval.ends_at <= at:
            raise ApprovalMoved
        if approval.asked_by_id != actor.pk:
            raise OnlyTheAsker
        _record(approval, "approval.use_again", actor, at, address)
    return approval


def lapse_due() -> int:
    """End what nobody granted or used in time; how many. Locks them one by one."""
    open_ones = Approval.objects.filter(state__in=[State.ASKED, State.APPROVED], ends_at__lte=clock.now())
    found = list(open_ones.order_by("pk").values_list("pk", flat=True)[:500])
    return sum(safely(partial(_lapse, pk), "end approval", pk, failed=False) for pk in found)


def _lapse(approval_id: int) -> bool:
    with transaction.atomic():
        at = clock.now()
        approval = lock_one(Approval.objects.filter(pk=approval_id))
        if approval.state not in Approval.MOVES or approval.ends_at > at:
            return False
        _close(approval, State.LAPSED, at)
        _record(approval, "approval.lapse", None, at, None)
    return True


def _locked(approval_id: int, to: str, at: datetime) -> Approval:
    approval = lock_one(Approval.objects.filter(pk=approval_id))
    if to not in Approval.MOVES.get(State(approval.state), set()) or approval.ends_at <= at:
        raise ApprovalMoved
    return approval


def _decide(approval: Approval, state: str, actor: Any, at: datetime) -> None:
    approval.state = state
    approval.decided_by_id, approval.decided_by, approval.decided_at = actor.pk, actor.get_username()[:150], at
    if state in (State.REFUSED, State.USED):
        approval.closed_at = at
    approval.save()


def _close(approval: Approval, state: str, at: datetime) -> None:
    approval.state, approval.closed_at = state, at
    approval.save(update_fields=["state", "closed_at"])


def _record(approval: Approval, action: str, actor: Any, at: datetime, address: str | None, **detail: Any) -> None:
    detail = {"kind": approval.kind, "ref": f"{approval.target_type} {approval.target_id}", **approval.detail, **detail}
    record(action=action, at=at, actor=actor, target=approval, detail=detail, address=address)
