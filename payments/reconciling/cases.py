"""Cases: made from what was confirmed, given to somebody, closed with a word. None of this moves money."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts.models import User
from audit.services import record
from common import clock
from common.exceptions import BadInput, Conflict
from common.locks import lock, lock_name, lock_one
from payments.models import Channel
from payments.reconciling.books import Mark
from payments.reconciling.checking import PREVIEW_FOR, PreviewOld, RunMoved, from_json
from payments.reconciling.comparing import Difference
from payments.reconciling.models import CaseMove, Reconciliation, ReconciliationCase
from payments.selectors import case_workers, live_cases

RunState, State = Reconciliation.State, ReconciliationCase.State
CONFIRM, DROP = "reconciliation.confirm", "reconciliation.drop"
ASSIGN, CLOSE, REOPEN = "case.assign", "case.close", "case.reopen"
PERMISSION = "payments.work_case"
# What the system itself writes under a case; shown in the reader's language.
AGREES = gettext_noop("更正后的账单或账目已一致")
CHANGED = gettext_noop("新账单的内容变了，重新打开")


class CaseMoved(Conflict):
    code = "case_moved"
    message = _("差异 %(case)s 的状态已经变化，请刷新后再试")


class NoteNeeded(BadInput):
    code = "note_needed"
    message = _("请填写说明")


class NotAWorker(BadInput):
    code = "not_a_worker"
    message = _("%(name)s 没有处理对账差异的权限")


def confirm_run(*, run_id: int, actor: User | None = None, address: str | None = None) -> Reconciliation:
    """Make cases of what a comparison found. A difference that is a case already is brought up to date; cases of these days
    that the statement no longer shows are closed as explained, and earlier comparisons of these days are replaced.

    Each case has an owner at once: whoever confirms, if they may work on cases; else who has the fewest. It stays open only
    where nobody may.

    Locks the channel's reconciling, then the comparison, then cases. Raises RunMoved, PreviewOld.
    """
    with transaction.atomic():
        at = clock.now()
        run = Reconciliation.objects.get(pk=run_id)
        _lock_channel(run.channel_id)
        run = lock_one(Reconciliation.objects.filter(pk=run_id))
        if run.state != RunState.CHECKED:
            raise RunMoved
        if at - run.created_at > PREVIEW_FOR:
            raise PreviewOld(hours=int(PREVIEW_FOR.total_seconds() // 3600))
        earlier_of_days(run).update(state=RunState.REPLACED)
        differences = [from_json(one) for one in run.found]
        _write_cases(run, differences, _worker(actor), at)
        _close_agreeing(run, differences, at)
        borders = {name: run.borders.get(name, []) for name in ("beyond", "waiting")}
        Reconciliation.objects.filter(pk=run.pk).update(
            state=RunState.CONFIRMED, confirmed_at=at, found=[], borders=borders
        )
        detail = {"file": run.filename, "rows": run.rows, "count": len(differences)}
        record(action=CONFIRM, at=at, actor=actor, target=run, detail=detail, address=address)
    return Reconciliation.objects.get(pk=run_id)


def drop_run(*, run_id: int, actor: User | None = None, address: str | None = None) -> None:
    """Forget a comparison that was not confirmed. Raises RunMoved."""
    with transaction.atomic():
        run = lock_one(Reconciliation.objects.filter(pk=run_id))
        if run.state != RunState.CHECKED:
            raise RunMoved
        Reconciliation.objects.filter(pk=run_id).update(state=RunState.DROPPED, found=[], borders={})
        record(action=DROP, at=clock.now(), actor=actor, target=run, detail={"file": run.filename}, address=address)


def _lock_channel(channel_id: int) -> None:
    """One statement of a channel at a time. Not the channel's row: attempts that are being made refer to it."""
    lock_name(f"reconcile:{channel_id}")


def earlier_of_days(run: Reconciliation) -> QuerySet[Reconciliation]:
    """Confirmed comparisons of days that this one covers too."""
    return Reconciliation.objects.filter(
        channel_id=run.channel_id,
        state=RunState.CONFIRMED,
        first_day__gte=run.first_day,
        last_day__lte=run.last_day,
    )


