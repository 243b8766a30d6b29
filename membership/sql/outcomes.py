"""Where a draft would put everybody: one statement over the whole base into a table of this session, nothing else written.

Mirrors what a step does when a version takes effect (membership.engine.step). Members of whom that cannot be told from
figures alone get no rank here; the engine is asked.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from common.clock import day_of
from membership.engine.compact import read_figures, traces_of
from membership.engine.versions import IMMEDIATE
from membership.rules.nodes import RuleSet
from membership.rules.traces import dump_jump_trace, dump_tier_trace
from membership.selectors.rules import Published
from membership.sql.conditions import Ladder, all_of
from membership.sql.documents import figures_array
from membership.sql.figures import MEMBERS, Figures, Scope
from membership.sql.fragments import NULL, TRUE, Sql, fill, run
from membership.sql.settling import RANK, SIMPLE, Moment, offered

# (member_id, user_id, from_rank, to_rank); NULL in to_rank: not told yet.
OUTCOMES = Sql("membership_outcome")
_CREATE = Sql("""
CREATE TEMPORARY TABLE membership_outcome (
    member_id bigint PRIMARY KEY, user_id bigint NOT NULL, from_rank smallint NOT NULL, to_rank smallint
) ON COMMIT DROP
""")


@dataclass(frozen=True)
class Draft:
    """Rules as if they took effect at a moment. Reads like a version to the engine."""

    pk: int
    rules: RuleSet
    effective_from: datetime
    policy: str = IMMEDIATE
    policy_until: date | None = None


def empty_outcomes() -> None:
    """Begin anew, within a transaction."""
    run(Sql("DROP TABLE IF EXISTS membership_outcome"))
    run(_CREATE)


def place_all(
    *,
    program_id: int,
    draft: Draft,
    current: Published,
    keepers: list[Published],
    stays: tuple[tuple[int, Decimal], ...],
    at: datetime,
) -> None:
    """Everybody in the program as of now, by the version that protects their tier (`keepers`), if one does.

    `stays` is how long members stay in each rank on average: whom the draft would make an offer, the engine is asked about.
    """
    for keeper in (None, *keepers):
        kept = "(m.state ->> 'kept_by')::bigint IS NOT DISTINCT FROM {keeper}"
        mine = fill(kept, keeper=keeper.pk if keeper is not None else fill("{n}::bigint", n=NULL))
        scope = Scope.of_program(program_id)
        scope = Scope(all_of([scope.members, mine]), scope.rows)
        told = fill(
            "{simple} AND m.version_id = {current} AND (m.next_check_at IS NULL OR m.next_check_at > {at})",
            simple=SIMPLE,
            current=current.pk,
            at=at,
        )
        moment = Moment(at=at, version=draft, before=current, kept_by=keeper, stays=stays)
        # Since when somebody stays matters to offers only, and documents are long.
        state = Sql("m.state") if draft.rules.dynamic else Sql("NULL::jsonb")
        columns = fill("m.user_id, m.rank, {state} AS state, ({told}) AS told", state=state, told=told)
        _place(scope, columns, moment, keeper or current, told=Sql("scope.told"))


def place_all_as_of(*, program_id: int, draft: Draft, then: Published, at: datetime) -> None:
    """Everybody who was in the program at an earlier moment, from the rank held then. By the rules alone.

    What overrides, offers and jumps made of it at the time is in the rank held; the draft adds none.
    """
    held = fill(
        """(SELECT d.to_rank FROM membership_tierdecision AS d WHERE d.member_id = m.id AND d.at <= {at}
    ORDER BY d.id DESC LIMIT 1)""",
        at=at,
    )
    columns = fill("m.user_id, {held} AS rank", held=held)
    moment = Moment(at=at, version=draft, before=then)
    _place(Scope.of_program(program_id), columns, moment, then, told=TRUE, past=True)


def _place(scope: Scope, columns: Sql, moment: Moment, keeper: Published, *, told: Sql, past: bool = False) -> None:
    figures = Figures([moment.version.rules, keeper.rules], day_of(moment.at), past=past)
    ladder, holder = Ladder(moment.version.rules, figures), Ladder(keeper.rules, figures)
    to_rank = switched(ladder, holder, moment.version.policy)
    if not past:
        undecided = fill("{jumps} OR {offered}", jumps=ladder.jumps(), offered=offered(ladder, moment))
        to_rank = fill("CASE WHEN {told} AND NOT ({or_not}) THEN {to} END", told=told, or_not=undecided, to=to_rank)
    run(
        fill(
            """WITH {ctes} INSERT INTO {outcomes}
