"""Conditions as SQL: the comparison of every leaf, groups, and per tier whether it is entered, kept, let in by its gates."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from membership.engine.judge import keep_condition
from membership.rules.catalogue import Missing
from membership.rules.nodes import Condition, Leaf, RuleSet, Tier
from membership.sql.figures import Figures
from membership.sql.fragments import FALSE, TRUE, Sql, fill, join

_OPERATORS = {">=": Sql(">="), ">": Sql(">"), "<=": Sql("<="), "<": Sql("<"), "==": Sql("="), "!=": Sql("<>")}


def read(leaf: Leaf, rules: RuleSet, figures: Figures) -> Sql:
    """A leaf's value, with what the catalogue says of values that are missing; NULL is undefined."""
    value = figures.value(leaf, rules)
    match leaf.metric.missing:
        case Missing.ZERO:
            return fill("COALESCE({value}, 0)", value=value)
        case Missing.FALSE:
            return fill("COALESCE({value}, FALSE)", value=value)
        case Missing.UNDEFINED:
            return value


def passes(leaf: Leaf, rules: RuleSet, figures: Figures) -> Sql:
    """Never NULL: any comparison with an undefined value is false."""
    compared = fill("{value} {op} {v}", value=read(leaf, rules, figures), op=_OPERATORS[leaf.op], v=leaf.v)
    return fill("COALESCE({compared}, FALSE)", compared=compared)


def holds(condition: Condition, rules: RuleSet, figures: Figures) -> Sql:
    if isinstance(condition, Leaf):
        return passes(condition, rules, figures)
    parts = [holds(child, rules, figures) for child in condition.children]
    return all_of(parts) if condition.kind == "all" else any_of(parts)


def all_of(parts: Iterable[Sql]) -> Sql:
    found = [part for part in parts if part != TRUE]
    return fill("({parts})", parts=join(" AND ", found)) if found else TRUE


def any_of(parts: Iterable[Sql]) -> Sql:
    found = list(parts)
    return fill("({parts})", parts=join(" OR ", found)) if found else FALSE


@dataclass(frozen=True)
class Ladder:
    """The tiers of a rule set against the figures of a statement, for members without offers and jumps.

    Every answer is an expression over `figures`, `flags` and whatever the given rank is an expression over.
    """

    rules: RuleSet
    figures: Figures

    def enters(self, tier: Tier) -> Sql:
        """The condition for entering alone, without the gates."""
        if tier.enter is None:
            return FALSE
        return self.figures.flag(holds(tier.enter, self.rules, self.figures))

    def gates(self, tier: Tier) -> Sql:
        return self.figures.flag(all_of(holds(gate, self.rules, self.figures) for gate in tier.gates))

    def keeps(self, tier: Tier) -> Sql:
        """Whoever would enter keeps too."""
        condition = keep_condition(tier)
        if condition is None:
            return TRUE
        return any_of([self.figures.flag(holds(condition, self.rules, self.figures)), self.enters(tier)])

    def goes_in(self, tier: Tier) -> Sql:
        return all_of([self.enters(tier), self.gates(tier)])

    def fits(self, tier: Tier) -> Sql:
        return all_of([self.gates(tier), self.keeps(tier)])

    def reached(self, rank: Sql) -> Sql:
        """The highest rank above `rank` whose condition and gates hold; NULL for none."""
        tiers = [tier for tier in reversed(self.rules.tiers) if tier.enter is not None]
        return _first((fill("{rank} < {one}", rank=rank, one=tier.rank), self.goes_in(tier), tier) for tier in tiers)

    def landing(self, rank: Sql) -> Sql:
        """The highest rank below `rank` whose gates hold."""
        return self._below(rank, self.gates)

    def fitting_below(self, rank: Sql) -> Sql:
        """The highest rank below `rank` that lets the member in and that the figures keep."""
        return self._below(rank, self.fits)

    def stays(self, rank: Sql) -> Sql:
        """Whether the tier of `rank` lets in and is kept: the default tier always, one that is not there never."""
        return self.of_rank(rank, self.fits)

    def lets_in(self, rank: Sql) -> Sql:
        return self.of_rank(rank, self.gates)

    def has(self, rank: Sql) -> Sql:
        return fill("({rank} = ANY({ranks}))", rank=rank, ranks=[tier.rank for tier in self.rules.tiers])

    def of_rank(self, rank: Sql, what: Callable[[Tier], Sql]) -> Sql:
        cases = join(" ", (fill("WHEN {one} THEN {what}", one=tier.rank, what=what(tier)) for tier in self.rules.tiers))
        return fill("(CASE {rank} {cases} ELSE FALSE END)", rank=rank, cases=cases)

    def jumps(self) -> Sql:
        """Whether some jump is open to a member who has made none."""
        return self.figures.flag(any_of(holds(jump.when, self.rules, self.figures) for jump in self.rules.jumps))

    def next_change(self) -> Sql:
        """The first day on which some figure reads something else although nothing happens; NULL for never."""
        asked = sorted({(leaf.m, leaf.win) for leaf in self.rules.leaves()}, key=str)
        days = [self.figures.change(metric, window) for metric, window in asked]
        return fill("LEAST({days})", days=join(", ", days)) if days else Sql("NULL::date")

    def _below(self, rank: Sql, what: Callable[[Tier], Sql]) -> Sql:
        tiers = [tier for tier in reversed(self.rules.tiers) if tier != self.rules.default_tier]
        found = _first((fill("{rank} > {one}", rank=rank, one=tier.rank), what(tier), tier) for tier in tiers)
        return fill("COALESCE({found}, {default})", found=found, default=self.rules.default_tier.rank)


def _first(cases: Iterable[tuple[Sql, Sql, Tier]]) -> Sql:
    """The rank of the first tier for which both conditions hold; NULL for none."""
    found = [fill("WHEN {a} AND {b} THEN {rank}", a=a, b=b, rank=tier.rank) for a, b, tier in cases]
    return fill("(CASE {cases} END)", cases=join(" ", found)) if found else Sql("NULL::bigint")
