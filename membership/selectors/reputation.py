"""What staff may record of a member's reputation, and what they recorded."""

from django.db.models import Exists, OuterRef

from membership.engine.facts import Fact
from membership.models import Activity, MemberTier

REPUTATION = ("realname", "credit", "dispute")
# A page of choices is read by a person.
OFFERED = 200


def disputable_orders(member: MemberTier) -> dict[str, Activity]:
    """The member's latest orders by subject (order:12), each with a purchase of it; whether they count or not."""
    rows = Activity.objects.filter(member=member, metric="spend", reverses="", subject__startswith="order:")
    return {row.subject: row for row in rows.order_by("-occurred_at", "-id")[:OFFERED]}


def recorded_reputation(member: MemberTier) -> dict[str, Fact]:
    """What was recorded of the member's reputation and not taken back, by reference, the newest first."""
    back = Activity.objects.filter(member=OuterRef("member"), reverses=OuterRef("source_ref")).exclude(reverses="")
    rows = Activity.objects.filter(~Exists(back), member=member, metric__in=REPUTATION, reverses="")
    return {row.source_ref: fact_of(row) for row in rows.order_by("-occurred_at", "-id")[:OFFERED]}


def fact_of(row: Activity) -> Fact:
    return Fact(
        row.source_ref, row.metric, row.occurred_at, quantity=row.quantity, value=row.value, subject=row.subject
    )
