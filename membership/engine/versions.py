"""Versions of the rules in time, and overrides beside them."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Protocol

from common.clock import start_of_day
from membership.rules.nodes import RuleSet

IMMEDIATE, AT_NEXT_REVIEW, GRANDFATHER_UNTIL, KEEP_IF_HELD = (
    "immediate",
    "at_next_review",
    "grandfather_until",
    "keep_if_held",
)


class Version(Protocol):
    """A version that is, was or will be in force. `policy_until` is the first day without protection."""

    @property
    def pk(self) -> int: ...
    @property
    def effective_from(self) -> datetime: ...
    @property
    def rules(self) -> RuleSet: ...
    @property
    def policy(self) -> str: ...
    @property
    def policy_until(self) -> date | None: ...


@dataclass(frozen=True, slots=True)
class OneVersion:
    """Rules that hold from the beginning of time, such as those of a file."""

    rules: RuleSet
    effective_from: datetime
    pk: int = 0
    policy: str = IMMEDIATE
    policy_until: date | None = None


@dataclass(frozen=True)
class Timeline:
    """The published versions of a program by when they take effect; at least one. The first holds before it too."""

    versions: Sequence[Version]

    @cached_property
    def _starts(self) -> list[datetime]:
        return [version.effective_from for version in self.versions]

    def at(self, moment: datetime) -> Version:
        return self.versions[max(bisect_right(self._starts, moment) - 1, 0)]

    def rules_on(self, day: date) -> RuleSet:
        """The rules whose multipliers, caps and bundles hold on a day: those in force as it begins."""
        return self.versions[0].rules if len(self.versions) == 1 else self.at(start_of_day(day)).rules

    def next_after(self, moment: datetime) -> datetime | None:
        """When the version after the one of a moment takes effect. The first holds before it begins: no switch."""
        index = max(bisect_right(self._starts, moment), 1)
        return self._starts[index] if index < len(self._starts) else None

    def by_pk(self, pk: int | None) -> Version | None:
        return next((version for version in self.versions if version.pk == pk), None)


@dataclass(frozen=True, slots=True)
class Override:
    """A rank that people or a coupon set: `pin` exactly, `floor` at least, `ceiling` at most. In force until `until`.

    `gated`: no higher than gates allow, as of coupons. What people set holds against gates.
    """

    ref: str
    kind: str
    rank: int
    since: datetime
    until: datetime
    gated: bool = False

    def holds(self, moment: datetime) -> bool:
        return self.since <= moment < self.until


def overridden(
    rank: int, overrides: Sequence[Override], moment: datetime, allowed: Callable[[int], int]
) -> tuple[int, bool]:
    """The rank that is shown, and whether an override holds it there. The latest pin decides, else floors, then ceilings.

    `allowed` says how high gates allow what is gated to lead.
    """
    in_force = [one for one in overrides if one.holds(moment)] if overrides else ()
    if not in_force:
        return rank, False
    pins = [one for one in in_force if one.kind == "pin"]
    if pins:
        return max(pins, key=lambda one: (one.since, one.ref)).rank, True
    floors = [allowed(one.rank) if one.gated else one.rank for one in in_force if one.kind == "floor"]
    shown = max([rank, *floors])
    held = shown != rank or any(floor >= rank for floor in floors)
    ceiling = min((one.rank for one in in_force if one.kind == "ceiling"), default=shown)
    return (ceiling, True) if ceiling < shown else (shown, held)