SELECT scope.id, scope.user_id, scope.rank, {to_rank} FROM scope JOIN figures ON figures.member_id = scope.id
JOIN flags ON flags.member_id = scope.id WHERE scope.rank IS NOT NULL""",
            ctes=figures.ctes(scope, columns),
            outcomes=OUTCOMES,
            to_rank=to_rank,
        )
    )


def switched(ladder: Ladder, holder: Ladder, policy: str) -> Sql:
    """The rank after another version took effect, for members without offers, jumps, blocked tiers and overrides."""
    default = ladder.rules.default_tier.rank
    anew = fill(
        """CASE WHEN {fits} THEN {rank}
WHEN {has} AND NOT {held} THEN CASE WHEN {let_in} THEN {rank} ELSE {landing} END
ELSE {fitting} END""",
        fits=ladder.stays(RANK),
        rank=RANK,
        has=ladder.has(RANK),
        held=holder.stays(RANK),
        let_in=ladder.lets_in(RANK),
        landing=ladder.landing(RANK),
        fitting=ladder.fitting_below(RANK),
    )
    if policy != IMMEDIATE:
        anew = fill("CASE WHEN {has} THEN {rank} ELSE {anew} END", has=ladder.has(RANK), rank=RANK, anew=anew)
    return fill(
        "COALESCE({reached}, CASE WHEN {rank} = {default} THEN {rank} ELSE {anew} END)",
        reached=ladder.reached(RANK),
        rank=RANK,
        default=default,
        anew=anew,
    )


def put_ranks(ranks: dict[int, int]) -> None:
    """What the engine told of the others."""
    rows = fill("unnest({ids}, {ranks}) AS told (id, rank)", ids=list(ranks), ranks=list(ranks.values()))
    run(
        fill(
            "UPDATE {outcomes} SET to_rank = told.rank FROM {rows} WHERE member_id = told.id",
            outcomes=OUTCOMES,
            rows=rows,
        )
    )


def untold() -> list[int]:
    return [row[0] for row in run(fill("SELECT member_id FROM {t} WHERE to_rank IS NULL ORDER BY 1", t=OUTCOMES))]


def matrix() -> list[tuple[int, int, int]]:
    """(from, to, how many)."""
    return run(fill("SELECT from_rank, to_rank, count(*) FROM {t} GROUP BY 1, 2 ORDER BY 1, 2", t=OUTCOMES))


def moving_sample(each: int, most: int) -> list[tuple[int, int, int]]:
    """(member, from, to): of every move a few members, chosen by a hash of their number so that runs can be compared."""
    return run(
        fill(
            """SELECT member_id, from_rank, to_rank FROM (
    SELECT *, row_number() OVER (PARTITION BY from_rank, to_rank ORDER BY hashint8(member_id), member_id) AS place
    FROM {t} WHERE from_rank <> to_rank) AS moves
WHERE place <= {each} ORDER BY place, from_rank, to_rank LIMIT {most}""",
            t=OUTCOMES,
            each=each,
            most=most,
        )
    )


def traced_sample(each: int, most: int, draft: Draft, day: date) -> list[tuple[int, int, int, int, list[Any]]]:
    """(member, user, from, to, trace): the same of an earlier day, traced by the draft's rules over the figures of then."""
    chosen = moving_sample(each, most)
    if not chosen:
        return []
    figures = Figures([draft.rules], day, past=True)
    ladder = Ladder(draft.rules, figures)
    statement = fill(
        """WITH {ctes} SELECT t.member_id, t.user_id, t.from_rank, t.to_rank, {found}::text
FROM scope JOIN figures ON figures.member_id = scope.id JOIN flags ON flags.member_id = scope.id
JOIN {outcomes} AS t ON t.member_id = scope.id""",
        found=figures_array(ladder),
        outcomes=OUTCOMES,
        ctes=figures.ctes(Scope.of_ids([member for member, *_ in chosen]), Sql("m.user_id")),
    )
    found = {row[0]: row for row in run(statement)}
    return [
        (*found[member][:4], _trace(draft.rules, json.loads(found[member][4]), day, after))
        for member, _, after in chosen
    ]


def _trace(rules: RuleSet, found: list[Any], day: date, rank: int) -> list[Any]:
    tiers, jumps = traces_of(rules, read_figures(rules, found), day, rank)
    return [*map(dump_tier_trace, tiers), *map(dump_jump_trace, jumps)]


def snapshot_mark(program_id: int) -> str:
    """What the base was when it was asked: changes with any member's rank, stage or folding."""
    rows = run(
        fill(
            """SELECT count(*), COALESCE(sum(hashtextextended(
    concat_ws('|', m.id, m.rank, m.stage, m.version_id, extract(epoch FROM m.folded_to)), 0)::numeric), 0)
FROM {members} AS m WHERE m.program_id = {program}""",
            members=MEMBERS,
            program=program_id,
        )
    )
    return "|".join(str(value) for value in rows[0])
