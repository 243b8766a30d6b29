"""Every metric of the catalogue for many members: one pass over the buckets, one over the totals.

Mirrors membership.engine.book.Snapshot. Windows are read from the days, whole lives from the totals; seen from an earlier
day, a whole life is the total less what came later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from membership.engine.book import BUY_DAYS, ONE_DAY, SOURCES, STATES, days_needed
from membership.models import Bucket, MemberTier, Total
from membership.rules.catalogue import METRICS, Kind, Span, Window
from membership.rules.nodes import Leaf, RuleSet
from membership.sql.fragments import FALSE, NULL, TRUE, Sql, fill, join, name

MEMBERS = name(MemberTier._meta.db_table)
BUCKETS = name(Bucket._meta.db_table)
TOTALS = name(Total._meta.db_table)

_COUNTS = Sql("(b.amount <> 0 OR b.quantity <> 0)")
_QUANTITY = Sql("b.quantity")
_ORDERS = "orders"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose figures: `members` is a condition on the member `m`, `rows` the same of `b.member_id` in the sums."""

    members: Sql
    rows: Sql

    @classmethod
    def of_ids(cls, ids: Sequence[int]) -> "Scope":
        wanted = Sql("%s::bigint[]", (list(ids),))
        return cls(fill("m.id = ANY({ids})", ids=wanted), fill("b.member_id = ANY({ids})", ids=wanted))

    @classmethod
    def of_program(cls, program_id: int, after: int = 0, last: int | None = None) -> "Scope":
        """Members of a program by their numbers, from the one after `after` up to `last`."""
        members = fill("m.program_id = {program} AND m.id > {after}", program=program_id, after=after)
        if last is None:
            return cls(members, fill("b.member_id > {after}", after=after) if after else TRUE)
        return cls(
            fill("{members} AND m.id <= {last}", members=members, last=last),
            fill("b.member_id > {after} AND b.member_id <= {last}", after=after, last=last),
        )


