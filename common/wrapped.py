"""Every column that a master key opens, so that replacing the master key forgets none. Rooms register theirs at start.

What is sealed under a data key needs no place here: only the data key itself is wrapped by a master key.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Func, Model, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform

from common import crypto


@dataclass(frozen=True, kw_only=True)
class Wrapped(ABC):
    """A column of `model`; `label` gives what binds a row's secret to it; `sealed_by` names the modules that seal it."""

    model: type[Model]
    column: str
    label: Callable[[Any], str]
    sealed_by: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.model._meta.label}.{self.column}"

    @abstractmethod
    def rows(self) -> QuerySet:
        """The rows that hold something, each with `master`, the name of the key that opens it."""

    @abstractmethod
    def rewrapped(self, row: Any) -> dict[str, Any]:
        """The fields of the row anew, under the wrapping master key. Raises DecryptionFailed."""


class WrappedKey(Wrapped):
    """A data key by itself: `column` has it wrapped, `master_name` the name of its master key."""

    def rows(self) -> QuerySet:
        return self.model._default_manager.annotate(master=F("master_name"))

    def rewrapped(self, row: Any) -> dict[str, Any]:
        name, wrapped = crypto.rewrap_data_key(row.master_name, bytes(getattr(row, self.column)), self.label(row))
        return {"master_name": name, self.column: wrapped}


class SealedText(Wrapped):
    """A text that `crypto.seal_settings` made: the name of its master key stands in front."""

    def rows(self) -> QuerySet:
        master = _master_of(F(self.column))
        return self.model._default_manager.exclude(**{self.column: ""}).annotate(master=master)

    def rewrapped(self, row: Any) -> dict[str, Any]:
        return {self.column: crypto.rewrap_settings(getattr(row, self.column), self.label(row))}


@dataclass(frozen=True, kw_only=True)
class SealedPart(SealedText):
    """Such a text under the key `part` of a column with JSON."""

    part: str

    @property
    def name(self) -> str:
        return f"{super().name}.{self.part}"

    def rows(self) -> QuerySet:
        master = _master_of(KeyTextTransform(self.part, self.column))
        return self.model._default_manager.filter(**{f"{self.column}__has_key": self.part}).annotate(master=master)

    def rewrapped(self, row: Any) -> dict[str, Any]:
        held = getattr(row, self.column)
        return {self.column: {**held, self.part: crypto.rewrap_settings(held[self.part], self.label(row))}}


def _master_of(text: F | KeyTextTransform) -> Func:
    """What stands before the last two parts of a sealed text."""
    return Func(text, Value(r"\.[^.]*\.[^.]*$"), Value(""), function="regexp_replace", output_field=TextField())


_columns: dict[str, Wrapped] = {}


def register(column: Wrapped) -> None:
    _columns[column.name] = column


def wrapped_columns() -> list[Wrapped]:
    """In the order of their names."""
    return [_columns[name] for name in sorted(_columns)]
