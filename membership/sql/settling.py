"""Members whom a moment leaves as they are: found and brought up to date in one statement, without reading them.

A step of the engine changes nothing for a member who reaches no higher tier, has no jump open, gets no offer, and holds a
tier that lets them in and that their figures keep. This says which of some members are so; all others are the engine's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from common.clock import SHANGHAI, day_of, start_of_day
from membership.engine.book import ONE_DAY
from membership.engine.dynamic import Stays
from membership.engine.state import written
from membership.engine.versions import GRANDFATHER_UNTIL, IMMEDIATE, KEEP_IF_HELD
from membership.rules.nodes import RuleSet, Tier, leaves
from membership.selectors.rules import Published
from membership.sql.conditions import Ladder, all_of, any_of
from membership.sql.documents import jumps_document, tiers_document
from membership.sql.figures import MEMBERS, Figures, Scope
from membership.sql.fragments import FALSE, NULL, Sql, fill, join, run

RANK = Sql("scope.rank")
_COLUMNS = Sql("m.rank, m.state")

# Nothing beside rank, stage, version and protection is known of such a member, and no override holds or will. Others may
# have something pending that only a step can tell.
SIMPLE = Sql("""
m.state ? 'rank' AND NOT m.state ?| ARRAY['offers', 'jumps', 'blocked'] AND (m.state ->> 'rank')::integer = m.rank
AND NOT EXISTS (
    SELECT 1 FROM membership_override AS o
    WHERE o.member_id = m.id AND o.status = 'approved' AND LEAST(o.expires_at, o.ended_at) >= m.folded_to
)
""")
PLAIN = fill(
    """
m.stage = 'active' AND COALESCE(m.state ->> 'stage', 'active') = 'active'
AND COALESCE(m.state ->> 'shown_stage', 'active') = 'active' AND {simple}
""",
    simple=SIMPLE,
)


@dataclass(frozen=True)
class Moment:
    """A moment at which time or a new version may change members of a program, and by which rules they are judged then.

    `before` is the version that ends at the moment, None where the version stays. `kept_by` protects the tier that is
    held, `kept_until` ends that. `stays` is how long members stay in each rank on average; `next_version_at` when the
    version after this one begins.
    """

    at: datetime
    version: Published
    before: Published | None = None
    kept_by: Published | None = None
    kept_until: datetime | None = None
    stays: tuple[tuple[int, Decimal], ...] = ()
    next_version_at: datetime | None = None

    @property
    def day(self) -> date:
        return day_of(self.at)

    @property
    def midnight(self) -> bool:
        return self.at == start_of_day(self.day)

    @property
    def released(self) -> bool:
        return self.kept_until is not None and self.kept_until <= self.at

    @property
    def holder(self) -> Published:
        """By which version the tier has to be kept for nothing to happen."""
        if self.before is not None:
            return self.version if self.version.policy == IMMEDIATE else self.kept_by or self.before
        return self.version if self.released else self.kept_by or self.version

    @property
    def kept_after(self) -> tuple[Published | None, datetime | None]:
        """What protects the tier afterwards, and until when; of a default tier nothing does."""
        if self.before is None:
            return (None, None) if self.released else (self.kept_by, self.kept_until)
        if self.version.policy == GRANDFATHER_UNTIL and self.version.policy_until is not None:
            return self.holder, start_of_day(self.version.policy_until)
        return (self.holder, None) if self.version.policy == KEEP_IF_HELD else (None, None)


def mean_stays(stays: Stays, rules: RuleSet, day: date) -> tuple[tuple[int, Decimal], ...]:
    """How long members stay in each rank, as a day begins, where some threshold depends on it."""
    ranks = [tier.rank for tier in rules.tiers] if rules.dynamic else []
    return tuple((rank, mean) for rank in sorted(ranks) if (mean := stays.mean(day, rank)) is not None)


def settle(ids: Sequence[int], moment: Moment, *, at: datetime, with_document: bool) -> dict[int, datetime | None]:
    """Bring those of the locked, plain members up to date whom the moment leaves as they are.

    Returns when each of them is to be looked at next. `with_document` stores the evaluation as of the moment's day too.
    """
    rules, holder = moment.version.rules, moment.holder.rules
    figures = Figures([rules, holder], moment.day)
    ladder, keeper = Ladder(rules, figures), Ladder(holder, figures)
    settled = unmoved(ladder, keeper, moment)
    columns = {"next_check_at": next_check(ladder, keeper, moment), "state": _state(ladder, moment)}
    if with_document:
        columns["evaluation"] = _evaluation(ladder, moment.day)
    statement = fill(
        """WITH {ctes}, settled AS MATERIALIZED (
    SELECT scope.id, {columns} FROM scope JOIN figures ON figures.member_id = scope.id
    JOIN flags ON flags.member_id = scope.id WHERE {settled}
)
UPDATE {members} AS m SET {changes}, folded_to = {moment}, version_id = {version}, evaluated_at = {at}
FROM settled WHERE m.id = settled.id RETURNING m.id, m.next_check_at""",
        columns=join(", ", (fill("{v} AS {k}", v=value, k=Sql(key)) for key, value in columns.items())),
        settled=settled,
        members=MEMBERS,
        changes=Sql(", ".join(f"{key} = settled.{key}" for key in columns)),
        moment=moment.at,
        version=moment.version.pk,
        at=at,
        ctes=figures.ctes(Scope.of_ids(ids), _COLUMNS),
    )
    return dict(run(statement))


def moving(scope: Scope, moment: Moment) -> list[int]:
    """Plain members whom another step at the moment would not leave as they are, although nothing is due. Reads only."""
    figures = Figures([moment.version.rules, moment.holder.rules], moment.day)
    ladder, keeper = Ladder(moment.version.rules, figures), Ladder(moment.holder.rules, figures)
    settled = unmoved(ladder, keeper, moment)
    statement = fill(
        """WITH {ctes} SELECT scope.id FROM scope JOIN figures ON figures.member_id = scope.id