class Figures:
    """The columns that conditions ask for. What is asked for twice is one column.

    `today` is the Shanghai day; `past` when the totals know more than that day did. `weights` tables belong to the rules
    of each leaf.
    """

    def __init__(self, rule_sets: Sequence[RuleSet], today: date, *, past: bool = False) -> None:
        self.today, self.past = today, past
        self.first = min((days_needed(rules, today) for rules in rule_sets), default=today)
        self._days: dict[Sql, Sql] = {}
        self._life: dict[Sql, Sql] = {}
        self._said: dict[Sql, Sql] = {}
        self._values: dict[Sql, Sql] = {}
        self._flags: dict[Sql, Sql] = {}
        self._streak = False

    # What may be asked

    def value(self, leaf: Leaf, rules: RuleSet) -> Sql:
        """The column of a leaf's metric, NULL where nothing is known of it."""
        weights = rules.weights.get(leaf.w, {}) if leaf.w else {}
        return self._column(self._value(leaf.m, leaf.win, weights))

    def change(self, metric: str, window: Window) -> Sql:
        """The first day on which the metric reads something else although nothing happens; NULL for never.

        Raises ValueError for an earlier day: what came after it is known.
        """
        if self.past:
            raise ValueError("time goes on from today")
        return self._column(self._change(metric, window))

    def rise(self, days: int, last: date) -> Sql:
        """Proportional to the slope of the activity points of so many days up to `last`; its sign is that of the slope."""
        first = last - (days - 1) * ONE_DAY
        what = fill("(2 * (b.day - {first}) - ({days} - 1)) * b.quantity", first=first, days=days)
        return self._column(self._over_days("sum", what, "activity", first, last))

    def counts_between(self, metric: str, first: date, last: date) -> Sql:
        """Whether something of a metric counts on some of these days."""
        day = fill("CASE WHEN {counts} THEN b.day END", counts=_COUNTS)
        earliest = self._column(self._over_days("min", day, metric, first, last))
        return fill("{earliest} IS NOT NULL", earliest=earliest)

    def flag(self, condition: Sql) -> Sql:
        """A condition over figures, computed once for each member however often it is asked."""
        if condition in (TRUE, FALSE):
            return condition
        return fill("flags.{column}", column=self._flags.setdefault(condition, name(f"flag{len(self._flags)}")))

    # The statement

    def ctes(self, scope: Scope, columns: Sql) -> Sql:
        """`scope` (the members: id and `columns`), `figures` and `flags` (by member_id, all that was asked for)."""
        parts = [
            fill(
                "scope AS MATERIALIZED (SELECT m.id, {columns} FROM {table} AS m WHERE {members})",
                columns=columns,
                table=MEMBERS,
                members=scope.members,
            )
        ]
        joins = []
        for alias, rows, found in (
            ("days", self._day_rows(scope), self._days),
            ("life", fill("{table} AS b WHERE {rows}", table=TOTALS, rows=scope.rows), self._life),
            ("said", self._said_rows(scope), self._said),
        ):
            if found:
                parts.append(_aggregate(alias, rows, found))
                joins.append(alias)
        if self._streak:
            parts.append(self._streaks(scope))
            joins.append("streaks")
        values = join(", ", (fill("{value} AS {column}", value=v, column=c) for v, c in self._values.items()))
        parts.append(
            fill(
                "figures AS MATERIALIZED (SELECT scope.id AS member_id{comma}{values} FROM scope{joins})",
                comma=Sql(", " if self._values else ""),
                values=values,
                joins=Sql("".join(f" LEFT JOIN {alias} ON {alias}.member_id = scope.id" for alias in joins)),
            )
        )
        flags = join(", ", (fill("{value} AS {column}", value=v, column=c) for v, c in self._flags.items()))
        parts.append(
            fill(
                "flags AS MATERIALIZED (SELECT figures.member_id{comma}{flags} FROM figures)",
                comma=Sql(", " if self._flags else ""),
                flags=flags,
            )
        )
        return join(",\n", parts)

    def _day_rows(self, scope: Scope) -> Sql:
        until = TRUE if self.past else fill("b.day <= {today}", today=self.today)
        return fill(
            "{table} AS b WHERE {rows} AND b.day >= {first} AND {until}",
            table=BUCKETS,
            rows=scope.rows,
            first=self.first,
            until=until,
        )

    def _said_rows(self, scope: Scope) -> Sql:
        return fill(
            "{table} AS b WHERE {rows} AND b.metric = ANY({states}) AND b.amount <> 0 AND b.day <= {today}",
            table=BUCKETS,
            rows=scope.rows,
            states=sorted(STATES),
            today=self.today,
        )

    def _streaks(self, scope: Scope) -> Sql:
        """Days with orders in a row that ends today or yesterday: the n-th before the last lies n days before it."""
        return fill(
            """order_days AS (
    SELECT member_id, day, max(day) OVER each AS last, row_number() OVER (each ORDER BY day DESC) AS place
    FROM (SELECT DISTINCT b.member_id, b.day FROM {rows} AND b.metric = {orders} AND b.day <= {today} AND {counts}) AS b
    WINDOW each AS (PARTITION BY member_id)
), streaks AS (
    SELECT member_id, max(last) AS last, count(*) AS length FROM order_days
    WHERE last >= {yesterday} AND day = last - (place - 1)::integer
    GROUP BY member_id
)""",
            rows=self._day_rows(scope),
            orders=_ORDERS,
            today=self.today,
            yesterday=self.today - ONE_DAY,
            counts=_COUNTS,
        )

    # Columns

    def _column(self, value: Sql) -> Sql:
        known = self._values.setdefault(value, name(f"f{len(self._values)}"))
        return fill("figures.{column}", column=known)

    def _from(self, alias: str, found: dict[Sql, Sql], value: Sql) -> Sql:
        column = found.setdefault(value, name(f"{alias}{len(found)}"))
        return fill("{alias}.{column}", alias=name(alias), column=column)

    def _over_days(self, function: str, what: Sql, metric: str, first: date, last: date | None) -> Sql:
        between = fill("b.day >= {first}", first=first)
        if last is not None and (self.past or last != self.today):
            between = fill("b.day BETWEEN {first} AND {last}", first=first, last=last)
        return self._from("days", self._days, _filtered(function, what, metric, between))

    # Metrics

    def _value(self, metric: str, window: Window, weights: Mapping[str, Decimal]) -> Sql:
        if metric == "streak":
            self._streak = True
            return Sql("COALESCE(streaks.length, 0)")
        if metric == BUY_DAYS:
            return self._buy_days(window)
        if metric in STATES:
            return self._state(metric)
        if metric == "dispute_rate":
            return self._dispute_rate(window)
        if metric == "positive_rate":
            return _ratio(self._sum("positive", window), self._sum("rated", window))
        if METRICS[metric].kind is Kind.MONEY:
            return fill("round({sum}, 2)", sum=self._sum(metric, window, _weighted(weights)))
        return self._sum(metric, window)

    def _sum(self, metric: str, window: Window, what: Sql = _QUANTITY) -> Sql:
        first = window.first_day(self.today)
        if first is not None:
            return _or_zero(self._over_days("sum", what, metric, first, self.today))
        return self._less_later(self._total(metric, what), self._over_days, "sum", what, metric)

    def _total(self, metric: str, what: Sql) -> Sql:
        return _or_zero(self._from("life", self._life, _filtered("sum", what, metric, TRUE)))

    def _less_later(self, total: Sql, over_days, function: str, what: Sql, metric: str) -> Sql:
        if not self.past:
            return total
        later = over_days(function, what, metric, self.today + ONE_DAY, None)
        return fill("({total} - {later})", total=total, later=_or_zero(later))

    def _buy_days(self, window: Window) -> Sql:
        first = window.first_day(self.today)
        one = Sql("CASE WHEN b.quantity > 0 THEN 1 END")
        if first is not None:
            return _or_zero(self._over_days("count", one, _ORDERS, first, self.today))
        total = self._total(BUY_DAYS, _QUANTITY)
        return self._less_later(total, self._over_days, "count", one, _ORDERS)

    def _state(self, metric: str) -> Sql:
        if self.past:
            last = fill(
                "(array_agg(b.quantity ORDER BY b.day DESC) FILTER (WHERE b.metric = {metric}))[1]", metric=metric
            )
            said = self._from("said", self._said, last)
        else:
            what = Sql("CASE WHEN b.amount <> 0 THEN b.quantity END")
            said = self._from("life", self._life, _filtered("max", what, metric, TRUE))
        return fill("({said} <> 0)", said=said) if METRICS[metric].kind is Kind.FLAG else said

    def _began(self) -> Sql:
        return self._from("life", self._life, _filtered("min", Sql("b.first_day"), _ORDERS, TRUE))

    def _dispute_rate(self, window: Window) -> Sql:
        rate = _ratio(self._sum("disputes_upheld", window), self._sum(_ORDERS, window))
        since = window.first_day(self.today) or self.today
        return fill("CASE WHEN {began} <= {since} THEN {rate} END", began=self._began(), since=since, rate=rate)

    # Time

    def _change(self, metric: str, window: Window) -> Sql:
        if metric == "streak":
            self._streak = True
            return Sql("(streaks.last + 2)")
        first = window.first_day(self.today)
        if first is None:
            return fill("{nothing}::date", nothing=NULL)
        found = []
        for source in SOURCES.get(metric, (metric,)):
            earliest = self._over_days(
                "min", fill("CASE WHEN {c} THEN b.day END", c=_COUNTS), source, first, self.today
            )
            if window.span is Span.WEEK:
                week = fill("CASE WHEN {day} IS NOT NULL THEN {next} END", day=earliest, next=first + 7 * ONE_DAY)
                found.append(week)
            else:
                found.append(fill("{day} + {days}", day=earliest, days=_days(window.days)))
        if metric == "dispute_rate":
            full = fill("{began} + {days}", began=self._began(), days=_days(window.days - 1))
            found.append(
                fill("CASE WHEN {began} > {first} THEN {full} END", began=self._began(), first=first, full=full)
            )
        return fill("LEAST({days})", days=join(", ", found))


