"""Staff and credit lines: what one asks for another grants; freezing by hand."""

from decimal import Decimal

from django.db import IntegrityError, transaction

from accounts.models import User
from audit.services import record
from audit.services.persons import check_two_persons, require_other
from common import clock
from common.locks import lock_one
from common.persons import require_another
from common.reasons import read_reason
from wallet.exceptions import BadCreditTerms, Moved
from wallet.models import CreditLine, CreditMove, CreditTerms
from wallet.services.credit import lock_line, move_line, tell

State = CreditLine.State
ASK, GRANT, REFUSE = "credit.ask", "credit.grant", "credit.refuse"
FREEZE, UNFREEZE = "credit.freeze", "credit.unfreeze"
MOST = Decimal("10000000.00")


def propose_terms(
    *, user_id: int, limit: Decimal, due_day: int, reason: str, actor: User, address: str | None = None
) -> CreditTerms:
    """Ask for a limit in yuan and a due day (1 to 28) for a member; 0 lets nothing more be used. Audited.

    Raises ReasonNeeded, BadCreditTerms, OwnMatter, Moved while another wish waits.
    """
    reason = read_reason(reason)
    if not 0 <= limit <= MOST or not 1 <= due_day <= 28:
        raise BadCreditTerms
    require_another(actor, user_id)
    with transaction.atomic():
        at = clock.now()
        try:
            with transaction.atomic():
                terms = CreditTerms.objects.create(
                    user_id=user_id, limit=limit, due_day=due_day, reason=reason, asked_by=actor, asked_at=at
                )
        except IntegrityError as error:
            if "credit_terms_one_waiting" not in str(error):
                raise
            raise Moved from error
        detail = {"amount": str(limit), "reason": reason}
        record(action=ASK, at=at, actor=actor, target=terms, detail=detail, address=address)
    return terms


def grant_terms(*, terms_id: int, actor: User, address: str | None = None) -> CreditLine:
    """Another person lets the limit be; what was used above it stays used. Locks the wish, then the line.

    Raises Moved, OwnMatter, SamePerson. Audited.
    """
    with transaction.atomic():
        at = clock.now()
        terms = _decide(terms_id, CreditTerms.State.GRANTED, GRANT, actor, address)
        line = lock_line(terms.user_id)
        if line is None:
            line = CreditLine(user_id=terms.user_id, created_at=at)
        was = line.state if line.pk else ""
        line.limit, line.due_day = terms.limit, terms.due_day
        line.save()
        CreditMove.objects.create(
            line=line,
            from_state=was,
            to_state=line.state,
            limit=line.limit,
            at=at,
            actor_id=actor.pk,
            note=terms.reason,
        )
        tell(line, "granted", at)
    return line


def refuse_terms(*, terms_id: int, actor: User, address: str | None = None) -> CreditTerms:
    """Another person does not. Locks the wish. Raises Moved, OwnMatter, SamePerson. Audited."""
    with transaction.atomic():
        return _decide(terms_id, CreditTerms.State.REFUSED, REFUSE, actor, address)


def _decide(terms_id: int, state: str, act: str, actor: User, address: str | None) -> CreditTerms:
    at = clock.now()
    terms = lock_one(CreditTerms.objects.filter(pk=terms_id))
    if terms.state != CreditTerms.State.WAITING:
        raise Moved
    require_another(actor, terms.user_id)
    require_other(terms.asked_by_id, actor)
    if state == CreditTerms.State.GRANTED:
        check_two_persons(terms.asked_by_id, actor, at=at)
    terms.state, terms.decided_by, terms.decided_at = state, actor, at
    terms.save(update_fields=["state", "decided_by", "decided_at"])
    record(action=act, at=at, actor=actor, target=terms, detail={"amount": str(terms.limit)}, address=address)
    return terms


def freeze_line(*, user_id: int, reason: str, actor: User, address: str | None = None) -> CreditLine:
    """Nothing more is lent until somebody lifts it; repaying does not. Locks the line. Raises Moved, ReasonNeeded. Audited."""
    return _set(user_id, State.FROZEN, FREEZE, "frozen", reason, actor, address)


def unfreeze_line(*, user_id: int, reason: str, actor: User, address: str | None = None) -> CreditLine:
    """Lift what a person or the calendar froze; what is still overdue freezes it again the next day. Locks the line.

    Raises Moved, ReasonNeeded, OwnMatter. Audited.
    """
    return _set(user_id, State.ACTIVE, UNFREEZE, "unfrozen", reason, actor, address)


def _set(user_id: int, state: str, act: str, what: str, reason: str, actor: User, address: str | None) -> CreditLine:
    reason = read_reason(reason)
    require_another(actor, user_id)
    with transaction.atomic():
        at = clock.now()
        line = lock_line(user_id)
        if line is None or state not in CreditLine.MOVES[State(line.state)]:
            raise Moved
        move_line(line, state, at=at, actor_id=actor.pk, note=reason)
        tell(line, what, at)
        record(action=act, at=at, actor=actor, target=line, detail={"reason": reason}, address=address)
    return line
