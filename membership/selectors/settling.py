"""Spend that waits for its settlement: which orders still have to be counted, and what has been meanwhile."""

from collections.abc import Iterable
from decimal import Decimal

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Replace

from events.contracts import OrderSettled
from membership.engine.facts import UNSETTLED
from membership.models import Activity, ActivitySeen

# What a purchase is called by the refunds that take it back, whether it waits for its settlement or not.
COUNTS_AS = Replace(F("source_ref"), Value(f":{UNSETTLED}"), Value(":spend"))
# The same of a row `fact` of the ledger: a purchase of which something was kept.
IS_KEPT = f"""fact.metric = 'spend' AND fact.reverses = '' AND fact.amount > COALESCE((
    SELECT -SUM(back.amount) FROM membership_activity AS back WHERE back.member_id = fact.member_id
    AND back.reverses <> '' AND back.reverses = replace(fact.source_ref, ':{UNSETTLED}', ':spend')), 0)"""  # noqa: S608 - our own text


def kept_purchases(member_id: int) -> QuerySet[Activity]:
    """What a member bought and did not give back whole, whether it counts or not."""
    back = Activity.objects.filter(member=OuterRef("member"), reverses=OuterRef("counts_as")).exclude(reverses="")
    sums = back.order_by().values("reverses").annotate(sum=Sum("amount")).values("sum")
    rows = Activity.objects.filter(member=member_id, metric="spend", reverses="").annotate(counts_as=COUNTS_AS)
    return rows.annotate(taken_back=Coalesce(Subquery(sums), Decimal(0))).filter(amount__gt=-F("taken_back"))


def orders_that_wait(orders: Iterable[OrderSettled]) -> set[int]:
    """The numbers of those of the settled orders whose spend is not in the ledger yet: most counted when delivered."""
    by_ref = {f"line:{line.id}:spend": one.order_id for one in orders if one.user_id is not None for line in one.lines}
    seen = set(ActivitySeen.objects.filter(ref__in=by_ref).values_list("ref", flat=True))
    return {order_id for ref, order_id in by_ref.items() if ref not in seen}


def without_settled_waits(rows: QuerySet[Activity]) -> QuerySet[Activity]:
    """The rows without those that waited for a settlement which has come: the spend itself stands beside them.

    `counts_as` is the reference of the spend as it counts, settled or not, which refunds name.
    """
    rows = rows.annotate(counts_as=COUNTS_AS)
    counted = ActivitySeen.objects.filter(ref=OuterRef("counts_as"))
    return rows.exclude(Q(Exists(counted), invalid_reason=UNSETTLED))
