"""Benefits that give something: points for what was bought, and the birthday that gifts go by."""

import math
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from common import clock
from common.clock import day_of
from common.locks import lock_one
from events.contracts import OrderDelivered, OrderRefunded
from membership.exceptions import BirthdayKnown, NotABirthday
from membership.models import Birthday, MemberTier, PointsBack, PointsEntry, TierDecision
from membership.selectors.perks import perks_of_tier
from membership.selectors.rules import program_for, version_in_force
from membership.services.points import grant_points, reverse_points

EARLIEST_YEAR = 1900


def give_points_back(*, order: OrderDelivered, at: datetime) -> int:
    """Grant what the member's tier gives back on delivered lines; returns how many points. Known lines change nothing.

    The tier is the one held when the order was paid, by the rules of that time. Locks a row per line, then the points.
    """
    if order.user_id is None:
        return 0
    rate = _rate_at(order.user_id, order.storefront_id, order.paid_at)
    given = 0
    with transaction.atomic():
        for line in sorted(order.lines, key=lambda line: line.id):
            row = _locked_row(line.id, order.user_id, line.cash)
            if row.rate is not None:
                continue
            row.rate, row.cash = rate, line.cash
            row.granted = _due(row)
            row.save(update_fields=["rate", "cash", "granted"])
            if row.granted:
                grant_points(
                    user_id=order.user_id, amount=row.granted, cause=PointsEntry.Cause.BACK, ref=_ref(row), at=at
                )
                given += row.granted
    return given


def take_points_back(*, refund: OrderRefunded, at: datetime) -> int:
    """Take the points of refunded money back; returns how many. A refund told before its delivery lowers what that gives.

    Locks a row per line, then the points.
    """
    if refund.user_id is None:
        return 0
    taken = 0
    with transaction.atomic():
        for line in sorted(refund.lines, key=lambda line: line.id):
            row = _locked_row(line.id, refund.user_id, line.cash)
            if refund.refund_ref in row.refunds:
                continue
            row.refunds[refund.refund_ref] = str(line.amount)
            amount = row.granted - row.taken_back - _due(row)
            row.taken_back += max(amount, 0)
            row.save(update_fields=["refunds", "taken_back"])
            if amount > 0:
                ref = f"{_ref(row)}:{refund.refund_ref}"[:80]
                reverse_points(user_id=refund.user_id, of_ref=_ref(row), ref=ref, at=at, amount=amount)
                taken += amount
    return taken


def tell_birthday(*, user_id: int, day: date) -> Birthday:
    """Keep a member's birthday, once: whoever could change it would have several a year. Raises NotABirthday, BirthdayKnown."""
    with transaction.atomic():
        at = clock.now()
        if not day.year >= EARLIEST_YEAR or day > day_of(at):
            raise NotABirthday
        row = Birthday(user_id=user_id, day=day, month_day=day.month * 100 + day.day, told_at=at)
        Birthday.objects.bulk_create([row], ignore_conflicts=True)
        known = Birthday.objects.get(pk=user_id)
        if known.day != day:
            raise BirthdayKnown
    return known


def is_birthday(day: date, at: datetime) -> bool:
    """Whether somebody who is alive at `at` may have been born on it."""
    return day.year >= EARLIEST_YEAR and day <= day_of(at)


def correct_birthday(*, user_id: int, day: date) -> Birthday:
    """Staff set right what a member typed wrongly. Locks the row. Raises NotABirthday, Birthday.DoesNotExist."""
    with transaction.atomic():
        if not is_birthday(day, clock.now()):
            raise NotABirthday
        row = lock_one(Birthday.objects.filter(pk=user_id))
        row.day, row.month_day = day, day.month * 100 + day.day
        row.save(update_fields=["day", "month_day"])
    return row


def _locked_row(line_id: int, user_id: int, cash: Decimal) -> PointsBack:
    row = PointsBack(line_id=line_id, user_id=user_id, cash=cash)
    PointsBack.objects.bulk_create([row], ignore_conflicts=True)
    return lock_one(PointsBack.objects.filter(pk=line_id))


def _ref(row: PointsBack) -> str:
    return f"back:{row.line_id}"


def _due(row: PointsBack) -> int:
    """The points of what the member kept, in whole points: the shop gives no more than it promised."""
    kept = row.cash - sum(map(Decimal, row.refunds.values()), Decimal(0))
    return max(math.floor(kept * (row.rate or 0)), 0)


def _rate_at(user_id: int, storefront_id: int, at: datetime) -> Decimal:
    program = program_for(storefront_id)
    member = MemberTier.objects.filter(user=user_id, program=program).first()
    if member is None:
        return Decimal(0)
    held = TierDecision.objects.filter(member=member, at__lte=at).order_by("-at", "-pk")
    rank = held.values_list("to_rank", flat=True).first()
    version = version_in_force(program.pk, at)
    return perks_of_tier(version.tiers.get(member.rank if rank is None else rank)).back