def _aggregate(alias: str, rows: Sql, found: Mapping[Sql, Sql]) -> Sql:
    columns = join(", ", (fill("{value} AS {column}", value=v, column=c) for v, c in found.items()))
    return fill(
        "{alias} AS MATERIALIZED (SELECT b.member_id, {columns} FROM {rows} GROUP BY b.member_id)",
        alias=name(alias),
        columns=columns,
        rows=rows,
    )


def _filtered(function: str, what: Sql, metric: str, between: Sql) -> Sql:
    return fill(
        "{function}({what}) FILTER (WHERE b.metric = {metric} AND {between})",
        function=name(function),
        what=what,
        metric=metric,
        between=between,
    )


def _weighted(weights: Mapping[str, Decimal]) -> Sql:
    """The amount times the weight of its category; weights apply when read, so that changing them rewrites nothing."""
    default = weights.get("default", Decimal(1))
    cases = [
        fill("WHEN {category} THEN {factor}", category=category, factor=factor)
        for category, factor in sorted(weights.items())
        if category != "default"
    ]
    if cases:
        return fill("b.amount * CASE b.category {cases} ELSE {rest} END", cases=join(" ", cases), rest=default)
    return Sql("b.amount") if default == 1 else fill("b.amount * {rest}", rest=default)


def _or_zero(value: Sql) -> Sql:
    return fill("COALESCE({value}, 0)", value=value)


def _ratio(part: Sql, whole: Sql) -> Sql:
    # LEAST() would make 1 of an undefined ratio: it leaves NULLs out.
    return fill("CASE WHEN {whole} > 0 THEN LEAST(1, round({part}::numeric / {whole}, 4)) END", part=part, whole=whole)


def _days(number: int) -> Sql:
    return fill("{number}::integer", number=number)
