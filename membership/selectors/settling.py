"""Spend that waits for its settlement: which orders still have to be counted, and what has been meanwhile."""

from collections.abc import Iterable

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Replace

from events.contracts import OrderSettled
from membership.engine.facts import UNSETTLED
from membership.models import Activity, ActivitySeen


def orders_that_wait(orders: Iterable[OrderSettled]) -> set[int]:
    """The numbers of those of the settled orders whose spend is not in the ledger yet: most counted when delivered."""
    by_ref = {f"line:{line.id}:spend": one.order_id for one in orders if one.user_id is not None for line in one.lines}
    seen = set(ActivitySeen.objects.filter(ref__in=by_ref).values_list("ref", flat=True))
    return {order_id for ref, order_id in by_ref.items() if ref not in seen}


def without_settled_waits(rows: QuerySet[Activity]) -> QuerySet[Activity]:
    """The rows without those that waited for a settlement which has come: the spend itself stands beside them.

    `counts_as` is the reference of the spend as it counts, settled or not, which refunds name.
    """
    rows = rows.annotate(counts_as=Replace(F("source_ref"), Value(f":{UNSETTLED}"), Value(":spend")))
    counted = ActivitySeen.objects.filter(ref=OuterRef("counts_as"))
    return rows.exclude(Q(Exists(counted), invalid_reason=UNSETTLED))
