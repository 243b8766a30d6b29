"""Everything that was recorded of one member, line by line: what counts, what does not and why. For staff's page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from catalog.models import Category
from membership.engine.facts import UNSETTLED, Fact, History
from membership.models import MemberTier
from membership.rules.describe import exclusion_name
from membership.selectors.books import load_history
from membership.selectors.explaining import fact_counts, fact_figure, fact_label


@dataclass(frozen=True)
class FactLine:
    """`flagged` where somebody found that it does not count; `can_be_flagged` where it counts by itself, or will."""

    ref: str
    at: datetime
    what: str
    figure: str
    category: str
    subject: str
    counts: bool
    told: str
    flagged: bool
    can_be_flagged: bool


@dataclass(frozen=True)
class Ledger:
    """The newest first."""

    lines: Sequence[FactLine]

    @property
    def counted(self) -> list[FactLine]:
        return [line for line in self.lines if line.counts]

    @property
    def not_counted(self) -> list[FactLine]:
        return [line for line in self.lines if not line.counts]

    @property
    def flagged(self) -> list[FactLine]:
        return [line for line in self.lines if line.flagged]

    @property
    def can_be_flagged(self) -> list[FactLine]:
        return [line for line in self.lines if line.can_be_flagged]


def ledger_of(member: MemberTier) -> Ledger:
    """Reads the whole ledger of the member."""
    history = load_history(member.pk)
    facts = sorted(history.facts.values(), key=lambda fact: fact.key, reverse=True)
    names = {one.code: str(one) for one in Category.objects.only("code", "name", "name_en")}
    return Ledger([_line(fact, history, names) for fact in facts if not _was_settled(fact, history)])


def _was_settled(fact: Fact, history: History) -> bool:
    """Whether a fact only waited for a settlement that has come: the spend itself stands beside it."""
    return fact.reason == UNSETTLED and fact.ref.replace(UNSETTLED, fact.metric) in history.facts


def _line(fact: Fact, history: History, names: Mapping[str, str]) -> FactLine:
    mark = history.marks.get(fact.ref, "")
    counts = not fact.reverses and history.net(fact.ref) is not None
    return FactLine(
        ref=fact.ref,
        at=fact.at,
        what=fact_label(fact),
        figure=fact_figure(fact, fact.amount, fact.quantity),
        category=names.get(fact.category, fact.category),
        subject=fact.subject,
        counts=counts,
        told=_("不计入：%(reason)s") % {"reason": exclusion_name(mark)} if mark else fact_counts(fact, history),
        flagged=bool(mark),
        can_be_flagged=counts or fact.reason == UNSETTLED and not mark,
    )
