"""What a step makes of members of whom figures alone tell it: the outcome, the moment to look again, what is stored.

It covers what a night brings: a tier that is entered, warned, grace, a level down, kept again, or nothing of all that.
Gates that fail, jumps, offers, overrides, versions that take something are told by nobody but the engine; so are moves of
members whom an earlier version protects.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from common.clock import SHANGHAI, day_of, start_of_day
from membership.engine.book import ONE_DAY
from membership.engine.dynamic import Stays
from membership.engine.state import ACTIVE, GRACE, WARNED
from membership.engine.versions import GRANDFATHER_UNTIL, IMMEDIATE, KEEP_IF_HELD
from membership.rules.nodes import RuleSet, Tier, leaves
from membership.selectors.rules import Published
from membership.sql.conditions import Ladder, all_of, any_of
from membership.sql.fragments import FALSE, Sql, fill, join

RANK = Sql("scope.rank")

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
COALESCE(m.state ->> 'stage', 'active') = m.stage AND COALESCE(m.state ->> 'shown_stage', 'active') = m.stage AND {simple}
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
    def ordinary(self) -> bool:
        """Nothing but time: the same version, which protects nobody from another."""
        return self.before is None and self.kept_by is None and self.kept_until is None

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


# What became of a member. The engine has to be asked where figures alone do not tell it.
ASK, STAY, ENTER, WARN, GRACED, DOWN, CLEAR = "ask", "stay", "enter", "warn", "grace", "down", "clear"
# The names of these moves are the causes of the decisions that tell them.
DECIDED = [ENTER, WARN, GRACED, DOWN]
STAGES = {WARN: WARNED, GRACED: GRACE, ENTER: ACTIVE, DOWN: ACTIVE, CLEAR: ACTIVE}


def move(ladder: Ladder, keeper: Ladder, moment: Moment) -> Sql:
    """One of the moves above, as membership.engine.step makes it of a plain member at the moment."""
    stays = fill("scope.stage = {active} AND {unmoved}", active=ACTIVE, unmoved=unmoved(ladder, keeper, moment))
    if not moment.ordinary:
        return fill("CASE WHEN {stays} THEN {stay} ELSE {ask} END", stays=stays, stay=STAY, ask=ASK)
    return fill(
        """CASE WHEN {jumps} OR {offered} THEN {ask}
WHEN {reached} IS NOT NULL THEN {enter}
WHEN {rank} = {default} THEN CASE WHEN scope.stage = {active} THEN {stay} ELSE {ask} END
WHEN NOT {let_in} THEN {ask}
WHEN {kept} THEN CASE WHEN scope.stage = {active} THEN {stay} ELSE {clear} END
WHEN {stay_ends} > {today} THEN {stay}
WHEN scope.stage = {active} THEN {warn}
WHEN NOT {midnight} THEN {stay}
WHEN scope.stage = {warned} THEN {grace}
WHEN scope.grace_until <= {at} THEN {down}
ELSE {stay} END""",
        jumps=ladder.jumps(),
        offered=offered(ladder, moment),
        reached=ladder.reached(RANK),
        rank=RANK,
        default=ladder.rules.default_tier.rank,
        let_in=ladder.lets_in(RANK),
        kept=ladder.stays(RANK),
        stay_ends=stay_ends(ladder, RANK, SINCE_DAY),
        today=moment.day,
        midnight=moment.midnight,
        at=moment.at,
        active=ACTIVE,
        warned=WARNED,
        ask=ASK,
        stay=STAY,
        enter=ENTER,
        clear=CLEAR,
        warn=WARN,
        grace=GRACED,
        down=DOWN,
    )


def stay_ends(ladder: Ladder, rank: Sql, since: Sql) -> Sql:
    """The day on which the minimum stay is over; the default tier has none."""
    cases = [
        fill("WHEN {rank} THEN {days}::integer", rank=tier.rank, days=tier.min_stay_days)
        for tier in ladder.rules.tiers[1:]
    ]
    if not cases:
        return Sql("NULL::date")
    return fill("({since} + CASE {rank} {cases} END)", since=since, rank=rank, cases=join(" ", cases))


SINCE_DAY = fill("((scope.state ->> 'since')::timestamptz AT TIME ZONE {zone})::date", zone=str(SHANGHAI))

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


def may_rise(ladder: Ladder, rank: Sql, moment: Moment) -> Sql:
    """Tomorrow, where days that pass may bring an offer; else NULL."""
    tops = [tier.rank for tier, _ in _lowering(ladder.rules)]
    if not tops:
        return Sql("NULL::date")
    longest = max(formula.rising_days for formula in ladder.rules.dynamic.values())
    since = moment.day - timedelta(days=longest)
    return fill(
        "CASE WHEN {rank} < {top} AND {active} THEN {tomorrow} END",
        rank=rank,
        top=max(tops),
        active=ladder.figures.counts_between("activity", since, moment.day),
        tomorrow=moment.day + ONE_DAY,
    )
