"""A member's friends, by names that tell nobody who they are."""

from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator
from django.db.models import Count, IntegerField, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from membership.models import ActiveDay, EarningRules, InviteCode, Referral


@dataclass(frozen=True)
class Friend:
    """Somebody who came by the member's link. `days` of `needed` active days."""

    name: str
    joined_at: datetime
    days: int
    needed: int
    is_active: bool
    points: int

    @property
    def percent(self) -> int:
        return 100 if self.is_active else min(99, self.days * 100 // self.needed)


@dataclass(frozen=True)
class InviteSums:
    invited: int
    active: int
    points: int


def masked(user: User) -> str:
    """The first letter of what somebody is called, and stars: a friend recognises it and a stranger does not."""
    name = user.display_name or user.username
    return f"{name[:1]}**" if len(name) < 4 else f"{name[:1]}**{name[-1:]}"


def invite_sums(user_id: int) -> InviteSums:
    sums = Referral.objects.filter(inviter=user_id).aggregate(
        invited=Count("id"), active=Count("active_at"), points=Sum("inviter_points")
    )
    return InviteSums(sums["invited"], sums["active"], sums["points"] or 0)


def invited_friends(*, user_id: int, page: int | str, per_page: int = 20) -> Page:
    """A page of Friend, the newest first."""
    needed = EarningRules.objects.get().invite_days
    days = (
        ActiveDay.objects.filter(user=OuterRef("invitee"))
        .order_by()
        .values("user")
        .annotate(n=Count("day"))
        .values("n")
    )
    rows = (
        Referral.objects.filter(inviter=user_id)
        .select_related("invitee")
        .annotate(days=Coalesce(Subquery(days, output_field=IntegerField()), 0))
        .order_by("-id")
    )
    found = Paginator(rows, per_page).get_page(page)
    found.object_list = [
        Friend(
            name=masked(row.invitee),
            joined_at=row.joined_at,
            days=min(row.days, needed),
            needed=needed,
            is_active=row.active_at is not None,
            points=row.inviter_points,
        )
        for row in found.object_list
    ]
    return found


def invite_rules() -> EarningRules:
    return EarningRules.objects.get()


def inviter_of_code(code: str) -> User | None:
    """Whose link it is; None for nobody's, or somebody's who may no longer sign in."""
    found = InviteCode.objects.filter(code=code.strip().upper()).select_related("user").first()
    return found.user if found is not None and found.user.is_active else None
