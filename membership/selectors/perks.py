"""What a member's tier gives, as the price pipeline, the shelves, the limits and staff read it; and in words for people.

Delivery order is no benefit: nothing that hands out keys reads this.
"""

from calendar import isleap
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from accounts.models import User
from common.findings import Findings, find
from common.texts import in_language
from membership.models import Benefit, Birthday, MemberTier, RuleSetVersion, TierRule
from membership.selectors.prices import plain_number, rate_text
from membership.selectors.rules import Published, holding_of

Kind = Benefit.Kind
MOST_OF_A_SKU = 100_000
FEBRUARY_28, FEBRUARY_29 = 228, 229


@dataclass(frozen=True)
class Perks:
    """The benefits of one tier. `back` is points per yuan, `unpaid` a number of orders, `priority` 0 (none) to 9.

    `gift_coupon` is the code of a coupon, `events` are codes of limited events.
    """

    tier: str = ""
    back: Decimal = Decimal(0)
    gift_points: int = 0
    gift_coupon: str = ""
    priority: int = 0
    early: timedelta = timedelta(0)
    quantity_factor: Decimal = Decimal(1)
    unpaid: int = 0
    badges: tuple[str, ...] = ()
    title: str = ""
    events: frozenset[str] = field(default_factory=frozenset)

    def most_of(self, limit: int) -> int:
        """How many the member may buy at once of what others may buy `limit` of."""
        return min(int(limit * self.quantity_factor), MOST_OF_A_SKU)


NO_PERKS = Perks()


def perks_of_tier(tier: TierRule | None) -> Perks:
    if tier is None:
        return NO_PERKS
    rows = list(tier.benefits.all())
    one = {row.kind: row for row in rows}

    def value(kind: str, otherwise: int) -> Decimal:
        found = one.get(kind)
        return found.value if found is not None and found.value is not None else Decimal(otherwise)

    gift = one.get(Kind.BIRTHDAY_GIFT)
    return Perks(
        tier=str(tier),
        back=value(Kind.POINTS_BACK, 0),
        gift_points=int(value(Kind.BIRTHDAY_GIFT, 0)),
        gift_coupon=gift.code if gift else "",
        priority=int(value(Kind.SERVICE_QUEUE, 0)),
        early=timedelta(hours=int(value(Kind.EARLY_ACCESS, 0))),
        quantity_factor=value(Kind.QUANTITY_LIMIT, 1),
        unpaid=int(value(Kind.UNPAID_LIMIT, 0)),
        badges=tuple(in_language(row.text, row.text_en) for row in rows if row.kind == Kind.BADGE),
        title=next((in_language(row.text, row.text_en) for row in rows if row.kind == Kind.TITLE), ""),
        events=frozenset(row.code for row in rows if row.kind == Kind.LIMITED_EVENT),
    )


def perks_for(*, user_id: int | None, storefront_id: int) -> Perks:
    """What the member's tier gives now; nothing for guests, and until the registration was heard of."""
    if user_id is None:
        return NO_PERKS
    return perks_of_tier(holding_of(user_id=user_id, storefront_id=storefront_id).own)


@dataclass(frozen=True)
class Step:
    """The tier that a member holds and the one above it, as far as money is concerned. None: there is none."""

    program_id: int
    own: TierRule | None
    above: TierRule | None


def next_step(*, user_id: int, storefront_id: int) -> Step:
    held = holding_of(user_id=user_id, storefront_id=storefront_id)
    return step_from(held.program.pk, held.version, held.begins_at)


def step_from(program_id: int, version: Published, rank: int) -> Step:
    """The step of somebody who holds `rank`, by the tiers of a version."""
    own = version.tiers.get(rank)
    above = (tier for tier in version.tiers.values() if own is None or tier.rank > own.rank)
    return Step(program_id, own, next(above, None))


def month_days(day: date) -> list[int]:
    """Which birthdays (month × 100 + day) are celebrated on a day: those of 29 February a day early in common years."""
    today = day.month * 100 + day.day
    return [today, FEBRUARY_29] if today == FEBRUARY_28 and not isleap(day.year) else [today]


