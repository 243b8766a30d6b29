"""The members whom a pass has in hand, in a table of the session: whom a moment waits for, and by which rules.

A table, because its size tells PostgreSQL whether to look up the sums of a few members or to read those of all in a row.
"""

from collections.abc import Sequence
from datetime import datetime

from membership.engine.versions import Timeline
from membership.sql.figures import MEMBERS, Scope
from membership.sql.fragments import NULL, Sql, fill, join, run
from membership.sql.settling import PLAIN

_SLICE = Sql("membership_slice")
_CREATE = Sql("""
CREATE TEMPORARY TABLE membership_slice (
    id bigint PRIMARY KEY, moment timestamptz, version bigint, kept_by bigint, kept_until timestamptz
)
""")
# (moment, version, kept_by, kept_until); a moment of None: only the engine can judge these.
Key = tuple[datetime | None, int | None, int | None, datetime | None]


def take(ids: Sequence[int], timeline: Timeline, at: datetime) -> None:
    """Have these members in hand, with the next moment at or before `at` that changes something for each."""
    _hold(
        fill(
            """SELECT m.id, CASE WHEN {plain} AND next.moment <= {at} THEN next.moment END,
    (m.state ->> 'version')::bigint, (m.state ->> 'kept_by')::bigint, (m.state ->> 'kept_until')::timestamptz
FROM {members} AS m CROSS JOIN LATERAL (
    SELECT LEAST(CASE WHEN m.next_check_at > m.folded_to THEN m.next_check_at END, {begins}) AS moment
) AS next WHERE {rows}""",
            plain=PLAIN,
            at=at,
            begins=_next_version(timeline),
            members=MEMBERS,
            rows=Scope.of_ids(ids).members,
        )
    )


def take_standing(ids: Sequence[int], at: datetime) -> None:
    """Have these members in hand as they stand at `at`, whether or not something is due."""
    _hold(
        fill(
            """SELECT m.id, CASE WHEN {plain} THEN {at} END, NULL, (m.state ->> 'kept_by')::bigint, NULL
FROM {members} AS m WHERE {rows}""",
            plain=PLAIN,
            at=at,
            members=MEMBERS,
            rows=Scope.of_ids(ids).members,
        )
    )


def _hold(rows: Sql) -> None:
    run(Sql("DROP TABLE IF EXISTS membership_slice"))
    run(_CREATE)
    run(fill("INSERT INTO {slice} {rows}", slice=_SLICE, rows=rows))
    # How many there are is what counts; a small sample tells it.
    run(Sql("SET LOCAL default_statistics_target = 10"))
    run(Sql("ANALYZE membership_slice"))


def drop() -> None:
    run(Sql("DROP TABLE IF EXISTS membership_slice"))


def _next_version(timeline: Timeline) -> Sql:
    """When the version after the one under which a member was folded takes effect."""
    starts = [version.effective_from for version in timeline.versions[1:]]
    cases = [fill("WHEN m.folded_to < {start} THEN {start}", start=start) for start in starts]
    return fill("CASE {cases} END", cases=join(" ", cases)) if cases else fill("{n}::timestamptz", n=NULL)


def groups() -> list[tuple[Key, int]]:
    """The members in hand by what they wait for, with how many there are."""
    rows = run(fill("SELECT moment, version, kept_by, kept_until, count(*) FROM {t} GROUP BY 1, 2, 3, 4", t=_SLICE))
    return [(tuple(key), count) for *key, count in rows]


def scope_of(key: Key) -> Scope:
    chosen = fill("SELECT s.id FROM {slice} AS s WHERE {mine}", slice=_SLICE, mine=_of(key))
    return Scope(fill("m.id IN ({chosen})", chosen=chosen), fill("b.member_id IN ({chosen})", chosen=chosen))


def ids_of(key: Key) -> list[int]:
    chosen = fill("SELECT s.id FROM {slice} AS s WHERE {mine} ORDER BY s.id", slice=_SLICE, mine=_of(key))
    return [row[0] for row in run(chosen)]


def _of(key: Key) -> Sql:
    columns = (("moment", "timestamptz"), ("version", "bigint"), ("kept_by", "bigint"), ("kept_until", "timestamptz"))
    same = [
        fill("s.{column} IS NULL", column=Sql(column)) if value is None else Sql(f"s.{column} = %s::{kind}", (value,))
        for (column, kind), value in zip(columns, key, strict=True)
    ]
    return join(" AND ", same)