JOIN flags ON flags.member_id = scope.id WHERE NOT {settled} ORDER BY scope.id""",
        settled=settled,
        ctes=figures.ctes(scope, _COLUMNS),
    )
    return [row[0] for row in run(statement)]


def unmoved(ladder: Ladder, keeper: Ladder, moment: Moment) -> Sql:
    """Whether a step at the moment leaves a plain member's rank and stage as they are, and gives no offer. Never NULL."""
    held = fill("{rank} = {default}", rank=RANK, default=ladder.rules.default_tier.rank)
    if moment.before is None or moment.version.policy in (IMMEDIATE, GRANDFATHER_UNTIL, KEEP_IF_HELD):
        held = any_of([held, all_of([ladder.has(RANK), keeper.stays(RANK)])])
    return all_of(
        [
            fill("{reached} IS NULL", reached=ladder.reached(RANK)),
            fill("NOT {jumps}", jumps=ladder.jumps()),
            fill("NOT {offered}", offered=offered(ladder, moment)),
            held,
        ]
    )


# The dynamic threshold


def _lowering(rules: RuleSet) -> list[tuple[Tier, list[str]]]:
    """Tiers whose thresholds may be lowered, with the names of the formulas."""
    found = []
    for tier in rules.tiers:
        names = sorted({leaf.dyn for leaf in leaves(tier.enter) if leaf.dyn}) if tier.enter is not None else []
        if names:
            found.append((tier, names))
    return found


def offered(ladder: Ladder, moment: Moment) -> Sql:
    """Whether a member without offers gets one: longer in the tier than members are on average, and activity rises."""
    rules, cases = ladder.rules, []
    last = moment.day - ONE_DAY if moment.midnight else moment.day
    for tier in rules.tiers:
        names = next((names for above, names in _lowering(rules) if above.rank > tier.rank), None)
        mean = dict(moment.stays).get(tier.rank)
        if names is None or mean is None:
            continue
        rises = any_of(
            fill("COALESCE({rise}, 0) > 0", rise=ladder.figures.rise(rules.dynamic[name].rising_days, last))
            for name in names
        )
        stay = fill("({today} - {since}) > {mean}", today=moment.day, since=SINCE_DAY, mean=mean)
        cases.append(fill("WHEN {rank} THEN {stay} AND {rises}", rank=tier.rank, stay=stay, rises=rises))
    return fill("(CASE {rank} {cases} ELSE FALSE END)", rank=RANK, cases=join(" ", cases)) if cases else FALSE


