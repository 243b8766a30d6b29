"""Reading points: what a person can spend, what ends soon, and whether the books are right."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet, Sum

from common.clock import day_of, today_range
from common.findings import Findings, find
from membership.models import EarningRules, PointsAccount, PointsEntry
from membership.selectors.person import Person, usable_lots

SOON = timedelta(days=30)
Cause = PointsEntry.Cause
# Everyday earnings, which the daily and weekly caps bound.
CAPPED = (Cause.CHECK_IN, Cause.STREAK, Cause.TASK)


@dataclass(frozen=True)
class PointsEnding:
    """Points that end at a moment."""

    amount: int
    at: datetime


@dataclass(frozen=True)
class PointsShown:
    """What a person has now. `ending` is what ends within 30 days, the next first; `owed` will be kept of what comes in."""

    balance: int
    owed: int
    ending: tuple[PointsEnding, ...]

    @property
    def ending_soon(self) -> int:
        return sum(one.amount for one in self.ending)


def points_balance(*, user_id: int, at: datetime) -> int:
    """What can be spent now; what has ended and is not taken off yet counts no more."""
    return usable_lots(user_id, at).aggregate(sum=Sum("left"))["sum"] or 0


@dataclass(frozen=True)
class EverydayCaps:
    """The most points that check-ins and tasks bring on a day and in a week (0: no end), and what they brought by now."""

    daily: int
    weekly: int
    today: int
    this_week: int

    @property
    def left(self) -> list[int]:
        """What each cap that there is leaves, never less than nothing."""
        pairs = ((self.daily, self.today), (self.weekly, self.this_week))
        return [max(cap - earned, 0) for cap, earned in pairs if cap]

    @property
    def is_week_full(self) -> bool:
        return 0 < self.weekly <= self.this_week

    @property
    def is_day_full(self) -> bool:
        return 0 < self.daily <= self.today


def member_points(*, user_id: int, at: datetime) -> PointsShown:
    rows = usable_lots(user_id, at).values_list("expires_at").annotate(sum=Sum("left")).order_by("expires_at")
    owed = PointsAccount.objects.filter(pk=user_id).values_list("owed", flat=True).first() or 0
    return _shown(rows, owed, at)


def points_of(person: Person) -> PointsShown:
    """The same of a person who was read already."""
    return _shown(person.lots, person.owed, person.at)


def _shown(lots: Iterable[tuple[datetime, int]], owed: int, at: datetime) -> PointsShown:
    ends = [PointsEnding(amount, ended) for ended, amount in lots]
    soon = tuple(one for one in ends if one.at <= at + SOON)
    return PointsShown(balance=sum(one.amount for one in ends), owed=owed, ending=soon)


def everyday_caps(user_id: int, rules: EarningRules, at: datetime) -> EverydayCaps:
    """What the caps of the day and of the week leave a person of everyday earnings."""
    if not rules.daily_points and not rules.weekly_points:
        return EverydayCaps(0, 0, 0, 0)
    start, end = today_range(at)
    monday = start - timedelta(days=day_of(at).weekday())
    # The week as a whole: who waited for a lock over midnight may find what the next day earned.
    week = PointsEntry.objects.filter(account=user_id, kind=PointsEntry.Kind.EARN, cause__in=CAPPED)
    week = week.filter(at__gte=monday, at__lt=monday + timedelta(days=7))
    earned = week.aggregate(day=Sum("amount", filter=Q(at__gte=start, at__lt=end)), week=Sum("amount"))
    return EverydayCaps(rules.daily_points, rules.weekly_points, earned["day"] or 0, earned["week"] or 0)


def points_statement(user_id: int) -> QuerySet[PointsEntry]:
    """The person's entries, newest first."""
    return PointsEntry.objects.filter(account=user_id).order_by("-id")


def audit_points() -> dict[str, Findings]:
    """What is wrong with the points, empty findings where nothing is."""
    return {
        "points_unlike_entries": find(
            "SELECT a.user_id, a.balance, COALESCE(SUM(e.amount), 0) FROM membership_pointsaccount a"
            " LEFT JOIN membership_pointsentry e ON e.account_id = a.user_id"
            " GROUP BY a.user_id HAVING a.balance <> COALESCE(SUM(e.amount), 0)"
        ),
        "points_unlike_lots": find(
            'SELECT a.user_id, a.balance, COALESCE(SUM(l."left"), 0) FROM membership_pointsaccount a'
            " LEFT JOIN membership_pointslot l ON l.account_id = a.user_id"
            ' GROUP BY a.user_id HAVING a.balance <> COALESCE(SUM(l."left"), 0)'
        ),
        "points_lots_unlike_draws": find(
            'SELECT l.id, l.amount, l."left", COALESCE(SUM(d.amount), 0) FROM membership_pointslot l'
            " LEFT JOIN membership_pointsdraw d ON d.lot_id = l.id"
            ' GROUP BY l.id HAVING l.amount - l."left" <> COALESCE(SUM(d.amount), 0)'
        ),
        "points_entries_unlike_lots_and_draws": find(
            "SELECT e.id, e.ref, e.amount FROM membership_pointsentry e WHERE e.amount <>"
            " (SELECT COALESCE(SUM(l.amount), 0) FROM membership_pointslot l WHERE l.entry_id = e.id)"
            " - (SELECT COALESCE(SUM(d.amount), 0) FROM membership_pointsdraw d WHERE d.entry_id = e.id)"
        ),
        "points_owed_unlike_entries": find(
            "SELECT a.user_id, a.owed FROM membership_pointsaccount a"
            " LEFT JOIN membership_pointsentry e ON e.account_id = a.user_id GROUP BY a.user_id"
            " HAVING a.owed <> COALESCE(SUM(e.short), 0)"
            " + COALESCE(SUM(e.amount) FILTER (WHERE e.kind = 'settle'), 0) OR (a.owed > 0 AND a.balance > 0)"
        ),
        "points_undone_twice": find(
            "SELECT o.ref, o.amount, SUM(r.amount) FROM membership_pointsentry o"
            " JOIN membership_pointsentry r ON r.account_id = o.account_id AND r.reverses = o.ref"
            " GROUP BY o.id HAVING SUM(abs(r.amount) + r.short) > abs(o.amount)"
        ),
        "points_entries_without_reference": find(
            "SELECT e.id, e.ref FROM membership_pointsentry e"
            " LEFT JOIN membership_pointsref r ON r.ref = e.ref AND r.entry_id = e.id WHERE r.ref IS NULL"
        ),
    }
