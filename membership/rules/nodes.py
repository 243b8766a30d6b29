"""What a rule set is once parsed: frozen values that can be compared, hashed and written back as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property

from membership.rules.catalogue import METRICS, Kind, Metric, Window

# A threshold: money, ratios and whole numbers are Decimal, flags are bool.
Value = Decimal | bool


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison of a metric over a window, such as spend over 30 days >= 1000.00."""

    m: str
    win: Window
    op: str
    v: Value
    w: str | None = None  # a table of category weights
    dyn: str | None = None  # a formula that may lower the threshold for one member

    @property
    def metric(self) -> Metric:
        return METRICS[self.m]

    @property
    def key(self) -> str:
        """What is measured, without the threshold: `spend:30d:cat_v3`."""
        return ":".join(part for part in (self.m, str(self.win), self.w) if part)


@dataclass(frozen=True, slots=True)
class Group:
    """`all` or `any` of its children."""

    kind: str
    children: tuple["Condition", ...]


Condition = Leaf | Group


@dataclass(frozen=True, slots=True)
class Scale:
    """Keep while the thresholds of `enter`, times this factor, hold."""

    factor: Decimal


# A tier that says nothing of keeping is kept at this share of what entering asks for. Sums over the whole life do not
# fall, so that a tier entered by them alone stays.
DEFAULT_KEEP = Scale(Decimal("0.9"))


@dataclass(frozen=True, slots=True)
class Tier:
    rank: int
    name: str
    name_en: str = ""
    enter: Condition | None = None
    keep: Condition | Scale | None = None
    gates: tuple[Condition, ...] = ()
    min_stay_days: int = 14
    grace_days: int = 14
    down: str = "one"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Spend that does not count: a part of the payment, or a whole category. `reason` is shown to the member."""

    reason: str
    part: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """So many actions within one window grant points, once per window."""

    id: str
    window: str
    needs: tuple[tuple[str, int], ...]
    grants: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Cap:
    m: str
    per: str
    max: int


@dataclass(frozen=True, slots=True)
class Multiplier:
    """Points earned from one day to another, both included, are multiplied."""

    m: str
    factor: Decimal
    first: date
    last: date


# For how long a lower threshold is offered, in days.
OFFER_DAYS = 30


@dataclass(frozen=True, slots=True)
class Dynamic:
    """A member who has waited longer than the mean stay while activity rises needs only `factor` of the threshold."""

    factor: Decimal
    rising_days: int


@dataclass(frozen=True, slots=True)
class Jump:
    id: str
    up: int
    when: Condition


@dataclass(frozen=True)
class RuleSet:
    tiers: tuple[Tier, ...]  # by rank
    schema: int = 1
    timezone: str = "Asia/Shanghai"
    counts: str = "delivered"
    weights: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    exclude: tuple[Exclusion, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    caps: tuple[Cap, ...] = ()
    multipliers: tuple[Multiplier, ...] = ()
    dynamic: Mapping[str, Dynamic] = field(default_factory=dict)
    jumps: tuple[Jump, ...] = ()

    @property
    def default_tier(self) -> Tier:
        return self.tiers[0]

    def tier(self, rank: int) -> Tier:
        """Raises KeyError for a rank that the rule set does not have."""
        return self.by_rank[rank]

    @cached_property
    def by_rank(self) -> Mapping[int, Tier]:
        return {tier.rank: tier for tier in self.tiers}

    @cached_property
    def asked(self) -> tuple[tuple[str, Window], ...]:
        """What conditions measure, each once: metric and window. Every step of every member asks."""
        return tuple(dict.fromkeys((leaf.m, leaf.win) for leaf in self.leaves()))

    def tier_after(self, rank: int) -> Tier | None:
        return next((tier for tier in self.tiers if tier.rank > rank), None)

    def weight_of(self, table: str | None, category: str) -> Decimal:
        """The factor with which spend in a category counts; 1 where no table says otherwise."""
        weights = self.weights.get(table, {}) if table else {}
        return weights.get(category, weights.get("default", Decimal(1)))

    def conditions(self) -> Iterator[Condition]:
        """Every condition that the rule set states."""
        for tier in self.tiers:
            if tier.enter is not None:
                yield tier.enter
            if isinstance(tier.keep, Leaf | Group):
                yield tier.keep
            yield from tier.gates
        for jump in self.jumps:
            yield jump.when

    def leaves(self) -> Iterator[Leaf]:
        for condition in self.conditions():
            yield from leaves(condition)


def leaves(condition: Condition) -> Iterator[Leaf]:
    """The comparisons of a condition, from left to right."""
    if isinstance(condition, Leaf):
        yield condition
        return
    for child in condition.children:
        yield from leaves(child)


def scaled(condition: Condition, factor: Decimal) -> Condition:
    """The condition with every `at least` threshold times `factor`; upper limits and exact values get no slack.

    Thresholds are rounded up to the metric's step, which changes nothing for values on that step.
    """
    if isinstance(condition, Group):
        return Group(condition.kind, tuple(scaled(child, factor) for child in condition.children))
    if condition.op not in (">=", ">") or condition.metric.kind is Kind.FLAG:
        return condition
    step = condition.metric.step
    whole, rest = divmod(Decimal(condition.v) * factor, step)
    if rest and condition.op == ">=":
        whole += 1
    return Leaf(condition.m, condition.win, condition.op, whole * step, condition.w, condition.dyn)


def rounded_up(leaf: Leaf, value: Decimal) -> Decimal:
    """On the step of the leaf's metric, not below `value`."""
    step = leaf.metric.step
    whole, rest = divmod(value, step)
    return (whole + 1 if rest else whole) * step
