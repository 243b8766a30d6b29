"""Monthly rebates: paid once per member and month, corrected when the spend of a settled month changes.

An advisory lock per member makes payment and correction of one member wait for each other. Behind it stand UNIQUE
(user, month) and the ledger's reference. Every member is a transaction of its own: what was killed half-way goes on where
it stopped, and two processes at once share the work.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from audit.services import record
from common import clock
from common.clock import day_of
from common.locks import lock_name, lock_one
from common.money import ZERO
from events.contracts import RebatePaid
from events.services import emit
from marketing.exceptions import MonthNotOver, NoOwnProgram, ProgramsOverlap, RatesDoNotRise, TermsAreFixed
from marketing.models import Rebate, RebateCorrection, RebateProgram, RebateStep
from marketing.rebates import Steps, dump_steps, last_day, load_steps, month_after, month_of, rebate_of
from marketing.selectors.rebates import (
    MONTHS_BACK,
    Entitled,
    Programs,
    base_of,
    due_for,
    entitled,
    open_amounts,
    pay_date,
    rebate_ref,
)
from membership.selectors import counted_spend, own_programs
from wallet.services import pay_rebate

Progress = Callable[[int, int], None]
# What members were promised and have been paid by; the rest may change.
TERMS = ("storefront_id", "group_id", "first_month")


@dataclass
class Paid:
    """What a run did: how many members got how much, and how many settled months were corrected."""

    members: int = 0
    amount: Decimal = ZERO
    corrected: int = 0


def save_rebate_program(*, program: RebateProgram, steps: Steps, actor: User | None) -> RebateProgram:
    """Save a new or changed program with its steps. Locks the program. Audited.

    Raises RatesDoNotRise, NoOwnProgram, ProgramsOverlap, TermsAreFixed once a month was paid by it.
    """
    check_steps(steps)
    if program.storefront_id is not None and program.storefront_id not in own_programs():
        raise NoOwnProgram
    with transaction.atomic():
        if program.pk is not None:
            before = lock_one(RebateProgram.objects.filter(pk=program.pk))
            check_rebate_terms(before, program, steps)
        try:
            with transaction.atomic():
                program.save()
        except IntegrityError as error:
            if "rebate_programs_apart" not in str(error):
                raise
            raise ProgramsOverlap from error
        if _steps_of(program) != sorted(steps):
            program.steps.all().delete()
            RebateStep.objects.bulk_create(RebateStep(program=program, amount=a, rate=r) for a, r in sorted(steps))
        detail = {"steps": dump_steps(sorted(steps))}
        record(action="marketing.rebates.save", at=clock.now(), actor=actor, target=program, detail=detail)
    return program


def check_steps(steps: Steps) -> None:
    """Raises RatesDoNotRise where a higher spend would not get a higher rate, or there is no step at all."""
    ordered = sorted(steps)
    amounts, rates = [amount for amount, _ in ordered], [rate for _, rate in ordered]
    rising = len(set(amounts)) == len(amounts) and all(low < high for low, high in zip(rates, rates[1:], strict=False))
    if not ordered or not rising or amounts[0] <= 0 or not 0 < rates[0] <= rates[-1] <= 1:
        raise RatesDoNotRise


def check_rebate_terms(before: RebateProgram, after: RebateProgram, steps: Steps) -> None:
    """Raises TermsAreFixed where a month was paid by the program and it would not be the same any more."""
    paid = Rebate.objects.filter(program=before).order_by("-month").values_list("month", flat=True).first()
    if paid is None:
        return
    same = all(getattr(before, name) == getattr(after, name) for name in TERMS)
    ends = after.last_month is not None and after.last_month < paid
    if not same or ends or _steps_of(before) != sorted(steps):
        raise TermsAreFixed


def pay_due_rebates(*, at: datetime, progress: Progress | None = None) -> Paid:
    """Correct settled months, then pay every month whose day of payment has come; again, it pays what is left.

    For the task of every day. Locks each member (advisory), then the wallet.
    """
    done = Paid(corrected=correct_rebates(at=at))
    today = day_of(at)
    months = closed_months(today)
    waiting = [one for one in entitled(months=months) if pay_date(one.program, one.month) <= today]
    _pay(waiting, at, done, progress)
    _settle_open(months[0], today, at, done)
    return done


def pay_rebates(*, month: date, at: datetime, actor: User | None = None, progress: Progress | None = None) -> Paid:
    """Pay the rebates of a month that is over, whatever the day of payment; members who have theirs are passed by.

    `progress` is told (done, of how many). Audited when a person asks for it. Raises MonthNotOver.
    """
    if month_of(day_of(at)) <= month:
        raise MonthNotOver
    done = Paid(corrected=correct_rebates(at=at))
    _pay([due.entitled for due in due_for(month=month)], at, done, progress)
    if actor is not None:
        detail = {"month": f"{month:%Y-%m}", "members": done.members, "amount": str(done.amount)}
        record(
            action="marketing.rebates.pay",
            at=at,
            actor=actor,
            target_type=Rebate._meta.label,
            target_id="",
            detail=detail,
        )
    return done


def correct_rebates(*, at: datetime) -> int:
    """Compare settled months with what their spend is now; returns how many were corrected. Locks each member (advisory)."""
    months = closed_months(day_of(at))
    rows = list(
        Rebate.objects.filter(month__gte=months[-1])
        .select_related("program")
        .annotate(changed=Coalesce(Sum("corrections__amount"), ZERO))
        .order_by("pk")
    )
    spent = counted_spend(first=months[-1], last=last_day(months[0]), user_ids={row.user_id for row in rows})
    own = own_programs()
    bases = [base_of(row.program, spent.get((row.user_id, row.month), {}), own) for row in rows]
    wrong = [
        row
        for row, base in zip(rows, bases, strict=True)
        if rebate_of(load_steps(row.steps), base) != row.amount + row.changed
    ]
    return sum(_correct(row, at) for row in wrong)


def closed_months(today: date) -> list[date]:
    """The months that are over and still looked at, the latest first."""
    return [month_after(month_of(today), -number) for number in range(1, MONTHS_BACK + 1)]


def _pay(rows: Iterable[Entitled], at: datetime, done: Paid, progress: Progress | None) -> None:
    known = set(Rebate.objects.filter(month__in={row.month for row in rows}).values_list("user", "month"))
    rows = [row for row in rows if (row.user_id, row.month) not in known]
    for number, row in enumerate(rows, 1):
        paid = _pay_one(row.user_id, row.month, at)
        if paid is not None:
            done.members, done.amount = done.members + 1, done.amount + paid.paid
        if progress is not None:
            progress(number, len(rows))


def _pay_one(user_id: int, month: date, at: datetime) -> Rebate | None:
    """Settle one member's month by what is known now, under the member's lock; None where it was settled already."""
    with transaction.atomic():
        _lock(user_id)
        if Rebate.objects.filter(user=user_id, month=month).exists():
            return None
        if not User.objects.filter(pk=user_id, is_active=True).exists():
            return None  # whoever is blocked is paid once that is over
        due = entitled(months=[month], user_ids=[user_id])
        return _settle(due[0], at) if due else None


def _settle(due: Entitled, at: datetime) -> Rebate:
    carried = open_amounts(user_ids=[due.user_id]).get(due.user_id, ZERO)
    paid = max(due.amount + carried, ZERO)
    rebate = Rebate.objects.create(
        user_id=due.user_id,
        month=due.month,
        program=due.program,
        steps=dump_steps(due.steps),
        base=due.base,
        rate=due.rate,
        amount=due.amount,
        carried=carried,
        paid=paid,
        at=at,
    )
    if paid:
        ref = rebate_ref(due.user_id, due.month)
        pay_rebate(user_id=due.user_id, amount=paid, ref=ref, at=at, memo=f"{due.program.name} {due.month:%Y-%m}")
        told = RebatePaid(user_id=due.user_id, month=f"{due.month:%Y-%m}", amount=paid, paid_at=at)
        emit(told, at=at)
    return rebate


def _settle_open(month: date, today: date, at: datetime, done: Paid) -> None:
    """Pay what corrections added for members whose last month earned nothing of its own."""
    waiting = [user_id for user_id, amount in open_amounts().items() if amount > 0]
    for user_id in waiting:
        with transaction.atomic():
            _lock(user_id)
            last = Rebate.objects.filter(user=user_id).select_related("program").order_by("-month").first()
            left = open_amounts(user_ids=[user_id]).get(user_id, ZERO)
            known = last is None or last.month >= month
            if known or left <= 0 or pay_date(last.program, month) > today:
                continue
            if not User.objects.filter(pk=user_id, is_active=True).exists():
                continue
            spent = counted_spend(first=month, last=last_day(month), user_ids=[user_id]).get((user_id, month), {})
            best = Programs(month, month).best(user_id, month, spent)
            if best is not None and best.amount > 0:
                continue  # it goes with that month's own payment, on its day
            base = base_of(last.program, spent, own_programs())
            rebate = _settle(best or Entitled(user_id, month, last.program, (), base), at)
            done.members, done.amount = done.members + 1, done.amount + rebate.paid


def _correct(rebate: Rebate, at: datetime) -> bool:
    with transaction.atomic():
        _lock(rebate.user_id)
        key = (rebate.user_id, rebate.month)
        spent = counted_spend(first=rebate.month, last=last_day(rebate.month), user_ids=[rebate.user_id]).get(key, {})
        base = base_of(rebate.program, spent, own_programs())
        recorded = rebate.amount + (rebate.corrections.aggregate(sum=Sum("amount"))["sum"] or ZERO)
        change = rebate_of(load_steps(rebate.steps), base) - recorded
        if not change:
            return False
        number = rebate.corrections.count() + 1
        RebateCorrection.objects.create(rebate=rebate, number=number, base=base, amount=change, at=at)
    return True


def _lock(user_id: int) -> None:
    lock_name(f"rebate:{user_id}")


def _steps_of(program: RebateProgram) -> list[tuple[Decimal, Decimal]]:
    return list(program.steps.order_by("amount").values_list("amount", "rate"))
