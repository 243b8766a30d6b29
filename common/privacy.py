"""What is kept about people: every room says it of its own models, in its `privacy.py`, and a test sees that none is left out.

A model either holds nothing personal (`nobodys`), or its rows belong to somebody (`belongs`) and each of its fields that
can hold text, an address or a day is exported, and stays, is blanked or goes with the row when that person leaves.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Field, Model, Q, QuerySet

TEXT_LIKE = (
    models.CharField,
    models.TextField,
    models.JSONField,
    models.GenericIPAddressField,
    models.FileField,
    models.DateField,
    models.BinaryField,
)


@dataclass(frozen=True)
class Belonging:
    """Rows of a model that belong to a person. `of` is the way to the user, or makes the condition from the user.

    `keep` names nobody once the account is nobody's. `blank` is what a field holds afterwards. `secret` is never exported.
    """

    label: str
    of: str | Callable[[Any], Q]
    keep: frozenset[str] = frozenset()
    blank: Mapping[str, Any] = field(default_factory=dict)
    secret: frozenset[str] = frozenset()
    remove: bool = False

    @property
    def model(self) -> type[Model]:
        return apps.get_model(self.label)

    def rows(self, user: Any) -> QuerySet:
        condition = Q(**{self.of: user}) if isinstance(self.of, str) else self.of(user)
        return self.model._base_manager.filter(condition).order_by("pk")

    def exported(self) -> list[Field]:
        """What its owner gets to see of a row."""
        return [one for one in self.model._meta.concrete_fields if one.name not in self.secret]

    def settled(self) -> set[str]:
        """The fields whose fate is decided."""
        return self.keep | set(self.blank) | self.secret | (names_of(self.model) if self.remove else set())


_belongings: dict[str, Belonging] = {}
_nobodys: dict[str, str] = {}
# What keeps an account from being erased: each says it in whole sentences for its owner.
Hinder = Callable[[Any], Iterable[str]]
_hinders: list[Hinder] = []


def belongs(
    label: str,
    *,
    of: str | Callable[[Any], Q],
    keep: Iterable[str] = (),
    blank: Mapping[str, Any] | None = None,
    secret: Iterable[str] = (),
    remove: bool = False,
) -> None:
    _belongings[label] = Belonging(label, of, frozenset(keep), blank or {}, frozenset(secret), remove)


def nobodys(why: str, *labels: str) -> None:
    """These models hold nothing about people other than staff at work; `why` says how that can be."""
    _nobodys.update(dict.fromkeys(labels, why))


def hinders(ask: Hinder) -> Hinder:
    """Registers what a room has to say against erasing somebody now."""
    _hinders.append(ask)
    return ask


def hindrances(user: Any) -> list[str]:
    return [str(text) for ask in _hinders for text in ask(user)]


def belongings() -> list[Belonging]:
    return list(_belongings.values())


def is_nobodys(label: str) -> bool:
    return label in _nobodys


def belonging_of(label: str) -> Belonging | None:
    return _belongings.get(label)


def names_of(model: type[Model]) -> set[str]:
    """The fields of a model that could tell something of a person: whatever holds more than a number, a moment, a choice."""
    return {
        one.name
        for one in model._meta.concrete_fields
        if isinstance(one, TEXT_LIKE)
        and not isinstance(one, models.DateTimeField)
        and not one.choices
        and not one.is_relation
    }


def erase(user: Any) -> dict[str, int]:
    """Blank or remove what belongs to this person, in the caller's transaction; rows touched by model."""
    touched = {}
    # What hangs on other rows goes first: rooms are asked from the top of the house down.
    for one in reversed(belongings()):
        rows = one.rows(user)
        if one.remove:
            touched[one.label] = rows.delete()[0]
        elif one.blank:
            touched[one.label] = rows.update(**one.blank)
    return touched
