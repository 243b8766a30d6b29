"""The metrics that a rule may name: type, windows, what a missing value means, how it reads.

A rule set that names anything else is refused, so that every condition can be rendered, traced and compiled.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy


class Kind(StrEnum):
    MONEY = "money"  # yuan, two places
    COUNT = "count"  # whole number
    RATIO = "ratio"  # 0 to 1, four places
    SCORE = "score"  # whole number, 0 to 100
    FLAG = "flag"  # true or false


class Missing(StrEnum):
    """What a value that nobody recorded means."""

    ZERO = "zero"
    FALSE = "false"
    # Every comparison with an undefined value is false: no orders is not a good dispute rate.
    UNDEFINED = "undefined"


class Span(StrEnum):
    DAYS = "days"
    WEEK = "week"
    LIFE = "life"
    NOW = "now"

    # Windows are looked up for every figure that is asked for: the hash of the text, without a call into Python.
    __hash__ = str.__hash__


MAX_WINDOW_DAYS = 3650

# The smallest step by which a value of each kind can change.
STEPS = {
    Kind.MONEY: Decimal("0.01"),
    Kind.COUNT: Decimal("1"),
    Kind.RATIO: Decimal("0.0001"),
    Kind.SCORE: Decimal("1"),
    Kind.FLAG: Decimal("1"),
}

# Where a kind of values ends.
HIGHEST = {Kind.RATIO: Decimal(1), Kind.SCORE: Decimal(100)}


@dataclass(frozen=True, slots=True)
class Window:
    """`30d` (30 Shanghai days up to and including today), `week` (Monday to Sunday), `life`, `now`."""

    span: Span
    days: int = 0

    def __str__(self) -> str:
        return f"{self.days}d" if self.span is Span.DAYS else str(self.span)

    @classmethod
    def parse(cls, text: str) -> "Window":
        """Raises ValueError on anything but the four forms."""
        if text.endswith("d") and text[:-1].isascii() and text[:-1].isdecimal() and not text.startswith("0"):
            days = int(text[:-1]) if len(text) <= 5 else MAX_WINDOW_DAYS + 1
            if days > MAX_WINDOW_DAYS:
                raise ValueError(text)
            return cls(Span.DAYS, days)
        span = Span(text)
        if span is Span.DAYS:
            raise ValueError(text)
        return cls(span)

    def first_day(self, today: date) -> date | None:
        """The first day that counts; None where the window has no beginning."""
        if self.days:
            return today - timedelta(days=self.days - 1)
        if self.span is Span.WEEK:
            return today - timedelta(days=today.weekday())
        return None

    @property
    def length(self) -> int | None:
        """How many days it holds; None where it has no beginning."""
        return 7 if self.span is Span.WEEK else self.days or None

    def covers(self, other: "Window") -> bool:
        """True when whatever falls into `other` also falls into this window, whatever day it is."""
        if self == other or self.span is Span.LIFE:
            return True
        if self.span is Span.DAYS and other.span is Span.DAYS:
            return self.days >= other.days
        return self.span is Span.DAYS and other.span is Span.WEEK and self.days >= 7


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Kind
    spans: frozenset[Span]
    missing: Missing
    label: Any
    # "%(n)s 笔": how a value reads. Money, ratios and flags have a form of their own.
    unit: Any
    # "再完成 %(n)s 笔订单": what to do about a gap; `n` is the number, `text` the value with its unit.
    todo: Any
    # A longer window never reads less than a shorter one inside it.
    accumulates: bool = True
    takes_weights: bool = False
    # At most so many on one day, whatever a member does; None where nothing limits it.
    daily: int | None = None

    @property
    def step(self) -> Decimal:
        return STEPS[self.kind]

    def most(self, window: Window) -> Decimal | None:
        """The most that can ever be read over a window; None where there is always more."""
        if self.daily is not None and window.length is not None:
            return Decimal(self.daily * window.length)
        return HIGHEST.get(self.kind)


_WINDOWED = frozenset({Span.DAYS, Span.LIFE})
_WEEKLY = frozenset({Span.DAYS, Span.WEEK, Span.LIFE})
_RECENT = frozenset({Span.DAYS})
_NOW = frozenset({Span.NOW})


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "spend", Kind.MONEY, _WINDOWED, Missing.ZERO, _("有效消费"), None, _("再消费 %(text)s"), takes_weights=True
        ),
        Metric(
            "orders",
            Kind.COUNT,
            _WINDOWED,
            Missing.ZERO,
            _("有效订单"),
            ngettext_lazy("%(n)s 笔", "%(n)s 笔", "n"),
            ngettext_lazy("再完成 %(n)s 笔订单", "再完成 %(n)s 笔订单", "n"),
        ),
        Metric(
            "buy_days",
            Kind.COUNT,
            _WINDOWED,
            Missing.ZERO,
            _("有订单的天数"),
            ngettext_lazy("%(n)s 天", "%(n)s 天", "n"),
            ngettext_lazy("再有 %(n)s 天下单", "再有 %(n)s 天下单", "n"),
            daily=1,
        ),
        Metric(
            "streak",
            Kind.COUNT,
            _NOW,
            Missing.ZERO,
            _("连续下单天数"),
            ngettext_lazy("%(n)s 天", "%(n)s 天", "n"),
            ngettext_lazy("再连续下单 %(n)s 天", "再连续下单 %(n)s 天", "n"),
        ),
        Metric(
            "checkin",
            Kind.COUNT,
            _WEEKLY,
            Missing.ZERO,
            _("签到"),
            ngettext_lazy("%(n)s 次", "%(n)s 次", "n"),
            ngettext_lazy("再签到 %(n)s 次", "再签到 %(n)s 次", "n"),
            daily=1,
        ),
        Metric(
            "review",
            Kind.COUNT,
            _WEEKLY,
            Missing.ZERO,
            _("已发布的评价"),
            ngettext_lazy("%(n)s 条", "%(n)s 条", "n"),
            ngettext_lazy("再发布 %(n)s 条评价", "再发布 %(n)s 条评价", "n"),
        ),
        Metric(
            "online_days",
            Kind.COUNT,
            _WEEKLY,
            Missing.ZERO,
            _("来访天数"),
            ngettext_lazy("%(n)s 天", "%(n)s 天", "n"),
            ngettext_lazy("再来访 %(n)s 天", "再来访 %(n)s 天", "n"),
            daily=1,
        ),
        Metric(
            "activity",
            Kind.COUNT,
            _WINDOWED,
            Missing.ZERO,
            _("活跃值"),
            ngettext_lazy("%(n)s 点", "%(n)s 点", "n"),
            ngettext_lazy("再获得 %(n)s 点活跃值", "再获得 %(n)s 点活跃值", "n"),
        ),
        Metric(
            "contrib",
            Kind.COUNT,
            _WINDOWED,
            Missing.ZERO,
            _("贡献值"),
            ngettext_lazy("%(n)s 点", "%(n)s 点", "n"),
            ngettext_lazy("再获得 %(n)s 点贡献值", "再获得 %(n)s 点贡献值", "n"),
        ),
        Metric(
            "invitee_active",
            Kind.COUNT,
            _WINDOWED,
            Missing.ZERO,
            _("活跃满 30 天的受邀好友"),
            ngettext_lazy("%(n)s 人", "%(n)s 人", "n"),
            ngettext_lazy("再有 %(n)s 位受邀好友活跃满 30 天", "再有 %(n)s 位受邀好友活跃满 30 天", "n"),
        ),
        Metric(
            "invitee_spend",
            Kind.MONEY,
            _WINDOWED,
            Missing.ZERO,
            _("受邀好友的有效消费"),
            None,
            _("受邀好友再消费 %(text)s"),
        ),
        Metric(
            "dispute_rate",
            Kind.RATIO,
            _RECENT,
            Missing.UNDEFINED,
            _("纠纷率"),
            None,
            _("纠纷率再降低 %(text)s"),
            accumulates=False,
        ),
        Metric(
            "positive_rate",
            Kind.RATIO,
            _RECENT,
            Missing.UNDEFINED,
            _("好评率"),
            None,
            _("好评率再提高 %(text)s"),
            accumulates=False,
        ),
        Metric(
            "disputes_upheld",
            Kind.COUNT,
            _WINDOWED,
            Missing.ZERO,
            _("成立的投诉"),
            ngettext_lazy("%(n)s 次", "%(n)s 次", "n"),
            ngettext_lazy("还有 %(n)s 次成立的投诉未过期", "还有 %(n)s 次成立的投诉未过期", "n"),
        ),
        Metric("realname", Kind.FLAG, _NOW, Missing.FALSE, _("实名认证"), None, _("完成实名认证"), accumulates=False),
        Metric(
            "credit",
            Kind.SCORE,
            _NOW,
            Missing.UNDEFINED,
            _("信用分"),
            ngettext_lazy("%(n)s 分", "%(n)s 分", "n"),
            ngettext_lazy("信用分再提高 %(n)s 分", "信用分再提高 %(n)s 分", "n"),
            accumulates=False,
        ),
    )
}

# A shorter spelling that rule sets may use; it is stored under the full name.
ALIASES = {"disputes": "disputes_upheld"}

# Points that are granted, capped and multiplied.
POINT_METRICS = frozenset({"activity", "contrib"})
# What a member does in counts: a bundle may need them, a cap may limit them.
ACTION_METRICS = frozenset({"checkin", "review", "online_days", "orders"})
