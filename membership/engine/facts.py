"""Facts as the engine reads them, and what they come to once reversals and marks are taken into account."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from membership.rules.nodes import RuleSet

NOTHING = Decimal(0)
POINTS_PAID = "points_paid"
UNSETTLED = "unsettled"
# From this many stars on, a review is a good one.
GOOD_STARS = 4


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened, dated by when it counts.

    `amount` is yuan, `quantity` points or a number, `value` a state, stars, or whether a dispute was upheld. Spend with a
    subject belongs to that order. `reverses` takes back another fact: by `amount` or `quantity`, as a whole where both are
    zero. A `reason` says why the fact does not count.
    """

    ref: str
    metric: str
    at: datetime
    amount: Decimal = NOTHING
    quantity: int = 0
    value: int | None = None
    category: str = ""
    subject: str = ""
    reverses: str = ""
    reason: str = ""

    @property
    def key(self) -> tuple[datetime, str]:
        """The place in a history: by time, of one moment by reference."""
        return self.at, self.ref


@dataclass(frozen=True, slots=True)
class Net:
    """A fact that counts, less what was taken back."""

    fact: Fact
    amount: Decimal
    quantity: int


def spend_facts(
    rules: RuleSet,
    *,
    ref: str,
    points_ref: str,
    at: datetime,
    cash: Decimal,
    points_paid: Decimal,
    category: str,
    subject: str,
) -> Iterator[Fact]:
    """A purchase as facts: what was paid in cash, and apart from it what points paid, which never counts.

    Whole categories that the rules exclude are facts that do not count, with the reason of the rule.
    """
    if cash > 0:
        reason = next((rule.reason for rule in rules.exclude if rule.category == category), "")
        yield Fact(ref, "spend", at, cash, category=category, subject=subject, reason=reason)
    if points_paid > 0:
        reason = next((rule.reason for rule in rules.exclude if rule.part == POINTS_PAID), POINTS_PAID)
        yield Fact(points_ref, "spend", at, points_paid, category=category, subject=subject, reason=reason)


def net_of(fact: Fact, reversals: Iterable[Fact]) -> Net | None:
    """What is left of a fact; None where nothing is. More than there is cannot be taken back."""
    amount, quantity = fact.amount, fact.quantity
    for reversal in reversals:
        if not reversal.amount and not reversal.quantity:
            return None
        amount -= abs(reversal.amount)
        quantity -= abs(reversal.quantity)
    if (fact.amount > 0 and amount <= 0) or (fact.quantity > 0 and quantity <= 0):
        return None
    return Net(fact, amount, quantity)


@dataclass
class History:
    """All that was heard about one member. What counts of it does not depend on the order in which it was heard."""

    facts: dict[str, Fact] = field(default_factory=dict)
    reversals: dict[str, list[Fact]] = field(default_factory=dict)
    # Why a fact was found not to count; empty where it was cleared again.
    marks: dict[str, str] = field(default_factory=dict)
    _order: list[tuple[datetime, str]] = field(default_factory=list)

    @classmethod
    def of(cls, facts: Iterable[Fact], marks: Mapping[str, str] | None = None) -> "History":
        history = cls(marks=dict(marks or {}))
        for fact in facts:
            history.add(fact)
        return history

    def add(self, fact: Fact) -> bool:
        """False for a reference that is known: it changes nothing."""
        if fact.ref in self.facts:
            return False
        self.facts[fact.ref] = fact
        if fact.reverses:
            self.reversals.setdefault(fact.reverses, []).append(fact)
        else:
            insort(self._order, fact.key)
        return True

    def knows(self, moment: datetime) -> bool:
        """Whether anything is dated at the very moment."""
        place = bisect_left(self._order, (moment, ""))
        return place < len(self._order) and self._order[place][0] == moment

    def net(self, ref: str) -> Net | None:
        """What counts of one fact; None where nothing does."""
        fact = self.facts[ref]
        if fact.reason or fact.reverses or self.marks.get(ref):
            return None
        return net_of(fact, [one for one in self.reversals.get(ref, ()) if self._holds(one.ref)])

    def target(self, fact: Fact) -> Fact | None:
        """What a fact says or takes back in the end, through reversals of reversals; None where that was never heard of."""
        passed = set()
        while fact.reverses:
            found = self.facts.get(fact.reverses)
            if found is None or found.ref in passed:
                return None
            passed.add(found.ref)
            fact = found
        return fact

    def _holds(self, ref: str) -> bool:
        """A reversal holds unless it was itself found void or taken back."""
        return not self.marks.get(ref) and not self.reversals.get(ref)

    def moments(self) -> Iterator[tuple[datetime, list[Net]]]:
        """What counts, by time; facts of one moment are one moment."""
        group: list[Net] = []
        for _, ref in self._order:
            net = self.net(ref)
            if net is None:
                continue
            if group and group[0].fact.at != net.fact.at:
                yield group[0].fact.at, group
                group = []
            group.append(net)
        if group:
            yield group[0].fact.at, group

    def first_at(self) -> datetime | None:
        return self._order[0][0] if self._order else None
