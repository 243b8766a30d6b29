"""Random rules and members, for property tests of everything that reads the rule form."""

from decimal import Decimal

from hypothesis import strategies as st

from membership.rules.catalogue import METRICS, Kind, Span, Window
from membership.rules.nodes import Dynamic, Group, Jump, Leaf, RuleSet, Scale, Tier

KINDS = {
    Kind.MONEY: st.integers(0, 500_000).map(lambda cents: Decimal(cents) / 100),
    Kind.COUNT: st.integers(0, 2000).map(Decimal),
    Kind.RATIO: st.integers(0, 10_000).map(lambda part: Decimal(part) / 10_000),
    Kind.SCORE: st.integers(0, 100).map(Decimal),
    Kind.FLAG: st.booleans(),
}


def windows(metric):
    choices = []
    if Span.DAYS in metric.spans:
        choices.append(st.integers(1, 400).map(lambda days: Window(Span.DAYS, days)))
    choices += [st.just(Window(span)) for span in sorted(metric.spans - {Span.DAYS})]
    return st.one_of(choices)


@st.composite
def leaf_nodes(draw, ops=None, names=tuple(METRICS)):
    metric = METRICS[draw(st.sampled_from(names))]
    if metric.kind is Kind.FLAG:
        op = "==" if ops else draw(st.sampled_from(["==", "!="]))
        value = True if ops else draw(st.booleans())
    else:
        op = draw(st.sampled_from(ops or [">=", ">", "<=", "<", "==", "!="]))
        value = draw(KINDS[metric.kind])
    if metric.kind is Kind.MONEY:
        value = value.quantize(Decimal("0.01"))
    return Leaf(metric.name, draw(windows(metric)), op, value)


def condition_nodes(ops=None, names=tuple(METRICS)):
    return st.recursive(
        leaf_nodes(ops, names),
        lambda inner: st.builds(
            Group, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=4).map(tuple)
        ),
        max_leaves=10,
    )


class Member:
    """Metrics from a mapping of (metric, window) to a value; anything else is unknown."""

    def __init__(self, values=None):
        self.values = values or {}
        self.asked = []

    def value(self, metric, window, weights):
        self.asked.append((metric, str(window), weights))
        return self.values.get((metric, str(window)), self.values.get(metric))


@st.composite
def members_for(draw, leaves):
    """A member with some, not all, of what the leaves ask for."""
    values = {}
    for leaf in leaves:
        if draw(st.booleans()):
            values[leaf.m, str(leaf.win)] = draw(KINDS[leaf.metric.kind])
    return Member(values)


# Rules and histories in a small world: few days, few amounts, so that values meet thresholds and windows their edges.

SMALL = {
    Kind.MONEY: st.integers(0, 40)
    .map(lambda steps: Decimal(steps) / 4)
    .map(lambda value: value.quantize(Decimal("0.01"))),
    Kind.COUNT: st.integers(0, 6).map(Decimal),
    Kind.RATIO: st.sampled_from(["0", "0.0312", "0.0313", "0.2", "0.25", "0.3333", "0.5", "0.6667", "1"]).map(Decimal),
    Kind.SCORE: st.sampled_from([0, 60, 80, 100]).map(Decimal),
    Kind.FLAG: st.booleans(),
}
CATEGORIES = ("game_card", "phone_credit", "video")
WEIGHTS = {
    "w1": {"default": Decimal("1"), "game_card": Decimal("1.5"), "phone_credit": Decimal("1.2")},
    "w2": {"default": Decimal("0.333"), "video": Decimal("0")},
}
DYNAMIC = {"stall": Dynamic(Decimal("0.8"), 3)}
HORIZON = 20


def small_windows(metric):
    choices = [st.just(Window(span)) for span in sorted(metric.spans - {Span.DAYS})]
    if Span.DAYS in metric.spans:
        choices.insert(0, st.integers(1, HORIZON).map(lambda days: Window(Span.DAYS, days)))
    return st.one_of(choices)


@st.composite
def small_leaves(draw):
    metric = METRICS[draw(st.sampled_from(sorted(METRICS)))]
    ops = ["==", "!="] if metric.kind is Kind.FLAG else [">=", ">", "<=", "<", "==", "!="]
    weights = draw(st.sampled_from([None, *WEIGHTS])) if metric.takes_weights else None
    op = draw(st.sampled_from(ops))
    may_fall = op == ">=" and metric.kind in (Kind.MONEY, Kind.COUNT)
    formula = draw(st.sampled_from([None, *DYNAMIC])) if may_fall else None
    return Leaf(metric.name, draw(small_windows(metric)), op, draw(SMALL[metric.kind]), weights, formula)


def small_conditions():
    return st.recursive(
        small_leaves(),
        lambda inner: st.builds(
            Group, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3).map(tuple)
        ),
        max_leaves=4,
    )


@st.composite
def rule_sets(draw):
    """Up to three tiers above the default one, with keep conditions, gates and jumps, over two tables of weights."""
    tiers = [Tier(0, "默认")]
    for rank in sorted(draw(st.sets(st.integers(1, 5), min_size=1, max_size=3))):
        enter = draw(st.none() | small_conditions())
        keeps = [st.none(), small_conditions()]
        if enter is not None:
            keeps.append(st.sampled_from(["0.5", "0.9", "1"]).map(lambda factor: Scale(Decimal(factor))))
        keep = draw(st.one_of(keeps))
        gates = tuple(draw(st.lists(small_conditions(), max_size=2)))
        stay = draw(st.sampled_from([0, 3, 14]))
        tiers.append(Tier(rank, f"等级{rank}", enter=enter, keep=keep, gates=gates, min_stay_days=stay))
    jumps = tuple(
        Jump(f"jump{number}", draw(st.integers(1, 2)), when)
        for number, when in enumerate(draw(st.lists(small_conditions(), max_size=1)))
    )
    return RuleSet(tuple(tiers), weights=WEIGHTS, dynamic=DYNAMIC, jumps=jumps)


AMOUNTS = frozenset({"spend", "invitee_spend"})
SUMMED = (
    "spend", "orders", "checkin", "review", "rated", "positive", "online_days", "activity", "contrib", "invitee_active",
    "invitee_spend", "disputes_upheld", "realname", "credit",
)  # fmt: skip


@st.composite
def day_sums(draw):
    """(days ago, metric, category, amount, quantity): what counted on a day; nothing where it was taken back."""
    metric = draw(st.sampled_from(SUMMED))
    ago = draw(st.integers(0, HORIZON + 2))
    if metric in AMOUNTS:
        category = draw(st.sampled_from(CATEGORIES)) if metric == "spend" else ""
        return ago, metric, category, draw(SMALL[Kind.MONEY]), 0
    if metric in ("realname", "credit"):
        value = int(draw(SMALL[Kind.FLAG if metric == "realname" else Kind.SCORE]))
        return ago, metric, "", *draw(st.sampled_from([(Decimal(1), value), (Decimal(0), 0)]))
    return ago, metric, "", Decimal(0), draw(st.sampled_from([0, 1, 2, 3, 32]))


# By day, metric and category: one sum each.
histories = st.lists(day_sums(), max_size=12, unique_by=lambda entry: entry[:3])
