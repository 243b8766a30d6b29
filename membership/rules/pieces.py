"""A rule set that is still being written, piece by piece: what is right reads as a sentence, whatever is wrong elsewhere."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from membership.rules.describe import (
    bundle_text,
    cap_text,
    dynamic_text,
    exclusion_rule_text,
    jump_text,
    keep_text,
    multiplier_text,
    weights_text,
)
from membership.rules.nodes import Condition, Leaf
from membership.rules.parse import MAX_DEPTH, Parser
from membership.rules.reading import MAX_ROWS
from membership.rules.render import sentence


def piece_texts(document: Any, categories: Mapping[str, str]) -> dict[str, str]:
    """Sentences by path, as the public rules page writes them: `tiers[1].enter`, `tiers[1].enter.all[0]`, `caps[0]`.

    `categories` gives names for category codes. Never raises for what a JSON document can hold.
    """
    if not isinstance(document, Mapping):
        return {}
    return dict(_texts(document, categories))


def _texts(document: Mapping, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for path, tier in _rows(document, "tiers"):
        yield from _tier(tier, path)
    for path, table in _table(document, "weights"):
        name = path.removeprefix("weights.")
        yield from _told(path, table, Parser.weights, partial(_weights, name, names))
    for path, item in _rows(document, "exclude"):
        yield from _told(path, item, Parser.exclusion, lambda rule: exclusion_rule_text(rule, names))
    for path, item in _rows(document, "bundles"):
        yield from _told(path, item, Parser.bundle, bundle_text)
    for path, item in _rows(document, "caps"):
        yield from _told(path, item, Parser.cap, cap_text)
    for path, item in _rows(document, "multipliers"):
        yield from _told(path, item, Parser.multiplier, multiplier_text)
    for path, item in _table(document, "dynamic"):
        yield from _told(path, item, Parser.dynamic, dynamic_text)
    for path, item in _rows(document, "jumps"):
        yield from _told(path, item, Parser.jump, jump_text)
        if isinstance(item, Mapping) and "when" in item:
            yield from _condition(item["when"], f"{path}.when")


def _weights(name: str, names: Mapping[str, str], table: Mapping) -> str:
    return weights_text(name, table, names)


def _tier(tier: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(tier, Mapping):
        return
    for name in ("enter", "keep"):
        if name in tier:
            yield from _condition(tier[name], f"{path}.{name}")
    gates = tier.get("gates")
    for index, gate in enumerate(gates[:MAX_ROWS] if isinstance(gates, list) else []):
        yield from _condition(gate, f"{path}.gates[{index}]")
    # What keeps the tier reads out of two keys, and holds where neither is written.
    whole = {"rank": 0, "name": "-", **{name: tier[name] for name in ("enter", "keep") if name in tier}}
    yield from _told(f"{path}.keep", whole, Parser.tier, keep_text)


def _condition(item: Any, path: str, depth: int = 1) -> Iterator[tuple[str, str]]:
    yield from _told(path, item, _read_condition, _sentence)
    if depth > MAX_DEPTH or not isinstance(item, Mapping):
        return
    for kind in ("all", "any"):
        children = item.get(kind)
        if isinstance(children, list) and len(children) <= MAX_ROWS:
            for index, child in enumerate(children):
                yield from _condition(child, f"{path}.{kind}[{index}]", depth + 1)


def _read_condition(parser: Parser, item: Any, path: str) -> Condition | None:
    return parser.condition(item, path, 1)


def _sentence(condition: Condition | None) -> str:
    is_whole = isinstance(condition, Leaf) or bool(condition and condition.children)
    return sentence(condition) if condition is not None and is_whole else ""


def _told(path: str, item: Any, read: Callable[..., Any], tell: Callable[[Any], str]) -> Iterator[tuple[str, str]]:
    parser = Parser()
    found = read(parser, item, path)
    if not parser.errors and found is not None and (text := tell(found)):
        yield path, text


def _rows(document: Mapping, key: str) -> list[tuple[str, Any]]:
    items = document.get(key)
    if not isinstance(items, list):
        return []
    return [(f"{key}[{index}]", item) for index, item in enumerate(items[:MAX_ROWS])]


def _table(document: Mapping, key: str) -> list[tuple[str, Any]]:
    items = document.get(key)
    return [(f"{key}.{name}", item) for name, item in list(items.items())[:MAX_ROWS]] if isinstance(items, dict) else []
