"""Decides whether one condition implies another, and whether conditions can hold together.

Conditions that only ask for "at least" are decided exactly within one metric. What depends on how metrics hang
together (orders and spend, check-ins and points) is answered with None: not decided.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import product

from membership.rules.catalogue import Kind, Missing
from membership.rules.nodes import Condition, Leaf, leaves

# More alternatives than this are not multiplied out; the answer is then "not decided".
MAX_ALTERNATIVES = 2000

# Metrics that move together: one of them says something of the others, we do not say what.
_FAMILIES = (
    frozenset({"spend", "orders", "buy_days", "streak"}),
    frozenset({"activity", "checkin", "review", "online_days", "orders", "buy_days"}),
    frozenset({"contrib", "invitee_active", "invitee_spend"}),
    frozenset({"dispute_rate", "positive_rate", "disputes_upheld", "credit", "review", "orders"}),
)

Alternative = tuple[Leaf, ...]
# The most that what a leaf measures can be; None where there is always more.
Most = Callable[[Leaf], Decimal | None]


def by_nature(leaf: Leaf) -> Decimal | None:
    return leaf.metric.most(leaf.win)


def implies(first: Condition, second: Condition) -> bool | None:
    """Whether everybody who meets `first` meets `second`.

    Each alternative of `first` is taken as the poorest member who meets it; as more never hurts, `second` holds for all
    if it holds for those.
    """
    if not (asks_for_more(first) and asks_for_more(second)):
        return None
    alternatives = _alternatives([first])
    if alternatives is None:
        return None
    return _all(_holds(second, alternative) for alternative in alternatives)


def satisfiable(conditions: Sequence[Condition], most: Most = by_nature) -> bool:
    """False when no member can meet all of the conditions at once."""
    alternatives = _alternatives(conditions)
    return alternatives is None or not all(_contradicts(alternative, most) for alternative in alternatives)


def asks_for_more(condition: Condition) -> bool:
    return all(
        leaf.v is True and leaf.op == "==" if leaf.metric.kind is Kind.FLAG else leaf.op in (">=", ">")
        for leaf in leaves(condition)
    )


def _alternatives(conditions: Iterable[Condition]) -> list[Alternative] | None:
    """The conditions together, as alternatives of leaves that hold together; None when there are too many."""
    result: list[Alternative] = [()]
    for condition in conditions:
        parts = _spread(condition)
        if parts is None or len(parts) * len(result) > MAX_ALTERNATIVES:
            return None
        result = [left + right for left, right in product(result, parts)]
    return result


def _spread(condition: Condition) -> list[Alternative] | None:
    if isinstance(condition, Leaf):
        return [(condition,)]
    if condition.kind == "all":
        return _alternatives(condition.children)
    joined: list[Alternative] = []
    for child in condition.children:
        parts = _spread(child)
        if parts is None or len(joined) + len(parts) > MAX_ALTERNATIVES:
            return None
        joined += parts
    return joined


def _holds(condition: Condition, known: Alternative) -> bool | None:
    if isinstance(condition, Leaf):
        return _leaf_holds(condition, known)
    results = [_holds(child, known) for child in condition.children]
    return _all(results) if condition.kind == "all" else _any(results)


def _leaf_holds(wanted: Leaf, known: Alternative) -> bool | None:
    if wanted.metric.missing is Missing.ZERO and _least(wanted) <= 0:
        return True
    if any(_gives(leaf, wanted) for leaf in known):
        return True
    return None if any(_related(leaf, wanted) for leaf in known) else False


def _gives(known: Leaf, wanted: Leaf) -> bool:
    if (known.m, known.w) != (wanted.m, wanted.w):
        return False
    if known.metric.kind is Kind.FLAG:
        return True
    wider = known.win == wanted.win or known.metric.accumulates and wanted.win.covers(known.win)
    return wider and _least(known) >= _least(wanted)


def _related(known: Leaf, wanted: Leaf) -> bool:
    if known.m == wanted.m:
        # A ratio over one window says something of the ratio over another, and weights are somebody's choice.
        return known.w != wanted.w or not known.metric.accumulates and known.win != wanted.win
    return any(known.m in family and wanted.m in family for family in _FAMILIES)


def _contradicts(alternative: Alternative, most: Most) -> bool:
    return any(_too_much(low, most) or any(_excludes(low, high) for high in alternative) for low in alternative)


def _too_much(leaf: Leaf, most: Most) -> bool:
    """Asks for more than there can be."""
    if leaf.op not in (">=", ">", "==") or leaf.metric.kind is Kind.FLAG:
        return False
    ceiling = most(leaf)
    return ceiling is not None and _least(leaf) > ceiling


def _excludes(low: Leaf, high: Leaf) -> bool:
    """`low` asks for more than `high` allows; of a longer window, `high` speaks of the shorter one too."""
    if (low.m, low.w) != (high.m, high.w):
        return False
    if low.metric.kind is Kind.FLAG:
        return (low.v if low.op == "==" else not low.v) != (high.v if high.op == "==" else not high.v)
    if low.op not in (">=", ">", "==") or high.op not in ("<=", "<", "=="):
        return False
    within = low.win == high.win or low.metric.accumulates and high.win.covers(low.win)
    return within and _least(low) > _most(high)


def _least(leaf: Leaf) -> Decimal:
    """The smallest value that meets an "at least" or "exactly"."""
    return Decimal(leaf.v) + (leaf.metric.step if leaf.op == ">" else 0)


def _most(leaf: Leaf) -> Decimal:
    return Decimal(leaf.v) - (leaf.metric.step if leaf.op == "<" else 0)


def _all(results: Iterable[bool | None]) -> bool | None:
    results = list(results)
    if False in results:
        return False
    return None if None in results else True


def _any(results: Iterable[bool | None]) -> bool | None:
    results = list(results)
    if True in results:
        return True
    return None if None in results else False
