"""Who gets which rebate for a month, how far a member is this month, and whether the books of rebates are in order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Q, QuerySet, Sum

from accounts.models import User
from common.clock import day_of
from common.findings import Findings, find
from common.money import ZERO
from marketing.models import Rebate, RebateCorrection, RebateProgram
from marketing.rebates import Next, Steps, last_day, month_after, month_of, next_step, percent, rate_of, rebate_of
from membership.selectors import counted_spend, own_programs

# Refunds, appeals and late deliveries of this many months are still looked at; nothing can be refunded that long after.
MONTHS_BACK = 12


@dataclass(frozen=True)
class Entitled:
    """What a month's spend earns a member, by the program that gives most."""

    user_id: int
    month: date
    program: RebateProgram
    steps: Steps
    base: Decimal

    @property
    def rate(self) -> Decimal:
        return rate_of(self.steps, self.base)

    @property
    def amount(self) -> Decimal:
        return rebate_of(self.steps, self.base)


@dataclass(frozen=True)
class Due:
    """One line of a payment: what the month earned, what is left to settle from before, what goes into the wallet."""

    entitled: Entitled
    carried: Decimal

    @property
    def paid(self) -> Decimal:
        return max(self.entitled.amount + self.carried, ZERO)


@dataclass(frozen=True)
class Progress:
    """This month so far, for the member. `next` is the step above, `open` what refunds left to settle (negative)."""

    program: RebateProgram
    base: Decimal
    rate: Decimal
    amount: Decimal
    next: Next | None
    pays_on: date
    open: Decimal

    @property
    def percent(self) -> str:
        return percent(self.rate)

    @property
    def owed(self) -> Decimal:
        return max(-self.open, ZERO)


class Programs:
    """The programs of some months with their steps, the storefronts' own tier programs, and who is in which group."""

    def __init__(self, first: date, last: date) -> None:
        rows = RebateProgram.objects.filter(
            Q(last_month=None) | Q(last_month__gte=first), is_active=True, first_month__lte=last
        ).prefetch_related("steps")
        self.rows = list(rows)
        self.steps = {row.pk: [(step.amount, step.rate) for step in row.steps.all()] for row in self.rows}
        self.rows = [row for row in self.rows if self.steps[row.pk]]
        self.own = own_programs()
        groups = {row.group_id for row in self.rows if row.group_id is not None}
        members = User.groups.through.objects.filter(group_id__in=groups).values_list("user_id", "group_id")
        self.grouped = set(members) if groups else set()

    @property
    def lowest(self) -> Decimal | None:
        """The spend from which on anybody gets anything; None where there is no program."""
        return min((amount for steps in self.steps.values() for amount, _rate in steps), default=None)

    def of(self, user_id: int, month: date) -> list[RebateProgram]:
        """The programs that hold for a member in a month."""
        return [
            row
            for row in self.rows
            if row.first_month <= month
            and (row.last_month is None or month <= row.last_month)
            and (row.group_id is None or (user_id, row.group_id) in self.grouped)
        ]

    def best(self, user_id: int, month: date, spent: Mapping[int, Decimal]) -> Entitled | None:
        """What gives the member most; of equal ones the older. None where no program is for them."""
        offers = [
            Entitled(user_id, month, row, self.steps[row.pk], base_of(row, spent, self.own))
            for row in self.of(user_id, month)
        ]
        return max(offers, key=lambda one: (one.amount, one.base, -one.program.pk), default=None)


def base_of(program: RebateProgram, spent: Mapping[int, Decimal], own: Mapping[int, int]) -> Decimal:
    """What of a month's spend (by tier program) a rebate program counts."""
    if program.storefront_id is None:
        return sum(spent.values(), ZERO)
    return spent.get(own.get(program.storefront_id, 0), ZERO)


def entitled(*, months: Sequence[date], user_ids: Collection[int] | None = None) -> list[Entitled]:
    """What the spend of these months earns, as far as it earns anything; of everybody or of some, by month and member."""
    if not months:
        return []
    first, last = min(months), max(months)
    programs = Programs(first, last)
    if programs.lowest is None:
        return []
    spent = counted_spend(first=first, last=last_day(last), at_least=programs.lowest, user_ids=user_ids)
    found = [programs.best(user_id, month, by_program) for (user_id, month), by_program in spent.items()]
    kept = [one for one in found if one is not None and one.amount > 0 and one.month in months]
    return sorted(kept, key=lambda one: (one.month, one.user_id))


