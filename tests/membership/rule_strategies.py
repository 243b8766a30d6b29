"""Random rules and members, for property tests of everything that reads the rule form."""

from decimal import Decimal

from hypothesis import strategies as st

from membership.rules.catalogue import METRICS, Kind, Span, Window
from membership.rules.nodes import Group, Leaf

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