def _key(kind: str, aspect: str, reference: str) -> tuple[str, str, str]:
    return str(kind), str(aspect), reference


def _write_cases(run: Reconciliation, differences: Sequence[Difference], owner: User | None, at: datetime) -> None:
    references = [one.reference for one in differences]
    known = {
        _key(case.kind, case.aspect, case.reference): case
        for case in lock(ReconciliationCase.objects.filter(channel_id=run.channel_id, reference__in=references))
    }
    fresh = []
    for one in differences:
        key = _key(one.kind, one.aspect, one.reference)
        if key in known:
            _update_case(known[key], one, run, owner, at)
        else:
            known[key] = _new_case(one, run, owner, at)
            fresh.append(known[key])
    ReconciliationCase.objects.bulk_create(fresh, batch_size=1000)
    CaseMove.objects.bulk_create(
        [CaseMove(case=case, from_state="", to_state=case.state, owner_id=case.owner_id, at=at) for case in fresh],
        batch_size=1000,
    )


def _new_case(one: Difference, run: Reconciliation, owner: User | None, at: datetime) -> ReconciliationCase:
    return ReconciliationCase(
        channel_id=run.channel_id,
        run=run,
        kind=one.kind,
        aspect=one.aspect,
        reference=one.reference[:140],
        day=one.day,
        line=one.line,
        attempt_id=one.attempt_id,
        transfer_id=one.transfer_id,
        ours=one.ours,
        theirs=one.theirs,
        amount=one.amount,
        state=State.ASSIGNED if owner else State.OPEN,
        owner=owner,
        opened_at=at,
    )


def _worker(*preferred: User | None) -> User | None:
    """The first of these who may work on cases, else who has the fewest of them."""
    for one in preferred:
        if one is not None and may_work(one):
            return one
    busy = dict(live_cases().order_by().values_list("owner").annotate(count=Count("pk")))
    return min(case_workers(), key=lambda one: (busy.get(one.pk, 0), one.pk), default=None)


def may_work(user: User) -> bool:
    return user.is_active and user.is_staff and user.has_perm(PERMISSION)


def _update_case(
    case: ReconciliationCase, one: Difference, run: Reconciliation, owner: User | None, at: datetime
) -> None:
    """The newest statement's facts. A closed case is opened again when they are others than those it was closed with, for
    whoever had it."""
    changed = (case.amount, case.theirs, case.ours) != (one.amount, one.theirs, one.ours)
    before = case.state
    if changed and case.state not in ReconciliationCase.LIVE:
        case.owner = case.owner if case.owner and may_work(case.owner) else owner
        case.state, case.closed_at = State.ASSIGNED if case.owner else State.OPEN, None
    case.run, case.line, case.transfer_id = run, one.line, one.transfer_id
    case.ours, case.theirs, case.amount = one.ours, one.theirs, one.amount
    case.save(update_fields=["state", "owner", "closed_at", "run", "line", "transfer_id", "ours", "theirs", "amount"])
    if case.state != before:
        facts = {"owner_id": case.owner_id, "note": CHANGED, "at": at}
        CaseMove.objects.create(case=case, from_state=before, to_state=case.state, **facts)


def _close_agreeing(run: Reconciliation, differences: Sequence[Difference], at: datetime) -> None:
    """Live cases of these days that are no difference any more, and missing payments that this statement shows."""
    still = {_key(one.kind, one.aspect, one.reference) for one in differences}
    seen = set(run.borders.get("seen", ()))
    live = ReconciliationCase.objects.filter(channel_id=run.channel_id, state__in=ReconciliationCase.LIVE)
    of_days = Q(day__gte=run.first_day, day__lte=run.last_day)
    missed = Q(kind=ReconciliationCase.Kind.MISSING, aspect=ReconciliationCase.Aspect.PAYMENT)
    for case in lock(live.filter(of_days | missed)):
        shown = case.kind == ReconciliationCase.Kind.MISSING and _mark(case) in seen
        covered = run.first_day <= case.day <= run.last_day
        if (shown or covered) and _key(case.kind, case.aspect, case.reference) not in still:
            _move(case, State.EXPLAINED, note=AGREES, at=at)


