"""One step of many members at once: told by one statement that reads, then stored by a few that write.

Nobody is locked while the sums are read, which takes seconds. What is written is written in batches under the locks of
their rows, and to nobody whose row has changed since: these are left to the engine.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from common.clock import SHANGHAI, start_of_day
from membership.engine.book import ONE_DAY
from membership.engine.state import GRACE, WARNED, written
from membership.models import TierDecision
from membership.selectors.rules import Published
from membership.sql.conditions import Ladder
from membership.sql.documents import evaluation_document, figures_array, gap_document, trace_document
from membership.sql.figures import MEMBERS, Figures, Scope
from membership.sql.fragments import NULL, Sql, execute_count, fill, join, name, run
from membership.sql.settling import (
    ASK,
    DECIDED,
    DOWN,
    ENTER,
    GRACED,
    RANK,
    SINCE_DAY,
    STAGES,
    STAY,
    Moment,
    may_rise,
    move,
    stay_ends,
)

DECISIONS = name(TierDecision._meta.db_table)
# Members whose rows are locked and written at a time.
BATCH = 10_000

_STEP = Sql("membership_step")
_CREATE = Sql("""
CREATE TEMPORARY TABLE membership_step (
    id bigint PRIMARY KEY, mark xid, user_id bigint, rank smallint, move text, to_rank smallint, stage text,
    grace_until timestamptz, since timestamptz, next_check_at timestamptz, changes jsonb, figures jsonb, gap jsonb
)
""")
_COLUMNS = Sql("m.xmin AS mark, m.user_id, m.rank, m.since, m.stage, m.grace_until, m.state")
# What becomes of the member; `next` is computed once for each, whoever asks for it.
_TO_RANK, _SINCE = Sql("next.to_rank"), Sql("next.since_day")


@dataclass(frozen=True)
class Made:
    """A decision that was stored."""

    pk: int
    user_id: int
    from_rank: int
    to_rank: int
    cause: str


def tell(scope: Scope, moment: Moment) -> int:
    """Find what the moment makes of plain members, into a table of the session; returns of how many it could be told."""
    figures = Figures([moment.version.rules, moment.holder.rules], moment.day)
    ladder, keeper = Ladder(moment.version.rules, figures), Ladder(moment.holder.rules, figures)
    columns = [
        Sql("scope.id, scope.mark, scope.user_id, scope.rank, made.move, next.to_rank, next.stage, next.grace_until"),
        fill("CASE WHEN {moved} THEN {at} ELSE scope.since END", moved=_MOVED, at=moment.at),
        _next_check(ladder, keeper, moment),
        _changes(moment),
        figures_array(ladder),
        fill(
            "CASE WHEN made.move = ANY({decided}) THEN {gap} END", decided=DECIDED, gap=gap_document(ladder, _TO_RANK)
        ),
    ]
    source = _source(ladder, keeper, moment)
    drop()
    run(_CREATE)
    return execute_count(
        fill(
            "WITH {ctes} INSERT INTO {step} SELECT {columns} {source} WHERE made.move <> {ask}",
            ctes=figures.ctes(scope, _COLUMNS),
            step=_STEP,
            columns=join(", ", columns),
            source=source,
            ask=ASK,
        )
    )


def moving(scope: Scope, moment: Moment) -> list[int]:
    """Plain members whom another step at the moment would not leave as they are, although nothing is due. Reads only."""
    figures = Figures([moment.version.rules, moment.holder.rules], moment.day)
    ladder, keeper = Ladder(moment.version.rules, figures), Ladder(moment.holder.rules, figures)
    made = move(ladder, keeper, moment)
    statement = fill(
        """WITH {ctes} SELECT scope.id FROM scope JOIN figures ON figures.member_id = scope.id
