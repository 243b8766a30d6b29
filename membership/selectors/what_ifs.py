"""What a what-if found, as pages read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from common.texts import in_language
from membership.models import Benefit, WhatIf
from membership.rules.parse import parse_rules
from membership.selectors.rules import published_versions, version_at
from tenancy.models import Storefront


@dataclass(frozen=True)
class Move:
    """How many members of a rank would end in which."""

    before: int
    after: int
    members: int


@dataclass(frozen=True)
class Cost:
    """What one kind of benefit gives in so many days, by today's rules and by the draft.

    `unit` is yuan, points, or coupons.
    """

    kind: str
    name: str
    unit: str
    before: Decimal
    after: Decimal

    @property
    def difference(self) -> Decimal:
        return self.after - self.before


@dataclass(frozen=True)
class Segment:
    """Members who have something in common, and how many of them would move. `kind` says what it is about."""

    kind: str
    kind_name: str
    key: str
    name: str
    members: int
    up: int
    down: int


@dataclass(frozen=True)
class Sample:
    """A member who would move, with the engine's decision: `trace` and `gap` in their stored form (TierDecision)."""

    member_id: int
    user_id: int
    name: str
    before: int
    after: int
    cause: str
    day: date
    trace: list[dict[str, Any]]
    gap: dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """The base on one day under the draft. `days_ago` is 0, 30 or 90; `cost_days` and `sales` say what costs are weighed on."""

    days_ago: int
    day: date
    members: int
    moving: int
    up: int
    down: int
    matrix: tuple[Move, ...]
    costs: tuple[Cost, ...]
    cost_days: int
    sales: int
    segments: tuple[Segment, ...]
    samples: tuple[Sample, ...]

    def count(self, before: int, after: int) -> int:
        return next((one.members for one in self.matrix if (one.before, one.after) == (before, after)), 0)


@dataclass(frozen=True)
class WhatIfResult:
    """A computation and how far it came. `pictures` is empty until it is done: today, 30 and 90 days ago.

    `tiers` names every rank of the draft and of the rules in force. `failure` says in words why it broke off.
    """

    pk: int
    version_id: int
    status: str
    policy: str
    policy_until: date | None
    asked_by: str
    asked_at: datetime
    as_of: datetime | None
    finished_at: datetime | None
    steps_done: int
    steps: int
    failure: str
    digest: str
    tiers: Mapping[int, str]
    pictures: tuple[Picture, ...]

    @property
    def is_done(self) -> bool:
        return self.status == WhatIf.Status.DONE

    @property
    def is_open(self) -> bool:
        return self.status in (WhatIf.Status.WAITING, WhatIf.Status.RUNNING)

    @property
    def ranks(self) -> list[int]:
        return sorted(self.tiers)

    @property
    def now(self) -> Picture | None:
        return self.pictures[0] if self.pictures else None


def what_if_result(what_if_id: int) -> WhatIfResult:
    """Raises WhatIf.DoesNotExist."""
    row = WhatIf.objects.select_related("version__program", "asked_by").get(pk=what_if_id)
    return WhatIfResult(
        pk=row.pk,
        version_id=row.version_id,
        status=row.status,
        policy=row.policy,
        policy_until=row.policy_until,
        asked_by=str(row.asked_by) if row.asked_by is not None else "",
        asked_at=row.asked_at,
        as_of=row.as_of,
        finished_at=row.finished_at,
        steps_done=row.steps_done,
        steps=len(WhatIf.AGO),
        failure=str(WhatIf.Failure(row.failure).label) if row.failure else "",
        digest=row.digest,
        tiers=_names(row),
        pictures=_pictures(row.result),
    )


def _names(row: WhatIf) -> dict[int, str]:
    versions = published_versions(row.version.program_id)
    known = [version_at(versions, row.as_of or row.asked_at).rules] if versions else []
    known.append(parse_rules(row.version.document))
    return {tier.rank: in_language(tier.name, tier.name_en) for rules in known for tier in rules.tiers}


def _pictures(result: dict[str, Any]) -> tuple[Picture, ...]:
    users = {one["user"] for picture in result.values() for one in picture["samples"]}
    people = {user.pk: str(user) for user in User.objects.filter(pk__in=users)}
    keys = {one[1] for picture in result.values() for one in picture["segments"] if one[0] == "storefront"}
    shops = dict(Storefront.objects.filter(pk__in=keys).values_list("pk", "name"))
    return tuple(
        _picture(int(ago), result[str(ago)], people, {str(pk): name for pk, name in shops.items()})
        for ago in WhatIf.AGO
        if str(ago) in result
    )


def _picture(ago: int, told: dict[str, Any], people: Mapping[int, str], shops: Mapping[str, str]) -> Picture:
    matrix = tuple(Move(*cell) for cell in told["matrix"])
    return Picture(
        days_ago=ago,
        day=date.fromisoformat(told["day"]),
        members=sum(one.members for one in matrix),
        moving=sum(one.members for one in matrix if one.before != one.after),
        up=sum(one.members for one in matrix if one.before < one.after),
        down=sum(one.members for one in matrix if one.before > one.after),
        matrix=matrix,
        costs=tuple(_cost(*line) for line in told["costs"]),
        cost_days=told["cost_days"],
        sales=told["sales"],
        segments=tuple(_segment(shops, *line) for line in told["segments"]),
        samples=tuple(_sample(one, people) for one in told["samples"]),
    )


def _cost(kind: str, unit: str, before: str, after: str) -> Cost:
    return Cost(kind, str(Benefit.Kind(kind).label), unit, Decimal(before), Decimal(after))


def _segment(shops: Mapping[str, str], kind: str, key: str, members: int, up: int, down: int) -> Segment:
    titles, names = segment_names()
    name = shops.get(key, key) if kind == "storefront" else names[kind, key]
    return Segment(kind, titles[kind], key, name, members, up, down)


def segment_names() -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """What the segments are called: by kind, and by kind and key."""
    titles = {
        "storefront": _("注册店铺"),
        "age": _("账户年龄"),
        "recency": _("最近一次购买"),
        "frequency": _("近 90 天订单"),
        "spend": _("近 90 天消费"),
    }
    names = {
        ("age", "30"): _("30 天内注册"),
        ("age", "90"): _("31 至 90 天"),
        ("age", "365"): _("91 至 365 天"),
        ("age", "more"): _("一年以上"),
        ("recency", "30"): _("30 天内"),
        ("recency", "90"): _("31 至 90 天前"),
        ("recency", "more"): _("90 天内没有购买"),
        ("frequency", "0"): _("没有订单"),
        ("frequency", "1"): _("1 笔"),
        ("frequency", "2"): _("2 至 4 笔"),
        ("frequency", "5"): _("5 笔及以上"),
        ("spend", "0"): _("没有消费"),
        ("spend", "1"): _("不到 ¥200"),
        ("spend", "200"): _("¥200 至 ¥999.99"),
        ("spend", "1000"): _("¥1,000 及以上"),
    }
    return titles, names


def _sample(told: dict[str, Any], people: Mapping[int, str]) -> Sample:
    return Sample(
        member_id=told["member"],
        user_id=told["user"],
        name=people.get(told["user"], ""),
        before=told["from"],
        after=told["to"],
        cause=told["cause"],
        day=date.fromisoformat(told["day"]),
        trace=told["trace"],
        gap=told["gap"],
    )
