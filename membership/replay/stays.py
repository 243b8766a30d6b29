"""The mean stay in each tier among the members of a file, as each day begins."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from common.clock import day_of
from membership.engine.book import ONE_DAY
from membership.engine.fold import Fold


@dataclass
class FileStays:
    """Sums that move with the members. The means of a day are fixed as it begins and not revised."""

    # By rank: days and number of completed stays; number of those that go on, and the sum of the days they began.
    _completed: dict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    _ongoing: dict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    _members: dict[str, tuple] = field(default_factory=dict)
    _means: dict[date, dict[int, Decimal]] = field(default_factory=dict)
    _day: date | None = None

    def mean(self, day: date, rank: int) -> Decimal | None:
        return self._means.get(day, {}).get(rank)

    def open_day(self, day: date) -> None:
        """Fix the means of every day up to this one."""
        at = day if self._day is None else self._day + ONE_DAY
        while at <= day:
            self._means[at] = self._now(at)
            at += ONE_DAY
        self._day = day

    def note(self, name: str, fold: Fold) -> None:
        """Where a member stands now, and where they stayed before."""
        if fold.state is None:
            return
        known = (tuple(fold.spells), fold.state.rank, day_of(fold.state.since).toordinal())
        before = self._members.get(name)
        if known == before:
            return
        if before is not None:
            self._add(*before, sign=-1)
        self._add(*known, sign=1)
        self._members[name] = known

    def _add(self, spells: tuple, rank: int, since: int, *, sign: int) -> None:
        for spell in spells:
            self._completed[spell.rank][0] += sign * spell.days
            self._completed[spell.rank][1] += sign
        self._ongoing[rank][0] += sign
        self._ongoing[rank][1] += sign * since

    def _now(self, day: date) -> dict[int, Decimal]:
        means = {}
        for rank in {*self._completed, *self._ongoing}:
            days, count = self._completed[rank]
            members, began = self._ongoing[rank]
            if count + members:
                means[rank] = Decimal(days + members * day.toordinal() - began) / (count + members)
        return means
