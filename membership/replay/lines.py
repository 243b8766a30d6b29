"""One line of an activity file: JSON text to a Line, or the reason why it is none."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from common.clock import SHANGHAI, start_of_day
from common.texts import listed
from membership.rules.catalogue import ALIASES, METRICS, Kind
from membership.rules.nodes import RuleSet

ORDER, DISPUTE, OVERRIDE = "order", "dispute", "override"
OVERRIDES = ("pin", "floor", "ceiling")
# Computed from other metrics: nothing can be recorded under these names.
DERIVED = frozenset({"buy_days", "streak", "dispute_rate", "positive_rate"})
MAX_NUMBER = 1_000_000_000
# Far enough for any export, near enough that adding a window never leaves the calendar.
EARLIEST, LATEST = date(1992, 1, 1), date(2200, 1, 1)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MONEY = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?", re.ASCII)


class BadLine(ValueError):
    """A line that cannot be used, and why, in the reader's language."""


@dataclass(frozen=True, slots=True)
class Line:
    """`number` is the place in the file, from 1. `until` is set for overrides only."""

    number: int
    ref: str
    member: str
    metric: str
    at: datetime
    amount: Decimal = Decimal(0)
    quantity: int = 0
    value: int | None = None
    category: str = ""
    points_paid: Decimal = Decimal(0)
    reverses: str = ""
    inviter: str = ""
    reason: str = ""
    kind: str = ""
    rank: int = 0
    until: datetime | None = None

    @property
    def key(self) -> tuple[datetime, str]:
        return self.at, self.ref


def parse_line(text: str, number: int, rules: RuleSet) -> Line:
    """Raises BadLine. Keys that the form does not know are ignored."""
    item = _decode(text)
    metric = _text(item, "metric", 40)
    common: dict[str, Any] = {
        "number": number,
        "ref": _text(item, "ref", 200),
        "member": _text(item, "member", 200),
        "metric": ALIASES.get(metric, metric),
        "at": moment(_text(item, "at", 40), "at"),
        "inviter": _optional_text(item, "inviter"),
        "category": _optional_text(item, "category"),
    }
    if common["inviter"] == common["member"]:
        raise BadLine(_("“inviter”不能是会员自己"))
    if item.get("valid") is False:
        common["reason"] = _optional_text(item, "reason") or "invalid"
    if item.get("reverses") is not None:
        return Line(**common, reverses=_text(item, "reverses", 200), **_taken_back(item))
    return Line(**common, **_figures(common["metric"], item, common["at"], rules))