def _mark(case: ReconciliationCase) -> Mark | None:
    """What tells the payment that is missing: those that are not the first of an attempt go by their transaction."""
    return case.attempt_id if case.reference == case.ours.get("number") else case.ours.get("txn")


def _move(
    case: ReconciliationCase,
    to: str,
    *,
    at: datetime,
    actor: User | None = None,
    owner: User | None = None,
    note: str = "",
) -> None:
    """Change a locked case with its history. Raises CaseMoved for a move that there is not."""
    before = State(case.state)
    if State(to) not in ReconciliationCase.MOVES[before]:
        raise CaseMoved(case=f"#{case.pk}")
    case.state = to
    case.closed_at = None if to in ReconciliationCase.LIVE else at
    case.owner = None if to == State.OPEN else owner or case.owner
    case.note = note or case.note
    case.save(update_fields=["state", "closed_at", "owner", "note"])
    CaseMove.objects.create(
        case=case,
        from_state=before,
        to_state=to,
        owner_id=case.owner_id,
        actor_id=actor.pk if actor else None,
        note=note,
        at=at,
    )


def assign_cases(*, case_ids: Iterable[int], owner: User, actor: User, address: str | None = None) -> int:
    """Give live cases to somebody who may work on them; returns how many. Locks the cases.

    Raises NotAWorker, CaseMoved when one of them is closed.
    """
    if not may_work(owner):
        raise NotAWorker(name=owner.get_username())
    with transaction.atomic():
        at = clock.now()
        cases = lock(ReconciliationCase.objects.filter(pk__in=list(case_ids)))
        for case in cases:
            if case.state not in ReconciliationCase.LIVE:
                raise CaseMoved(case=f"#{case.pk}")
            _move(case, State.ASSIGNED, owner=owner, actor=actor, at=at)
            detail = {"owner": owner.get_username()}
            record(action=ASSIGN, at=at, actor=actor, target=case, detail=detail, address=address)
    return len(cases)


def close_case(*, case_id: int, state: str, note: str, actor: User, address: str | None = None) -> None:
    """Close a case as explained (no money is wrong) or settled (what was wrong has been put right elsewhere).

    Whoever closes a case that nobody owns becomes its owner. Locks the case. Raises NoteNeeded, CaseMoved.
    """
    note = note.strip()[:300]
    if not note:
        raise NoteNeeded
    if state not in (State.EXPLAINED, State.SETTLED):
        raise CaseMoved(case=f"#{case_id}")
    with transaction.atomic():
        at = clock.now()
        case = lock_one(ReconciliationCase.objects.filter(pk=case_id))
        _move(case, state, owner=case.owner or actor, actor=actor, note=note, at=at)
        detail = {"state": str(state), "note": note}
        record(action=CLOSE, at=at, actor=actor, target=case, detail=detail, address=address)


def reopen_case(*, case_id: int, note: str, actor: User, address: str | None = None) -> None:
    """Open a closed case again, for whoever had it, else for `actor`. Locks the case. Raises NoteNeeded, CaseMoved."""
    note = note.strip()[:300]
    if not note:
        raise NoteNeeded
    with transaction.atomic():
        at = clock.now()
        case = lock_one(ReconciliationCase.objects.filter(pk=case_id))
        if case.state in ReconciliationCase.LIVE:
            raise CaseMoved(case=f"#{case.pk}")
        owner = _worker(case.owner, actor)
        _move(case, State.ASSIGNED if owner else State.OPEN, owner=owner, actor=actor, note=note, at=at)
        record(action=REOPEN, at=at, actor=actor, target=case, detail={"note": note}, address=address)


def save_statement_form(
    *,
    channel_id: int,
    form: str,
    columns: dict[str, str],
    words: dict[str, list[str]],
    actor: User,
    address: str | None,
) -> None:
    """How the channel's statements look, in its settings. Locks the channel. Raises StatementError."""
    with transaction.atomic():
        channel = lock_one(Channel.objects.filter(pk=channel_id))
        channel.settings = {**channel.settings, "statement": {"form": form, "columns": columns, "words": words}}
        channel.save(update_fields=["settings"])
        record(
            action="channel.statement",
            at=clock.now(),
            actor=actor,
            target=channel,
            detail={"kind": form},
            address=address,
        )
