"""Reading plain values out of decoded JSON, noting every error with its path."""

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from common.texts import listed

_MONEY = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?", re.ASCII)
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,4})?", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

# A key that is not there; `mapping` has reported it already where it is required.
ABSENT: Any = object()


# An editor marks errors one by one; past this many somebody is not writing rules.
MAX_ERRORS = 200
MAX_ROWS = 500
SHOWN_TEXT = 60


def brief(value: Any) -> Any:
    """What was written, as a message may repeat it: short, whatever its depth, and of characters that can be shown."""
    if isinstance(value, list | tuple | Mapping):
        value = reprlib.repr(value)
    if isinstance(value, str):
        return value[:SHOWN_TEXT].encode("utf-8", "replace").decode()
    return value


@dataclass(frozen=True, slots=True)
class RuleError:
    path: str  # "tiers[2].enter.all[0].v"; empty for the document itself
    message: Any

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else str(self.message)


class RuleErrors(ValueError):
    """What is wrong with a rule set, in the order of the document."""

    def __init__(self, errors: list[RuleError]) -> None:
        self.errors = errors
        super().__init__("; ".join(str(error) for error in errors))


class Reader:
    """Each method returns its value, or a harmless stand-in after noting the error."""

    def __init__(self) -> None:
        self.errors: list[RuleError] = []

    def fail(self, path: str, message: Any, **params: Any) -> None:
        if len(self.errors) < MAX_ERRORS:
            shown = {name: brief(value) if name == "name" else value for name, value in params.items()}
            self.errors.append(RuleError(path, message % shown if shown else message))

    def unique(self, names: list, path: str) -> None:
        seen = set()
        for index, name in enumerate(names):
            # An empty one stands for a name that was found wrong already.
            if name in seen and name != "":
                self.fail(f"{path}[{index}]", _("“%(name)s”重复"), name=name)
            seen.add(name)

    def mapping(self, item: Any, path: str, required: tuple = (), optional: tuple = ()) -> dict:
        if not isinstance(item, Mapping):
            self.fail(path, _("必须是一个对象"))
            return {}
        for key in item:
            if key not in required and key not in optional:
                shown = brief(str(key))
                self.fail(f"{path}.{shown}" if path else shown, _("未知的键"))
        for key in required:
            if key not in item:
                self.fail(f"{path}.{key}" if path else key, _("缺少这个键"))
        return dict(item)

    def items(self, item: Any, path: str) -> list:
        if isinstance(item, list | tuple):
            return list(item)
        self.fail(path, _("必须是一个列表"))
        return []

    def rows(self, doc: dict, key: str, read: Any) -> tuple:
        items = self.items(doc.get(key, []), key)
        if len(items) > MAX_ROWS:
            self.fail(key, _("最多 %(count)s 项"), count=MAX_ROWS)
            return ()
        found = [read(item, f"{key}[{index}]") for index, item in enumerate(items)]
        return tuple(row for row in found if row is not None)

    def table(self, doc: dict, key: str, read: Any) -> dict:
        item = doc.get(key, {})
        if not isinstance(item, Mapping):
            self.fail(key, _("必须是一个对象"))
            return {}
        return {self.name(name, key): read(inner, f"{key}.{name}") for name, inner in item.items()}

    def one_of(self, doc: dict, key: str, path: str, allowed: tuple) -> Any:
        """The value of a key, by default the first that is allowed; `mapping` reports a required key that is absent."""
        value = doc.get(key, allowed[0])
        if isinstance(value, bool) or value not in allowed:
            choices = listed(str(choice) for choice in allowed)
            self.fail(f"{path}.{key}" if path else key, _("只能是 %(allowed)s"), allowed=choices)
            return allowed[0]
        return value

    def text(self, value: Any, path: str, longest: int) -> str:
        if value is ABSENT:
            return ""
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > longest:
            self.fail(path, _("必须是 1 到 %(longest)s 个字的文本"), longest=longest)
            return ""
        return value

    def name(self, value: Any, path: str) -> str:
        if value is ABSENT:
            return ""
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            self.fail(path, _("必须是小写字母开头、由小写字母、数字和下划线组成的名称"))
            return ""
        return value

    def whole(self, value: Any, path: str, low: int, high: int) -> int:
        if value is ABSENT:
            return low
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fail(path, _("必须是 %(low)s 到 %(high)s 的整数"), low=low, high=high)
            return low
        return value

    def money(self, value: Any, path: str) -> Decimal:
        """Yuan as text. A whole JSON number is exact and welcome; a fraction is not, it may have been a float."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not _MONEY.fullmatch(value):
            self.fail(path, _('金额要写成文本，最多两位小数，例如 "1000.00"'))
            return Decimal(0)
        return Decimal(value).quantize(Decimal("0.01"))

    def decimal(self, value: Any, path: str) -> Decimal:
        """A number of at most four decimals, as text or as a JSON number."""
        if value is ABSENT:
            return Decimal(1)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
            self.fail(path, _('必须是最多四位小数的数字，例如 "0.9"'))
            return Decimal(1)
        return Decimal(value)

    def day(self, value: Any, path: str) -> date:
        if value is ABSENT:
            return date.min
        try:
            if isinstance(value, str) and _DAY.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass
        self.fail(path, _("必须是 2026-05-01 这样的日期"))
        return date.min
