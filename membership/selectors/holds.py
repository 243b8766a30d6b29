"""Which rank a member holds between an override's end and the evaluation that tells it. Columns of the statement that reads
the member; computes no metric."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, QuerySet
from django.db.models.functions import JSONObject

from membership.engine.versions import Override as Held
from membership.engine.versions import overridden
from membership.models import MemberTier, Override


def with_overrides(members: QuerySet[MemberTier]) -> QuerySet[MemberTier]:
    """The members with `holds`, for `overrides_from`: those that the last evaluation found or that began since."""
    found = Override.objects.filter(
        member=OuterRef("pk"),
        status=Override.Status.APPROVED,
        ended_at=None,
        expires_at__gt=F("member__folded_to"),
    )
    row = JSONObject(id="id", ref="ref", kind="kind", rank="rank", since="starts_at", until="expires_at")
    return members.annotate(holds=ArraySubquery(found.values(row=row)))


def overrides_from(rows: Iterable[Mapping[str, Any]] | None) -> list[Held]:
    return [
        Held(
            row["ref"] or f"override:{row['id']}",
            row["kind"],
            row["rank"],
            datetime.fromisoformat(row["since"]),
            datetime.fromisoformat(row["until"]),
            row["ref"].startswith(Override.COUPON),
        )
        for row in rows or ()
    ]


def rank_at(rank: int, by_rules: int | None, overrides: Sequence[Held], at: datetime) -> int:
    """The rank that was shown last, unless an override ended since: then what the others leave of that of the rules."""
    if by_rules is None or last_end(overrides, at) is None:
        return rank
    # How high gates let a coupon lead is in what was shown last.
    return overridden(by_rules, overrides, at, lambda floor: min(floor, rank))[0]


def last_end(overrides: Sequence[Held], at: datetime) -> datetime | None:
    """When the last of those ended that are over; None where none is."""
    return max((one.until for one in overrides if one.until <= at), default=None)


def lifted_until(rank: int, overrides: Sequence[Held], at: datetime) -> datetime | None:
    """When the last override ends that holds a rank up; a floor may be higher than what a ceiling or a gate allows of it."""
    lifts = {Override.Kind.PIN: lambda one: one.rank == rank, Override.Kind.FLOOR: lambda one: one.rank >= rank}
    holding = (one.until for one in overrides if one.kind in lifts and lifts[one.kind](one) and one.holds(at))
    return max(holding, default=None)