JOIN flags ON flags.member_id = scope.id WHERE {move} <> {stay} ORDER BY scope.id""",
        move=made,
        stay=STAY,
        ctes=figures.ctes(scope, _COLUMNS),
    )
    return [row[0] for row in run(statement)]


def drop() -> None:
    run(Sql("DROP TABLE IF EXISTS membership_step"))


# What is found

_MOVED = fill("made.move = ANY({moves})", moves=[ENTER, DOWN])


def _source(ladder: Ladder, keeper: Ladder, moment: Moment) -> Sql:
    grace = [
        fill("WHEN {rank} THEN {until}", rank=tier.rank, until=_grace_end(moment, tier.grace_days))
        for tier in ladder.rules.tiers
    ]
    stages = [fill("WHEN {move} THEN {stage}", move=made, stage=stage) for made, stage in STAGES.items()]
    return fill(
        """FROM scope JOIN figures ON figures.member_id = scope.id JOIN flags ON flags.member_id = scope.id
CROSS JOIN LATERAL (SELECT {move} AS move OFFSET 0) AS made
CROSS JOIN LATERAL (SELECT
    CASE made.move WHEN {enter} THEN {reached} WHEN {down} THEN {landing} ELSE {rank} END AS to_rank,
    CASE made.move {stages} ELSE scope.stage END AS stage,
    CASE made.move WHEN {grace} THEN CASE {rank} {until} END WHEN {stay} THEN scope.grace_until END AS grace_until,
    CASE WHEN {moved} THEN {today} ELSE {since} END AS since_day OFFSET 0) AS next""",
        move=move(ladder, keeper, moment),
        enter=ENTER,
        reached=ladder.reached(RANK),
        down=DOWN,
        landing=ladder.landing(RANK),
        rank=RANK,
        stages=join(" ", stages),
        grace=GRACED,
        until=join(" ", grace),
        stay=STAY,
        moved=_MOVED,
        today=moment.day,
        since=SINCE_DAY,
    )


def _grace_end(moment: Moment, days: int) -> datetime:
    return start_of_day(moment.day + days * ONE_DAY)


def _next_check(ladder: Ladder, keeper: Ladder, moment: Moment) -> Sql:
    """The first moment after this one at which time alone may change what is known; NULL when it never does."""
    kept_by, kept_until = moment.kept_after
    days = [ladder.next_change(), may_rise(ladder, _TO_RANK, moment)]
    if kept_by is None:
        days.append(_stay_goes_on(ladder, moment))
    else:
        days.append(_where_protected(ladder, keeper.next_change()))
        days.append(_where_protected(ladder, _stay_goes_on(keeper, moment), _stay_goes_on(ladder, moment)))
    if moment.ordinary:
        days.append(_more_to_do(ladder, moment))
    moments = [fill("(LEAST({days})::timestamp AT TIME ZONE {zone})", days=join(", ", days), zone=str(SHANGHAI))]
    moments.append(fill("CASE WHEN next.grace_until > {at} THEN next.grace_until END", at=moment.at))
    if moment.next_version_at is not None:
        moments.append(fill("{at}", at=moment.next_version_at))
    if kept_until is not None:
        # A protection that is over when it begins ends with the next midnight's step.
        until = kept_until if kept_until > moment.at else start_of_day(moment.day + ONE_DAY)
        moments.append(_where_protected(ladder, fill("{until}", until=until)))
    return fill("LEAST({moments})", moments=join(", ", moments))


def _more_to_do(ladder: Ladder, moment: Moment) -> Sql:
    """Tomorrow, where the next midnight brings another step: after a warning, or in a tier that is not worth keeping."""
    at_once = [tier for tier in ladder.rules.tiers[1:] if tier.min_stay_days == 0]
    unkept = [fill("WHEN {rank} THEN NOT {fits}", rank=tier.rank, fits=ladder.fits(tier)) for tier in at_once]
    landed = fill("CASE {rank} {cases} ELSE FALSE END", rank=_TO_RANK, cases=join(" ", unkept)) if unkept else None
    return fill(
        """CASE WHEN next.stage = {warned} OR next.stage = {grace} AND next.grace_until <= {at}
    OR made.move = {down} AND {landed} THEN {tomorrow} END""",
        warned=WARNED,
        grace=GRACE,
        at=moment.at,
        down=DOWN,
        landed=landed if landed is not None else Sql("FALSE"),
        tomorrow=moment.day + ONE_DAY,
    )


def _where_protected(ladder: Ladder, value: Sql, otherwise: Sql = NULL) -> Sql:
    """Nobody is protected in the default tier."""
    default = ladder.rules.default_tier.rank
    return fill(
        "CASE WHEN {rank} <> {default} THEN {value} ELSE {otherwise} END",
        rank=RANK,
        default=default,
        value=value,
        otherwise=otherwise,
    )


def _stay_goes_on(ladder: Ladder, moment: Moment) -> Sql:
    """The day on which the minimum stay is over, where it is not yet."""
    ends = stay_ends(ladder, _TO_RANK, _SINCE)
    return fill("CASE WHEN {ends} > {today} THEN {ends} END", ends=ends, today=moment.day)


def _changes(moment: Moment) -> Sql:
    """What the move changes in the engine's state (membership.engine.state), beside its moment; NULL for nothing."""
    tiers = moment.version.rules.tiers
    until = [
        fill("WHEN {rank} THEN {until}", rank=tier.rank, until=written(_grace_end(moment, tier.grace_days)))
        for tier in tiers
    ]
    return fill(
        """CASE WHEN made.move = {stay} THEN NULL ELSE jsonb_build_object('stage', next.stage, 'shown_stage', next.stage) ||
    CASE WHEN made.move = {grace} THEN jsonb_build_object('grace_until', CASE {rank} {until} END)
        WHEN {moved} THEN jsonb_build_object('rank', next.to_rank, 'since', {at}, 'shown', next.to_rank, 'shown_since', {at})
        ELSE '{{}}'::jsonb END END""",
        stay=STAY,
        grace=GRACED,
        rank=RANK,
        until=join(" ", until),
        moved=_MOVED,
        at=written(moment.at),
    )


