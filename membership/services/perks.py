"""Benefits that give something: points for what was bought, and the birthday that gifts go by."""

import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from common import clock
from common.clock import day_of
from common.locks import lock_one
from common.sql import fetch, run
from events.contracts import OrderDelivered, OrderRefunded
from membership.exceptions import BirthdayKnown, NotABirthday
from membership.models import Birthday, PointsBack, PointsEntry
from membership.selectors.perks import perks_of_tier
from membership.selectors.rules import PROGRAM_OF, Published, published_versions, version_at
from membership.services.points import grant_points, reverse_points

EARLIEST_YEAR = 1900
# The tier held when an order was paid: by the last decision until then, but for what this very order lifted to.
_HELD = f"""
SELECT told.order_id, member.program_id, coalesce((
    SELECT decision.to_rank FROM membership_tierdecision AS decision
    WHERE decision.member_id = member.id AND decision.at <= told.paid_at
    AND (decision.at < told.paid_at OR decision.activity_ref NOT LIKE 'line:%%')
    ORDER BY decision.at DESC, decision.id DESC LIMIT 1
), member.rank)
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[])
    AS told (order_id, user_id, storefront_id, paid_at)
JOIN membership_membertier AS member
    ON member.user_id = told.user_id AND member.program_id = {PROGRAM_OF.format(storefront="told.storefront_id")}
"""  # noqa: S608 - our own text
_NOTHING_BACK = """
INSERT INTO membership_pointsback AS known (line_id, user_id, cash, rate, refunds, granted, taken_back)
SELECT line_id, user_id, cash, 0, '{}', 0, 0
FROM unnest(%s::bigint[], %s::bigint[], %s::numeric[]) AS line (line_id, user_id, cash)
ON CONFLICT (line_id) DO UPDATE SET rate = 0, cash = EXCLUDED.cash WHERE known.rate IS NULL
"""


def give_points_back(*, order: OrderDelivered, at: datetime) -> int:
    """Grant what the member's tier gives back on delivered lines; returns how many points. Known lines change nothing.

    The tier is the one held when the order was paid, by the rules of that time. Locks a row per line, then the points.
    """
    if order.user_id is None:
        return 0
    rate = _rates([order])[order.order_id]
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


def note_nothing_back(*, orders: Sequence[OrderDelivered]) -> set[int]:
    """Write down, for many deliveries at once, that their lines give nothing back; returns the orders whose do, and which
    `give_points_back` has yet to see. Locks the rows by line."""
    known = [order for order in orders if order.user_id is not None]
    rates = _rates(known) if known else {}
    nothing = {
        line.id: (order.user_id, line.cash) for order in known if not rates[order.order_id] for line in order.lines
    }
    if nothing:
        rows = [(line_id, *nothing[line_id]) for line_id in sorted(nothing)]
        run(_NOTHING_BACK, [list(column) for column in zip(*rows, strict=True)])
    return {order_id for order_id, rate in rates.items() if rate}


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
            back = 0
            if amount > 0:
                ref = f"{_ref(row)}:{refund.refund_ref}"[:80]
                undone = reverse_points(user_id=refund.user_id, of_ref=_ref(row), ref=ref, at=at, amount=amount).entry
                # Less than was asked where points ended unspent.
                back = undone.short - undone.amount if undone is not None else 0
            row.taken_back += back
            row.save(update_fields=["refunds", "taken_back"])
            taken += back
    return taken


def tell_birthday(*, user_id: int, day: date) -> Birthday:
    """Keep a member's birthday, once: whoever could change it would have several a year. Raises NotABirthday, BirthdayKnown."""
    with transaction.atomic():
        at = clock.now()
        if not is_birthday(day, at):
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


def _rates(orders: Sequence[OrderDelivered]) -> dict[int, Decimal]:
    """Points per yuan, by order, of the tiers that the members held when they paid; one statement for all."""
    found = dict.fromkeys((order.order_id for order in orders), Decimal(0))
    columns = [
        [getattr(order, name) for order in orders] for name in ("order_id", "user_id", "storefront_id", "paid_at")
    ]
    versions: dict[int, list[Published]] = {}
    paid = {order.order_id: order.paid_at for order in orders}
    for order_id, program_id, rank in fetch(_HELD, columns):
        if program_id not in versions:
            versions[program_id] = published_versions(program_id)
        version = version_at(versions[program_id], paid[order_id])
        found[order_id] = perks_of_tier(version.tiers.get(rank)).back
    return found
