"""Decides whether one condition implies another, and whether conditions can hold together.

Conditions that only ask for "at least" are decided exactly within one metric. What asks for anything else is implied by
itself alone. That, and what depends on how metrics hang together (orders and spend, check-ins and points), is otherwise
answered with None: not decided.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import product

from membership.rules.catalogue import Kind, Missing
from membership.rules.nodes import Condition, Leaf, leaves

# More alternatives than this are not multiplied out; the answer is then "not decided".
MAX_ALTERNATIVES = 2000
# Nor are more comparisons than this held against each other: somebody waits for the answer as they type.
MAX_PAIRS = 10_000

# Metrics that move together: one of them says something of the others, we do not say what.
_FAMILIES = (
    frozenset({"spend", "orders", "buy_days", "streak"}),
    frozenset({"activity", "checkin", "review", "online_days", "orders", "buy_days"}),
    frozenset({"contrib", "invitee_active", "invitee_spend"}),
    frozenset({"dispute_rate", "positive_rate", "disputes_upheld", "credit", "review", "orders"}),
)

# Metrics that never read more than another does over the same days.
_PARTS = {"orders": ("buy_days", "streak"), "buy_days": ("streak",)}
_NEGATED = {">=": "<", ">": "<=", "<=": ">", "<": ">=", "==": "!=", "!=": "=="}

Alternative = tuple[Leaf, ...]
# The most that what a leaf measures can be; None where there is always more.
Most = Callable[[Leaf], Decimal | None]


def by_nature(leaf: Leaf) -> Decimal | None:
    return leaf.metric.most(leaf.win)


def implies(first: Condition, second: Condition, doubtful: bool | None = None) -> bool | None:
    """Whether everybody who meets `first` meets `second`.

    Each alternative of `first` is taken as the poorest member who meets it; as more never hurts, `second` holds for all
    if it holds for those. `doubtful` is what is taken of a comparison where more may hurt, and which is not decided.
    """
    alternatives = _alternatives([first])
    if alternatives is None or sum(map(len, alternatives)) * sum(1 for _ in leaves(second)) > MAX_PAIRS:
        return None
    result: bool | None = True
    for alternative in alternatives:
        holds = _holds(second, alternative, doubtful)
        if holds is False and not _contradicts(alternative, by_nature):
            return False
        if holds is None:
            result = None
    return result


def satisfiable(conditions: Sequence[Condition], most: Most = by_nature) -> bool:
    """False when no member can meet all of the conditions at once."""
    alternatives = _alternatives(conditions)
    return alternatives is None or not all(_contradicts(alternative, most) for alternative in alternatives)


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


def _holds(condition: Condition, known: Alternative, doubtful: bool | None) -> bool | None:
    if isinstance(condition, Leaf):
        return _leaf_holds(condition, known, doubtful)
    results = [_holds(child, known, doubtful) for child in condition.children]
    return _all(results) if condition.kind == "all" else _any(results)


def _leaf_holds(wanted: Leaf, known: Alternative, doubtful: bool | None) -> bool | None:
    if any(_gives(leaf, wanted) for leaf in known) or _always_holds(wanted):
        return True
    if not _asks_for_more(wanted):
        return doubtful
    if any(_related(leaf, wanted) for leaf in known):
        return None
    return doubtful if any(leaf.m == wanted.m and not _asks_for_more(leaf) for leaf in known) else False


def _asks_for_more(leaf: Leaf) -> bool:
    return _bounds(leaf)[0] == 1 if leaf.metric.kind is Kind.FLAG else leaf.op in (">=", ">")


def _always_holds(leaf: Leaf) -> bool:
    """Whether there is no member who does not meet it."""
    negated = replace(leaf, op=_NEGATED[leaf.op], dyn=None)
    return leaf.metric.missing is not Missing.UNDEFINED and _contradicts((negated,), by_nature)


def _gives(known: Leaf, wanted: Leaf) -> bool:
    if known == wanted:
        return True
    if not (_asks_for_more(wanted) and _is_part(known, wanted)):
        return False
    low, needed = _bounds(known)[0], _bounds(wanted)[0]
    return low is not None and needed is not None and low >= needed


def _is_part(inner: Leaf, outer: Leaf) -> bool:
    """Whether what `inner` measures is never more than what `outer` does: a part of its days, or of what it counts."""
    if inner.w != outer.w or (inner.m != outer.m and inner.m not in _PARTS.get(outer.m, ())):
        return False
    return inner.win == outer.win or outer.metric.accumulates and outer.win.covers(inner.win)


def _related(known: Leaf, wanted: Leaf) -> bool:
    if known.m == wanted.m:
        # A ratio over one window says something of the ratio over another, and weights are somebody's choice.
        return known.w != wanted.w or not known.metric.accumulates and known.win != wanted.win
    return any(known.m in family and wanted.m in family for family in _FAMILIES)


def _contradicts(alternative: Alternative, most: Most) -> bool:
    return any(_leaves_nothing(leaf, alternative, most) for leaf in alternative)


def _leaves_nothing(leaf: Leaf, alternative: Alternative, most: Most) -> bool:
    """Whether all comparisons together leave no value of what `leaf` measures. Nothing reads less than zero."""
    low = max(_lows(leaf, alternative), default=Decimal(0))
    high = min(_highs(leaf, alternative, most), default=None)
    if high is None:
        return False
    left = (high - low) // leaf.metric.step + 1
    barred = {one.v for one in alternative if one.op == "!=" and one.key == leaf.key and low <= one.v <= high}
    return left <= len(barred)


def _lows(leaf: Leaf, alternative: Alternative) -> Iterator[Decimal]:
    yield Decimal(0)
    for one in alternative:
        if _is_part(one, leaf) and (low := _bounds(one)[0]) is not None:
            yield low


def _highs(leaf: Leaf, alternative: Alternative, most: Most) -> Iterator[Decimal]:
    ceiling = most(leaf)
    if ceiling is not None:
        yield ceiling
    for one in alternative:
        if _is_part(leaf, one) and (high := _bounds(one)[1]) is not None:
            yield high


def _bounds(leaf: Leaf) -> tuple[Decimal | None, Decimal | None]:
    """The least and the most that a value which meets the comparison can be. A flag is 0 or 1."""
    if leaf.metric.kind is Kind.FLAG:
        flag = Decimal(leaf.v is (leaf.op == "=="))
        return flag, flag
    step, value = leaf.metric.step, Decimal(leaf.v)
    match leaf.op:
        case ">=":
            return value, None
        case ">":
            return value + step, None
        case "<=":
            return None, value
        case "<":
            return None, value - step
        case "==":
            return value, value
    return None, None


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