def _may_rise(ladder: Ladder, moment: Moment) -> Sql:
    """Tomorrow, where days that pass may bring an offer; else NULL."""
    tops = [tier.rank for tier, _ in _lowering(ladder.rules)]
    if not tops:
        return Sql("NULL::date")
    longest = max(formula.rising_days for formula in ladder.rules.dynamic.values())
    since = moment.day - timedelta(days=longest)
    return fill(
        "CASE WHEN {rank} < {top} AND {active} THEN {tomorrow} END",
        rank=RANK,
        top=max(tops),
        active=ladder.figures.counts_between("activity", since, moment.day),
        tomorrow=moment.day + ONE_DAY,
    )


# What is stored

SINCE_DAY = fill("((scope.state ->> 'since')::timestamptz AT TIME ZONE {zone})::date", zone=str(SHANGHAI))


def next_check(ladder: Ladder, keeper: Ladder, moment: Moment) -> Sql:
    """The first moment after this one at which time alone may change what is known; NULL when it never does."""
    kept_by, kept_until = moment.kept_after
    days = [ladder.next_change(), _may_rise(ladder, moment)]
    if kept_by is None:
        days.append(_stay_ends(ladder, moment))
    else:
        days.append(_where_protected(ladder, keeper.next_change()))
        days.append(_where_protected(ladder, _stay_ends(keeper, moment), _stay_ends(ladder, moment)))
    moments = [fill("(LEAST({days})::timestamp AT TIME ZONE {zone})", days=join(", ", days), zone=str(SHANGHAI))]
    if moment.next_version_at is not None:
        moments.append(fill("{at}", at=moment.next_version_at))
    if kept_until is not None:
        moments.append(_where_protected(ladder, fill("{until}", until=kept_until)))
    return fill("LEAST({moments})", moments=join(", ", moments))


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


def _stay_ends(ladder: Ladder, moment: Moment) -> Sql:
    """The day on which the minimum stay is over, where it is not yet. The default tier has none."""
    cases = [
        fill("WHEN {rank} THEN {days}::integer", rank=tier.rank, days=tier.min_stay_days)
        for tier in ladder.rules.tiers[1:]
    ]
    if not cases:
        return Sql("NULL::date")
    ends = fill("({since} + CASE {rank} {cases} END)", since=SINCE_DAY, rank=RANK, cases=join(" ", cases))
    return fill("CASE WHEN {ends} > {today} THEN {ends} END", ends=ends, today=moment.day)


def _state(ladder: Ladder, moment: Moment) -> Sql:
    """The engine's state after the moment (membership.engine.state)."""
    kept_by, kept_until = moment.kept_after
    after = fill(
        "scope.state - 'kept_by' - 'kept_until' || jsonb_build_object('at', {at}, 'version', {version})",
        at=written(moment.at),
        version=moment.version.pk,
    )
    kept = {"kept_by": kept_by and kept_by.pk, "kept_until": kept_until and written(kept_until)}
    pairs = [fill("{key}, {value}", key=key, value=value) for key, value in kept.items() if value is not None]
    if not pairs:
        return fill("({after})", after=after)
    return fill(
        "({after} || {protection})",
        after=after,
        protection=_where_protected(
            ladder, fill("jsonb_build_object({pairs})", pairs=join(", ", pairs)), Sql("'{}'::jsonb")
        ),
    )


def _evaluation(ladder: Ladder, day: date) -> Sql:
    return fill(
        "jsonb_build_object('day', {day}, 'tiers', {tiers}, 'jumps', {jumps})",
        day=day.isoformat(),
        tiers=tiers_document(ladder, RANK),
        jumps=jumps_document(ladder),
    )


def write_documents(ids: Sequence[int], version: Published, day: date) -> None:
    """Store the evaluation of locked, plain members as of a day, by the version in force."""
    figures = Figures([version.rules], day)
    ladder = Ladder(version.rules, figures)
    statement = fill(
        """WITH {ctes}, written AS MATERIALIZED (
    SELECT scope.id, {evaluation} AS evaluation FROM scope JOIN figures ON figures.member_id = scope.id
    JOIN flags ON flags.member_id = scope.id
)
UPDATE {members} AS m SET evaluation = written.evaluation FROM written WHERE m.id = written.id""",
        evaluation=_evaluation(ladder, day),
        members=MEMBERS,
        ctes=figures.ctes(Scope.of_ids(ids), _COLUMNS),
    )
    run(statement)