def _state(moment: Moment) -> Sql:
    """The state of a member `m` after what was told in `s`."""
    now = fill("{known}::jsonb", known=json.dumps({"at": written(moment.at), "version": moment.version.pk}))
    if moment.ordinary:
        return fill(
            "CASE WHEN s.changes IS NULL THEN m.state ELSE m.state - 'grace_until' || s.changes END || {now}", now=now
        )
    after = fill("m.state - 'kept_by' - 'kept_until' || {now}", now=now)
    kept_by, kept_until = moment.kept_after
    kept = {"kept_by": kept_by and kept_by.pk, "kept_until": kept_until and written(kept_until)}
    kept = {key: value for key, value in kept.items() if value is not None}
    if not kept:
        return after
    return fill(
        "{after} || CASE WHEN s.rank <> {default} THEN {kept}::jsonb ELSE '{{}}'::jsonb END",
        after=after,
        default=moment.version.rules.default_tier.rank,
        kept=json.dumps(kept),
    )


# What is stored


def batches(size: int = BATCH) -> Iterator[tuple[int, int, int]]:
    """Ranges of the numbers of those who were told, after the first up to the last, with how many there are."""
    statement = fill(
        """SELECT max(id), count(*) FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / {size} AS place FROM {step}) AS told
GROUP BY place ORDER BY place""",
        size=size,
        step=_STEP,
    )
    after = 0
    for last, count in run(statement):
        yield after, last, count
        after = last