def open_amounts(*, user_ids: Collection[int] | None = None) -> dict[int, Decimal]:
    """What is left to settle by member: earned and corrected, less what was paid. Members without are not in it."""
    rebates, corrections = Rebate.objects.all(), RebateCorrection.objects.all()
    if user_ids is not None:
        rebates = rebates.filter(user__in=user_ids)
        corrections = corrections.filter(rebate__user__in=user_ids)
    left: dict[int, Decimal] = {}
    for user_id, earned, paid in rebates.values_list("user").annotate(Sum("amount"), Sum("paid")).order_by():
        left[user_id] = earned - paid
    for user_id, change in corrections.values_list("rebate__user").annotate(Sum("amount")).order_by():
        left[user_id] += change
    return {user_id: amount for user_id, amount in left.items() if amount}


def due_for(*, month: date) -> list[Due]:
    """Who would be paid what for a month that has not been paid to them yet, the most first."""
    done = set(Rebate.objects.filter(month=month).values_list("user", flat=True))
    rows = [one for one in entitled(months=[month]) if one.user_id not in done]
    active = set(User.objects.filter(pk__in=[one.user_id for one in rows], is_active=True).values_list("pk", flat=True))
    rows = [one for one in rows if one.user_id in active]
    left = open_amounts(user_ids=[one.user_id for one in rows])
    dues = [Due(one, left.get(one.user_id, ZERO)) for one in rows]
    return sorted(dues, key=lambda due: (-due.paid, due.entitled.user_id))


def pay_date(program: RebateProgram, month: date) -> date:
    """The day on which the rebates of a month are paid."""
    return month_after(month).replace(day=program.pay_day)


def rebate_progress(*, user_id: int, at: datetime) -> Progress | None:
    """How far a member is this month, by the program that gives most; None where no program is for them."""
    month = month_of(day_of(at))
    programs = Programs(month, month)
    if not programs.of(user_id, month):
        return None
    spent = counted_spend(first=month, last=last_day(month), user_ids=[user_id]).get((user_id, month), {})
    best = programs.best(user_id, month, spent)
    if best is None:
        return None
    return Progress(
        program=best.program,
        base=best.base,
        rate=best.rate,
        amount=best.amount,
        next=next_step(best.steps, best.base),
        pays_on=pay_date(best.program, month),
        open=open_amounts(user_ids=[user_id]).get(user_id, ZERO),
    )


def rebates_of(*, user_id: int) -> QuerySet[Rebate]:
    """A member's rebates with their corrections, the latest month first."""
    return Rebate.objects.filter(user=user_id).prefetch_related("corrections").order_by("-month")


def rebate_ref(user_id: int, month: date) -> str:
    """The reference of a rebate's transfer."""
    return f"rebate:{user_id}:{month:%Y-%m}"


def audit_rebates() -> dict[str, Findings]:
    """What is wrong with rebates; empty findings where nothing is."""
    return {
        "rebates_unlike_the_ledger": find(
            "SELECT r.user_id, r.month, r.paid, e.amount FROM marketing_rebate r"
            " LEFT JOIN wallet_transferref t ON t.ref = 'rebate:' || r.user_id || ':' || to_char(r.month, 'YYYY-MM')"
            " LEFT JOIN wallet_account a ON a.user_id = r.user_id AND a.purpose = 'wallet'"
            " LEFT JOIN wallet_entry e ON e.transfer_id = t.transfer_id AND e.account_id = a.id"
            " WHERE r.paid <> COALESCE(e.amount, 0)"
        ),
        "rebate_transfers_without_rebate": find(
            "SELECT t.ref FROM wallet_transferref t WHERE t.ref LIKE 'rebate:%%' AND NOT EXISTS"
            " (SELECT 1 FROM marketing_rebate r"
            " WHERE t.ref = 'rebate:' || r.user_id || ':' || to_char(r.month, 'YYYY-MM'))"
        ),
        "rebates_corrected_below_nothing": find(
            "SELECT r.id, r.amount, SUM(c.amount) FROM marketing_rebate r"
            " JOIN marketing_rebatecorrection c ON c.rebate_id = r.id GROUP BY r.id HAVING r.amount + SUM(c.amount) < 0"
        ),
    }