def moment(text: str, key: str) -> datetime:
    """An ISO 8601 time with an offset, in Shanghai time. Raises BadLine."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadLine(_("“%(key)s”不是 2026-03-01T10:00:00+08:00 这样的时间") % {"key": key}) from None
    if at.tzinfo is None:
        raise BadLine(_("“%(key)s”缺少时区，例如 +08:00") % {"key": key})
    if not EARLIEST <= at.date() < LATEST:
        raise BadLine(_("“%(key)s”的年份超出范围") % {"key": key})
    return at.astimezone(SHANGHAI)


def _decode(text: str) -> Mapping[str, Any]:
    try:
        item = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadLine(_("不是有效的 JSON")) from None
    if not isinstance(item, dict):
        raise BadLine(_("必须是一个 JSON 对象"))
    return item


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _text(item: Mapping[str, Any], key: str, longest: int) -> str:
    value = item.get(key)
    if value is None:
        raise BadLine(_("缺少“%(key)s”") % {"key": key})
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise BadLine(_("“%(key)s”必须是 1 到 %(longest)s 个字的文本") % {"key": key, "longest": longest})
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in value):
        # Control signs and halves of surrogates: neither a line of output nor the database takes them.
        raise BadLine(_("“%(key)s”含有控制字符或无效字符") % {"key": key})
    return value


def _optional_text(item: Mapping[str, Any], key: str) -> str:
    return _text(item, key, 200) if item.get(key) is not None else ""


def _taken_back(item: Mapping[str, Any]) -> dict[str, Any]:
    """How much a reversal takes back; nothing said means all of it."""
    if item.get("amount") is not None:
        amount = _money(item, "amount")
        if not amount:
            raise BadLine(_("“amount”必须大于 0"))
        return {"amount": amount}
    quantity = next((_whole(item, key, 1) for key in ("points", "qty") if item.get(key) is not None), 0)
    return {"quantity": quantity}


def _figures(metric: str, item: Mapping[str, Any], at: datetime, rules: RuleSet) -> dict[str, Any]:
    if metric in (ORDER, "spend"):
        return _paid(item)
    if metric == DISPUTE:
        return _dispute(item)
    if metric == OVERRIDE:
        return _override(item, at, rules)
    if metric in DERIVED:
        raise BadLine(_("“%(metric)s”由其他记录推算，不能直接记录") % {"metric": metric})
    known = METRICS.get(metric)
    if known is None:
        raise BadLine(_("没有名为“%(metric)s”的指标") % {"metric": metric})
    if known.kind is Kind.MONEY:
        return {"amount": _money(item, "amount")}
    if known.kind is Kind.FLAG:
        return {"value": int(_flag(item, "value"))}
    if known.kind is Kind.SCORE:
        return {"value": _whole(item, "value", 0, 100)}
    found = {"quantity": next((_whole(item, key, 1) for key in ("points", "qty") if item.get(key) is not None), 1)}
    if metric == "review" and item.get("value") is not None:
        found["value"] = _stars(item)
    return found


def _paid(item: Mapping[str, Any]) -> dict[str, Any]:
    amount = _money(item, "amount")
    points_paid = _money(item, "points_paid") if item.get("points_paid") is not None else Decimal(0)
    if points_paid > amount:
        raise BadLine(_("“points_paid”不能超过“amount”"))
    return {"amount": amount, "points_paid": points_paid}


def _dispute(item: Mapping[str, Any]) -> dict[str, Any]:
    _text(item, "order", 200)
    return {"value": int(_flag(item, "upheld")), "quantity": 1}


def _override(item: Mapping[str, Any], at: datetime, rules: RuleSet) -> dict[str, Any]:
    kind, rank = _text(item, "kind", 20), _whole(item, "rank", 0)
    if kind not in OVERRIDES:
        raise BadLine(_("“kind”只能是 %(allowed)s") % {"allowed": listed(OVERRIDES)})
    if rank not in {tier.rank for tier in rules.tiers}:
        raise BadLine(_("没有序号为 %(rank)s 的等级") % {"rank": rank})
    until = end_of(_text(item, "until", 40), "until")
    if until <= at:
        raise BadLine(_("“until”必须晚于“at”"))
    return {"kind": kind, "rank": rank, "until": until}


def end_of(text: str, key: str) -> datetime:
    """A time, or the end of a day where only a date is written. Raises BadLine."""
    if _DAY.fullmatch(text):
        return start_of_day(moment(f"{text}T00:00+08:00", key).date() + timedelta(days=1))
    return moment(text, key)


def last_of(text: str, key: str) -> datetime:
    """A time, or the last moment of a day: the midnight after it belongs to the next. Raises BadLine."""
    return end_of(text, key) - (timedelta(microseconds=1) if _DAY.fullmatch(text) else timedelta(0))


def _money(item: Mapping[str, Any], key: str) -> Decimal:
    value = item.get(key)
    if value is None:
        raise BadLine(_("缺少“%(key)s”") % {"key": key})
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _MONEY.fullmatch(value):
        raise BadLine(_('“%(key)s”必须是最多两位小数的金额文本，例如 "120.00"') % {"key": key})
    return Decimal(value)


def _whole(item: Mapping[str, Any], key: str, low: int, high: int = MAX_NUMBER) -> int:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadLine(_("“%(key)s”必须是 %(low)s 到 %(high)s 的整数") % {"key": key, "low": low, "high": high})
    return value


def _flag(item: Mapping[str, Any], key: str) -> bool:
    value = item.get(key)
    if not isinstance(value, bool):
        raise BadLine(_("“%(key)s”必须是 true 或 false") % {"key": key})
    return value


def _stars(item: Mapping[str, Any]) -> int:
    """Stars from 1 to 5, or whether the review is a good one."""
    value = item.get("value")
    return (5 if value else 1) if isinstance(value, bool) else _whole(item, "value", 1, 5)
