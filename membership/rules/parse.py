"""JSON to rule set. Collects every error with its path, so that an editor can mark all of them at once.

The form is closed: an unknown key, metric, window or operator is an error, never ignored.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from common.texts import listed
from membership.rules.catalogue import ACTION_METRICS, ALIASES, METRICS, POINT_METRICS, Kind, Metric, Span, Window
from membership.rules.nodes import (
    Bundle,
    Cap,
    Condition,
    Dynamic,
    Exclusion,
    Group,
    Jump,
    Leaf,
    Multiplier,
    RuleSet,
    Scale,
    Tier,
    Value,
)
from membership.rules.reading import ABSENT, Reader, RuleError, RuleErrors, brief

OPERATORS = (">=", ">", "<=", "<", "==", "!=")
MAX_TEXT = 200_000
MAX_DEPTH = 6
MAX_CHILDREN = 20
MAX_TIERS = 50
MAX_COUNT = 1_000_000_000
MAX_RANK = 1000
PERIODS = ("day", "week", "month")


def loads_rules(text: str) -> RuleSet:
    """Parse a rule set from JSON text. Raises RuleErrors."""
    return parse_rules(decode(text))


def decode(text: str) -> Any:
    """JSON text to Python with exact decimals; a repeated key is an error: one of the two would be lost.

    Raises RuleErrors.
    """
    if len(text) > MAX_TEXT:
        raise RuleErrors([RuleError("", _("规则太长"))])
    try:
        document = json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_no_repeats)
        # Half of a surrogate pair is text that no page and no database can hold.
        json.dumps(document, ensure_ascii=False, default=str).encode()
        return document
    except UnicodeEncodeError as error:
        raise RuleErrors([RuleError("", _("文本里有无法显示的字符"))]) from error
    except json.JSONDecodeError as error:
        message = _("不是有效的 JSON：第 %(line)s 行第 %(column)s 列") % {"line": error.lineno, "column": error.colno}
        raise RuleErrors([RuleError("", message)]) from error
    except RecursionError as error:
        raise RuleErrors([RuleError("", _("嵌套太深"))]) from error
    except RuleErrors:
        raise
    except ValueError as error:  # a number with thousands of digits
        raise RuleErrors([RuleError("", _("数字太长"))]) from error


def _no_constant(name: str) -> None:
    raise RuleErrors([RuleError("", _("不能使用 %(name)s") % {"name": name})])


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict:
    found: dict = {}
    for key, value in pairs:
        if key in found:
            raise RuleErrors([RuleError("", _("键“%(key)s”重复") % {"key": brief(key)})])
        found[key] = value
    return found


def parse_rules(document: Any) -> RuleSet:
    """Parse a decoded rule set. Raises RuleErrors with everything that is wrong."""
    reader = Parser()
    rules = reader.rule_set(document)
    if reader.errors:
        raise RuleErrors(reader.errors)
    return rules


class Parser(Reader):
    """Walks a rule set. Each method returns its value, or a harmless stand-in after noting the error."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves: list[tuple[str, Leaf]] = []

    # The document

    def rule_set(self, document: Any) -> RuleSet:
        keys = ("schema", "timezone", "counts", "weights", "exclude", "bundles", "caps", "multipliers", "dynamic")
        doc = self.mapping(document, "", required=("tiers",), optional=(*keys, "jumps"))
        self.one_of(doc, "schema", "", (1,))
        self.one_of(doc, "timezone", "", ("Asia/Shanghai",))
        rules = RuleSet(
            counts=self.one_of(doc, "counts", "", ("delivered", "settled")),
            weights=self.table(doc, "weights", self.weights),
            exclude=self.rows(doc, "exclude", self.exclusion),
            bundles=self.rows(doc, "bundles", self.bundle),
            caps=self.rows(doc, "caps", self.cap),
            multipliers=self.rows(doc, "multipliers", self.multiplier),
            dynamic=self.table(doc, "dynamic", self.dynamic),
            jumps=self.rows(doc, "jumps", self.jump),
            tiers=self.tiers(doc),
        )
        self.unique([bundle.id for bundle in rules.bundles], "bundles")
        self.unique([jump.id for jump in rules.jumps], "jumps")
        self.references(rules)
        return rules

    def references(self, rules: RuleSet) -> None:
        for path, leaf in self.leaves:
            if leaf.w is not None and leaf.w not in rules.weights:
                self.fail(f"{path}.w", _("没有名为“%(name)s”的权重表"), name=leaf.w)
            if leaf.dyn is not None and leaf.dyn not in rules.dynamic:
                self.fail(f"{path}.dyn", _("没有名为“%(name)s”的动态门槛"), name=leaf.dyn)

    # Tiers

    def tiers(self, doc: dict) -> tuple[Tier, ...]:
        tiers = self.rows(doc, "tiers", self.tier)
        if not tiers and not self.errors:
            self.fail("tiers", _("至少要有一个等级"))
        if len(tiers) > MAX_TIERS:
            self.fail("tiers", _("最多 %(count)s 个等级"), count=MAX_TIERS)
        self.unique([tier.rank for tier in tiers], "tiers")
        self.unique([tier.name for tier in tiers], "tiers")
        lowest = min(tiers, key=lambda tier: tier.rank, default=None)
        if lowest is not None and (lowest.enter or lowest.keep or lowest.gates):
            self.fail(f"tiers[{tiers.index(lowest)}]", _("最低等级是默认等级，不能有任何条件"))
        return tuple(sorted(tiers, key=lambda tier: tier.rank))

    def tier(self, item: Any, path: str) -> Tier:
        optional = ("name_en", "enter", "keep", "gates", "min_stay_days", "grace_days", "down")
        doc = self.mapping(item, path, required=("rank", "name"), optional=optional)
        enter = self.condition(doc["enter"], f"{path}.enter", 1) if "enter" in doc else None
        gates = [
            self.condition(gate, f"{path}.gates[{index}]", 1)
            for index, gate in enumerate(self.items(doc.get("gates", []), f"{path}.gates"))
        ]
        tier = Tier(
            rank=self.whole(doc.get("rank", ABSENT), f"{path}.rank", 0, MAX_RANK),
            name=self.text(doc.get("name", ABSENT), f"{path}.name", 40),
            name_en=self.text(doc["name_en"], f"{path}.name_en", 40) if "name_en" in doc else "",
            enter=enter,
            keep=self.keep(doc, path),
            gates=tuple(gate for gate in gates if gate is not None),
            min_stay_days=self.whole(doc.get("min_stay_days", 14), f"{path}.min_stay_days", 0, 3650),
            grace_days=self.whole(doc.get("grace_days", 14), f"{path}.grace_days", 1, 3650),
        )
        self.one_of(doc, "down", path, ("one",))
        if isinstance(tier.keep, Scale) and enter is None:
            self.fail(f"{path}.keep", _("没有进入条件，无法按比例保级"))
        return tier

    def keep(self, doc: dict, path: str) -> Condition | Scale | None:
        keep = doc.get("keep", ABSENT)
        if keep is ABSENT:
            return None
        path = f"{path}.keep"
        if not isinstance(keep, Mapping) or "scale" not in keep:
            return self.condition(keep, path, 1)
        keep = self.mapping(keep, path, required=("scale",))
        factor = self.decimal(keep["scale"], f"{path}.scale")
        if not 0 < factor <= 1:
            self.fail(f"{path}.scale", _("保级比例必须大于 0 且不超过 1：保级不能比升级更难"))
        return Scale(factor)

    # Conditions

    def condition(self, item: Any, path: str, depth: int) -> Condition | None:
        if not isinstance(item, Mapping):
            self.fail(path, _("条件必须是一个对象"))
            return None
        for kind in ("all", "any"):
            if kind in item:
                return self.group(item, kind, path, depth)
        return self.leaf(item, path)

    def group(self, item: Mapping, kind: str, path: str, depth: int) -> Condition | None:
        doc = self.mapping(item, path, required=(kind,))
        if depth >= MAX_DEPTH:
            self.fail(path, _("条件最多嵌套 %(depth)s 层"), depth=MAX_DEPTH)
            return None
        items = self.items(doc[kind], f"{path}.{kind}" if path else kind)
        if not items:
            self.fail(path, _("“%(kind)s”里至少要有一个条件"), kind=kind)
        if len(items) > MAX_CHILDREN:
            self.fail(path, _("“%(kind)s”里最多 %(count)s 个条件"), kind=kind, count=MAX_CHILDREN)
            return None
        prefix = f"{path}.{kind}" if path else kind
        children = [self.condition(child, f"{prefix}[{index}]", depth + 1) for index, child in enumerate(items)]
        return Group(kind, tuple(child for child in children if child is not None))

    def leaf(self, item: Mapping, path: str) -> Leaf | None:
        before = len(self.errors)
        doc = self.mapping(item, path, required=("m", "op", "v"), optional=("win", "w", "dyn"))
        metric = self.metric(doc.get("m", ABSENT), f"{path}.m")
        if metric is None:
            return None
        window = self.window(doc, metric, path)
        op: str = doc.get("op", "")
        allowed = ("==", "!=") if metric.kind is Kind.FLAG else OPERATORS
        if "op" in doc and op not in allowed:
            self.fail(f"{path}.op", _("运算符只能是 %(allowed)s"), allowed=" ".join(allowed))
        value = self.value(doc["v"], metric, f"{path}.v") if "v" in doc else False
        table, formula = self.leaf_references(doc, metric, path)
        if window is None or len(self.errors) > before:
            return None
        leaf = Leaf(metric.name, window, op, value, table, formula)
        self.leaves.append((path, leaf))
        return leaf

    def leaf_references(self, doc: dict, metric: Metric, path: str) -> tuple[str | None, str | None]:
        table = self.name(doc["w"], f"{path}.w") if "w" in doc else None
        if table and not metric.takes_weights:
            self.fail(f"{path}.w", _("只有消费可以按品类加权"))
        formula = self.name(doc["dyn"], f"{path}.dyn") if "dyn" in doc else None
        if formula and (doc.get("op") != ">=" or metric.kind not in (Kind.MONEY, Kind.COUNT)):
            self.fail(f"{path}.dyn", _("动态门槛只能用于“达到”某个数额或数量的条件"))
        return table, formula

    def metric(self, name: Any, path: str) -> Metric | None:
        if name is ABSENT:
            return None
        metric = METRICS.get(ALIASES.get(name, name)) if isinstance(name, str) else None
        if metric is None:
            self.fail(path, _("没有名为“%(name)s”的指标，可用的有：%(known)s"), name=name, known=listed(METRICS))
        return metric

    def window(self, doc: dict, metric: Metric, path: str) -> Window | None:
        text = doc.get("win", "now" if metric.spans == {Span.NOW} else None)
        if text is None:
            self.fail(f"{path}.win", _("缺少时间窗口"))
            return None
        try:
            window = Window.parse(text) if isinstance(text, str) else None
        except ValueError:
            window = None
        if window is None:
            self.fail(f"{path}.win", _("时间窗口只能是 30d 这样的天数、week、life 或 now"))
        elif window.span not in metric.spans:
            self.fail(f"{path}.win", _("“%(metric)s”不能用时间窗口 %(win)s"), metric=metric.label, win=text)
        return window

    def value(self, value: Any, metric: Metric, path: str) -> Value:
        if metric.kind is Kind.FLAG:
            if not isinstance(value, bool):
                self.fail(path, _("只能是 true 或 false"))
            return value is True
        if metric.kind is Kind.MONEY:
            return self.money(value, path)
        if metric.kind is Kind.RATIO:
            ratio = self.decimal(value, path)
            if ratio > 1:
                self.fail(path, _("比例必须在 0 和 1 之间"))
            return ratio
        return Decimal(self.whole(value, path, 0, 100 if metric.kind is Kind.SCORE else MAX_COUNT))

    # The other tables

    def weights(self, item: Any, path: str) -> dict[str, Decimal]:
        if not isinstance(item, Mapping):
            self.fail(path, _("必须是一个对象"))
            return {}
        table = {}
        for category, factor in item.items():
            self.text(category, path, 64)
            table[category] = self.decimal(factor, f"{path}.{category}")
        return table

    def exclusion(self, item: Any, path: str) -> Exclusion:
        doc = self.mapping(item, path, required=("reason",), optional=("part", "category"))
        if ("part" in doc) == ("category" in doc):
            self.fail(path, _("“part”和“category”必须且只能写一个"))
        if "part" in doc:
            self.one_of(doc, "part", path, ("points_paid",))
        category = self.text(doc["category"], f"{path}.category", 64) if "category" in doc else None
        return Exclusion(self.name(doc.get("reason", ABSENT), f"{path}.reason"), doc.get("part"), category)

    def bundle(self, item: Any, path: str) -> Bundle:
        doc = self.mapping(item, path, required=("id", "window", "needs", "grants"))
        return Bundle(
            id=self.name(doc.get("id", ABSENT), f"{path}.id"),
            window=self.one_of(doc, "window", path, PERIODS),
            needs=self.amounts(doc.get("needs", ABSENT), f"{path}.needs", ACTION_METRICS),
            grants=self.amounts(doc.get("grants", ABSENT), f"{path}.grants", POINT_METRICS),
        )

    def amounts(self, item: Any, path: str, allowed: frozenset[str]) -> tuple[tuple[str, int], ...]:
        if item is ABSENT:
            return ()
        if not isinstance(item, Mapping) or not item:
            self.fail(path, _("必须是一个不为空的对象"))
            return ()
        for name in item:
            if name not in allowed:
                self.fail(f"{path}.{name}", _("这里只能写 %(allowed)s"), allowed=listed(sorted(allowed)))
        return tuple((name, self.whole(count, f"{path}.{name}", 1, 1_000_000)) for name, count in item.items())

    def cap(self, item: Any, path: str) -> Cap:
        doc = self.mapping(item, path, required=("m", "per", "max"))
        return Cap(
            m=self.one_of(doc, "m", path, (*sorted(POINT_METRICS), *sorted(ACTION_METRICS))),
            per=self.one_of(doc, "per", path, PERIODS),
            max=self.whole(doc.get("max", ABSENT), f"{path}.max", 1, MAX_COUNT),
        )

    def multiplier(self, item: Any, path: str) -> Multiplier:
        doc = self.mapping(item, path, required=("m", "factor", "from", "to"))
        first, last = self.day(doc.get("from", ABSENT), f"{path}.from"), self.day(doc.get("to", ABSENT), f"{path}.to")
        if last < first:
            self.fail(f"{path}.to", _("结束日期早于开始日期"))
        factor = self.decimal(doc.get("factor", ABSENT), f"{path}.factor")
        if not 0 < factor <= 100:
            self.fail(f"{path}.factor", _("倍数必须大于 0 且不超过 100"))
        return Multiplier(self.one_of(doc, "m", path, tuple(sorted(POINT_METRICS))), factor, first, last)

    def dynamic(self, item: Any, path: str) -> Dynamic:
        doc = self.mapping(item, path, required=("factor",), optional=("rising_days",))
        factor = self.decimal(doc.get("factor", ABSENT), f"{path}.factor")
        if not Decimal("0.8") <= factor < 1:
            self.fail(f"{path}.factor", _("动态门槛只能下调，最低为 0.8"))
        return Dynamic(factor, self.whole(doc.get("rising_days", 14), f"{path}.rising_days", 2, 365))

    def jump(self, item: Any, path: str) -> Jump | None:
        doc = self.mapping(item, path, required=("id", "up", "when"))
        when = self.condition(doc["when"], f"{path}.when", 1) if "when" in doc else None
        name = self.name(doc.get("id", ABSENT), f"{path}.id")
        up = self.whole(doc.get("up", ABSENT), f"{path}.up", 1, 10)
        return Jump(name, up, when) if when is not None else None