def members_born_on(month_days: Sequence[int]) -> QuerySet[User]:
    """Members whose birthday (month × 100 + day) is one of these and who may sign in."""
    return User.objects.filter(birthday__month_day__in=month_days, is_active=True).order_by("pk")


def birthday_of(user_id: int) -> Birthday | None:
    return Birthday.objects.filter(pk=user_id).first()


def with_priority(rows: QuerySet, *, user: str, storefront: str, at: datetime) -> QuerySet:
    """The rows with `priority`: what the tier of the person in column `user` gives in the service queue, or None.

    For lists of staff, who serve people by it; what delivers goods does not read it.
    """
    mine = MemberTier.objects.filter(
        Q(program__storefront=OuterRef(storefront)) | Q(program__storefront=None), user=OuterRef(user)
    ).order_by(F("program__storefront").asc(nulls_last=True))
    version = (
        RuleSetVersion.objects.filter(program=OuterRef("member_program"), effective_from__lte=at)
        .exclude(status=RuleSetVersion.Status.DRAFT)
        .order_by("-effective_from")
    )
    given = Benefit.objects.filter(
        kind=Kind.SERVICE_QUEUE, tier__version=OuterRef("member_version"), tier__rank=OuterRef("member_rank")
    )
    return (
        rows.alias(member_program=Subquery(mine.values("program")[:1]), member_rank=Subquery(mine.values("rank")[:1]))
        .alias(member_version=Subquery(version.values("pk")[:1]))
        .annotate(priority=Subquery(given.values("value")[:1]))
    )


def benefit_text(benefit: Benefit) -> str:
    """One benefit in words, such as "每消费 1 元返 0.5 积分"."""
    own = in_language(benefit.text, benefit.text_en)
    value = benefit.value
    if value is None:
        return own or str(benefit.get_kind_display())
    number = plain_number(value)
    texts = {
        Kind.PRICE_RATE: lambda: _("会员价 %(rate)s") % {"rate": rate_text(value)},
        Kind.POINTS_BACK: lambda: _("每消费 1 元返 %(points)s 积分") % {"points": number},
        Kind.BIRTHDAY_GIFT: lambda: _("生日当天送 %(points)s 积分") % {"points": number},
        Kind.SERVICE_QUEUE: lambda: _("客服优先受理"),
        Kind.EARLY_ACCESS: lambda: _("新品提前 %(hours)s 小时购买") % {"hours": number},
        Kind.QUANTITY_LIMIT: lambda: _("单次限购放宽到 %(factor)s 倍") % {"factor": number},
        Kind.UNPAID_LIMIT: lambda: _("可同时有 %(count)s 个待付款订单") % {"count": number},
    }
    made = texts[benefit.kind]() if benefit.kind in texts else own
    if benefit.kind == Kind.BIRTHDAY_GIFT and benefit.code:
        made = _("%(gift)s和优惠券") % {"gift": made}
    return _("%(text)s（%(more)s）") % {"text": made, "more": own} if own and benefit.kind in texts else made


def audit_perks() -> dict[str, Findings]:
    """What is wrong with the points that lines gave back; empty findings where nothing is."""
    return {
        "points_back_unlike_entries": find(
            "SELECT b.line_id, b.granted, b.taken_back, e.amount FROM membership_pointsback b"
            " LEFT JOIN membership_pointsentry e ON e.ref = 'back:' || b.line_id AND e.kind = 'earn'"
            " CROSS JOIN LATERAL (SELECT COALESCE(SUM(r.short - r.amount), 0) AS back FROM membership_pointsentry r"
            " WHERE r.account_id = b.user_id AND r.kind = 'reversal' AND r.reverses = 'back:' || b.line_id) r"
            " WHERE b.granted <> COALESCE(e.amount, 0) OR b.taken_back <> r.back"
        ),
    }