def store(after: int, last: int, count: int, moment: Moment, *, at: datetime, with_evaluation: bool) -> list[Made]:
    """Write a batch of what was told, within a transaction; returns the decisions. Locks the MemberTier rows.

    Members whose rows have changed since are dropped from what was told.
    """
    mine = fill("s.id > {after} AND s.id <= {last}", after=after, last=last)
    document = evaluation_document(Sql("s.figures"), moment.version, moment.day)
    names = {"step": _STEP, "members": MEMBERS, "mine": mine}
    run(
        fill(
            """SELECT m.id FROM {members} AS m WHERE m.id IN (SELECT s.id FROM {step} AS s WHERE {mine})
ORDER BY m.id FOR UPDATE""",
            **names,
        )
    )
    stored = execute_count(
        fill(
            """UPDATE {members} AS m SET rank = s.to_rank, since = s.since, stage = s.stage, grace_until = s.grace_until,
    next_check_at = s.next_check_at, state = {state}, {evaluation}folded_to = {moment}, version_id = {version},
    evaluated_at = {at}
FROM {step} AS s WHERE m.id = s.id AND m.xmin = s.mark AND {mine}""",
            **names,
            state=_state(moment),
            evaluation=fill("evaluation = {document}, ", document=document) if with_evaluation else Sql(""),
            moment=moment.at,
            version=moment.version.pk,
            at=at,
        )
    )
    if stored < count:
        run(
            fill(
                """DELETE FROM {step} AS s WHERE {mine} AND NOT EXISTS (SELECT 1 FROM {members} AS m
    WHERE m.id = s.id AND m.folded_to = {moment} AND m.evaluated_at = {at})""",
                **names,
                moment=moment.at,
                at=at,
            )
        )
    rows = run(
        fill(
            """WITH made AS (
    INSERT INTO {decisions} (member_id, from_rank, to_rank, stage, cause, activity_ref, version_id, trace, gap, day, at)
    SELECT s.id, s.rank, s.to_rank, s.stage, s.move, '', {version}, {trace}, s.gap, {day}, {moment}
    FROM {step} AS s WHERE s.move = ANY({decided}) AND {mine} ORDER BY s.id
    RETURNING id, member_id, from_rank, to_rank, cause
)
SELECT made.id, s.user_id, made.from_rank, made.to_rank, made.cause
FROM made JOIN {step} AS s ON s.id = made.member_id ORDER BY made.id""",
            **names,
            decisions=DECISIONS,
            trace=trace_document(Sql("s.figures"), moment.version),
            decided=DECIDED,
            version=moment.version.pk,
            day=moment.day,
            moment=moment.at,
        )
    )
    return [Made(*row) for row in rows]


def left_of(scope: Scope) -> list[int]:
    """Those in the scope of whom nothing was told, or whose row had changed."""
    rows = run(
        fill(
            """SELECT m.id FROM {members} AS m WHERE {mine} AND NOT EXISTS (SELECT 1 FROM {step} AS s WHERE s.id = m.id)
ORDER BY m.id""",
            members=MEMBERS,
            mine=scope.members,
            step=_STEP,
        )
    )
    return [row[0] for row in rows]


def told_ids() -> list[int]:
    return [row[0] for row in run(fill("SELECT id FROM {step} ORDER BY id", step=_STEP))]


def due_again(at: datetime) -> list[int]:
    """Of those who were told and stored, whom another moment waits for at or before `at`."""
    rows = run(fill("SELECT id FROM {step} WHERE next_check_at <= {at} ORDER BY id", step=_STEP, at=at))
    return [row[0] for row in rows]


def write_evaluations(scope: Scope, version: Published, day: date) -> None:
    """Store the evaluation of locked, plain members as of a day, by the version in force."""
    figures = Figures([version.rules], day)
    ladder = Ladder(version.rules, figures)
    run(
        fill(
            """WITH {ctes}, written AS MATERIALIZED (
    SELECT scope.id, {evaluation} AS evaluation FROM scope JOIN figures ON figures.member_id = scope.id
    JOIN flags ON flags.member_id = scope.id
)
UPDATE {members} AS m SET evaluation = written.evaluation FROM written WHERE m.id = written.id""",
            evaluation=evaluation_document(figures_array(ladder), version, day),
            members=MEMBERS,
            ctes=figures.ctes(scope, Sql("m.rank, m.state")),
        )
    )
