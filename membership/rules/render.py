"""Conditions and gaps as sentences, in the language that is active."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from membership.rules.catalogue import Kind, Metric, Span, Window
from membership.rules.evaluate import GroupTrace, LeafTrace, TierTrace, Trace
from membership.rules.nodes import Condition, Leaf, Value

COMPARISONS = {
    ">=": gettext_lazy("达到"),
    ">": gettext_lazy("超过"),
    "<=": gettext_lazy("不超过"),
    "<": gettext_lazy("低于"),
    "==": gettext_lazy("为"),
    "!=": gettext_lazy("不为"),
}


def value_text(value: Value | int | None, metric: Metric) -> str:
    """`¥1,000.00`, `5 笔`, `3%`, `80 分`, `是`."""
    if value is None:
        return _("暂无数据")
    if isinstance(value, bool):
        return _("是") if value else _("否")
    if metric.kind is Kind.MONEY:
        return f"¥{value:,.2f}"
    if metric.kind is Kind.RATIO:
        return f"{(value * 100).normalize():f}%"
    return metric.unit % {"n": int(value)}


def window_text(window: Window) -> str:
    match window.span:
        case Span.DAYS:
            return ngettext("近 %(n)s 天", "近 %(n)s 天", window.days) % {"n": window.days}
        case Span.WEEK:
            return _("本周")
        case Span.LIFE:
            return _("累计")
    return ""


def sentence(condition: Condition) -> str:
    """The condition as one sentence without a full stop."""
    if isinstance(condition, Leaf):
        return leaf_text(condition)
    return _joined([_nested(child, condition.kind) for child in condition.children], condition.kind)


def leaf_text(leaf: Leaf) -> str:
    metric = leaf.metric
    if metric.kind is Kind.FLAG:
        wanted = leaf.v if leaf.op == "==" else not leaf.v
        return (_("需要%(metric)s") if wanted else _("不能有%(metric)s")) % {"metric": metric.label}
    # Translators: such as "近 30 天有效消费达到 ¥1,000.00".
    text = _("%(subject)s%(comparison)s %(value)s") % {
        "subject": subject_text(leaf),
        "comparison": COMPARISONS[leaf.op],
        "value": value_text(leaf.v, metric),
    }
    return _("%(text)s（可动态下调）") % {"text": text} if leaf.dyn else text


def subject_text(leaf: Leaf) -> str:
    """What a leaf measures: `近 30 天有效消费`."""
    label, window = str(leaf.metric.label), window_text(leaf.win)
    if window:
        # Translators: such as "近 30 天有效消费"; put the window where your language wants it.
        label = _("%(window)s%(metric)s") % {"window": window, "metric": label}
    return _("%(subject)s（按 %(table)s 加权）") % {"subject": label, "table": leaf.w} if leaf.w else label


def finding_text(trace: LeafTrace) -> str:
    """What was found: `近 30 天有效消费 ¥964.00（要求达到 ¥1,000.00）`."""
    metric = trace.leaf.metric
    return _("%(subject)s %(value)s（要求%(comparison)s %(target)s）") % {
        "subject": subject_text(trace.leaf),
        "value": value_text(trace.value, metric),
        "comparison": COMPARISONS[trace.leaf.op],
        "target": value_text(trace.effective, metric),
    }


def gap_text(trace: LeafTrace) -> str:
    """What to do about one unmet leaf, such as `再消费 ¥36.00`; an empty text when it is met."""
    if trace.passed:
        return ""
    metric = trace.leaf.metric
    if trace.gap is None:
        return _("%(metric)s暂无数据") % {"metric": metric.label}
    if metric.kind is Kind.FLAG:
        return leaf_text(trace.leaf) if trace.value else str(metric.todo)
    if trace.leaf.op in (">=", ">") or metric.name == "disputes_upheld":
        return metric.todo % {"n": int(trace.gap), "text": value_text(trace.gap, metric)}
    return leaf_text(trace.leaf)


def gap_sentence(trace: Trace) -> str:
    """What is missing for a condition, such as `再消费 ¥36.00 或 再完成 2 笔订单`; an empty text when it holds."""
    if trace.passed:
        return ""
    if isinstance(trace, LeafTrace):
        return gap_text(trace)
    open_children = _telling([child for child in trace.children if not child.passed], trace.kind)
    texts = []
    for child in open_children:
        text = gap_sentence(child)
        several = isinstance(child, GroupTrace) and child.kind != trace.kind and _several_open(child)
        texts.append(_("（%(text)s）") % {"text": text} if several and len(open_children) > 1 else text)
    return _joined(texts, trace.kind)


def tier_gap_sentence(trace: TierTrace) -> str:
    """What is missing for a tier, its gates included."""
    parts = _telling([part for part in (trace.enter, *trace.gates) if part is not None and not part.passed], "all")
    return _joined([gap_sentence(part) for part in parts], "all")


def _telling(traces: Sequence[Trace], kind: str) -> list[Trace]:
    """Without what another one says already: of two sums of the same metric, what is done now moves both windows, so that
    the nearer one is enough where any will do, and the farther one is what counts where all are asked for."""
    best: dict[tuple, Trace] = {}
    for trace in map(_essence, traces):
        is_sum = isinstance(trace, LeafTrace) and trace.gap is not None and trace.leaf.op in (">=", ">")
        key = (trace.leaf.m, trace.leaf.w) if is_sum and trace.leaf.metric.accumulates else (id(trace),)
        known = best.get(key)
        if known is None or (trace.gap < known.gap if kind == "any" else trace.gap > known.gap):
            best[key] = trace
    return list(best.values())


def _essence(trace: Trace) -> Trace:
    """What is still open of a group, where that is one thing only."""
    while isinstance(trace, GroupTrace):
        left = [child for child in trace.children if not child.passed]
        if len(left) != 1:
            break
        trace = left[0]
    return trace


def _several_open(trace: GroupTrace) -> bool:
    return len(_telling([child for child in trace.children if not child.passed], trace.kind)) > 1


def _nested(condition: Condition, outer: str) -> str:
    text = sentence(condition)
    if isinstance(condition, Leaf) or condition.kind == outer or len(condition.children) == 1:
        return text
    return _("（%(text)s）") % {"text": text}


def _joined(texts: Sequence[str], kind: str) -> str:
    return (_("，并且") if kind == "all" else _("，或者")).join([*texts[:1], *map(inside, texts[1:])])


def inside(text: Any) -> str:
    """A text as it stands within a sentence: without the capital of its first word, in languages that have any.

    Words in capitals throughout, such as names by their letters, stay.
    """
    text = str(text)
    first = next((index for index, letter in enumerate(text[:2]) if letter.isalpha()), None)
    if first is None or not text[first + 1 : first + 2].islower():
        return text
    return text[:first] + text[first].lower() + text[first + 1 :]


def multiple_text(factor: Decimal) -> str:
    """`×1.5`"""
    return f"×{factor.normalize():f}"
