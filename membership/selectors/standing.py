"""Where a member stands, in words and figures, from what was stored when they were last evaluated. Computes no metric."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from common import clock
from membership.engine.book import Book, Snapshot
from membership.models import Activity, Benefit, MemberTier, Override, PointsAccount, Program, TierRule
from membership.rules.catalogue import Span
from membership.rules.evaluate import GroupTrace, TierTrace, Trace, evaluate_tiers, leaf_traces
from membership.rules.render import gap_sentence, tier_gap_sentence
from membership.selectors.bars import Part, TierFindings, findings_of, part_of, percent_of, tier_called, tier_parts
from membership.selectors.decisions import DecisionText, decision_text
from membership.selectors.evaluations import evaluated_tiers, evaluation_day
from membership.selectors.perks import benefit_text
from membership.selectors.person import Person, person_columns, person_from, person_of
from membership.selectors.rules import Published, program_for, rules_for, version_at

Stage = MemberTier.Stage
SHOWN_DECISIONS = 5


@dataclass(frozen=True)
class BenefitText:
    kind: str
    layer: str
    text: str

    @property
    def layer_name(self) -> str:
        return str(Benefit.Layer(self.layer).label)


@dataclass(frozen=True)
class NextTier:
    rank: int
    name: str
    percent: int
    todo: str
    parts: tuple[Part, ...]
    benefits: tuple[BenefitText, ...]

    @property
    def told(self) -> str:
        """What is missing; where nothing is, why the tier is not held all the same."""
        return self.todo or (_("条件已满足，等级由人工调整限制") if self.parts else _("由店铺授予"))


@dataclass(frozen=True)
class Keeping:
    """What the member has to do to stay. `below` is the tier that the end of the grace leads to, `todo` what is missing.

    `grace_days` is how long the grace lasts, `days_left` how much of it is left while it runs (today included).
    """

    stage: str
    holds: bool
    todo: str
    parts: tuple[Part, ...]
    below: str
    grace_days: int
    grace_until: datetime | None
    days_left: int


@dataclass(frozen=True)
class Rung:
    """A tier on the way up. `held` up to the member's own."""

    rank: int
    name: str
    held: bool
    current: bool


@dataclass(frozen=True)
class Standing:
    """A member in a program. `day` is the Shanghai day whose figures are shown, `next` None at the top.

    `version` is the one that evaluated, `given` the one in force, whose benefits hold. `keeping` is None where nothing that
    time does can take the tier; `member` until the registration was heard of. `lifted_until` is when the coupon or the shop's
    word ends that holds the member above what the rules say; None where the rules alone give the tier.
    """

    program: Program
    version: Published
    given: Published
    member: MemberTier | None
    rank: int
    name: str
    since: datetime | None
    lifted_until: datetime | None
    day: date
    next: NextTier | None
    keeping: Keeping | None
    benefits: tuple[BenefitText, ...]
    ladder: tuple[Rung, ...]
    decisions: tuple[DecisionText, ...]


def member_standing(*, user_id: int, storefront_id: int, decisions: int = SHOWN_DECISIONS) -> Standing:
    """The member's standing in the storefront's program, with so many of the latest `decisions`.

    Somebody whose registration was not heard of yet stands where everybody begins.
    """
    program, versions = rules_for(storefront_id)
    member = _with_lift(_members(user_id, program), clock.now()).first()
    return _standing_of(program, versions, member, decisions)


def standing_and_person(
    *, user_id: int, storefront_id: int, at: datetime, decisions: int = SHOWN_DECISIONS
) -> tuple[Standing, Person]:
    """The standing, and what pages ask about the person beside it; the member is read once for both."""
    program, versions = rules_for(storefront_id)
    rows = _with_lift(_members(user_id, program), at).select_related("user")
    member = rows.annotate(**person_columns(user_id, at)).first()
    if member is None:
        return _standing_of(program, versions, None, 0), person_of(user_id=user_id, at=at)
    return _standing_of(program, versions, member, decisions), person_from(vars(member), user_id=user_id, at=at)


def _standing_of(
    program: Program, versions: Sequence[Published], member: MemberTier | None, decisions: int
) -> Standing:
    if member is None:
        return _beginning(program, version_at(versions, clock.now()))
    return _of_member(program, member, versions, decisions)


def standing_mark(*, user_id: int, storefront_id: int) -> str:
    """Another text whenever the member was evaluated anew or their points moved: what open pages ask for."""
    return mark_of(_members(user_id, program_for(storefront_id)).first())


def mark_of(member: MemberTier | None) -> str:
    """The mark of a member as read for a standing; empty until the registration was heard of."""
    return f"{member.evaluated_at.timestamp()}-{member.rank}-{member.points}" if member is not None else ""


def _members(user_id: int, program: Program) -> QuerySet[MemberTier]:
    """The member, with `points`: the balance of the account."""
    points = Subquery(PointsAccount.objects.filter(pk=user_id).values("balance")[:1])
    return MemberTier.objects.filter(user=user_id, program=program).annotate(points=points)


def _with_lift(rows: QuerySet[MemberTier], at: datetime) -> QuerySet[MemberTier]:
    """The members, with `lift_ends`: when the last override ends that holds the shown rank at a time."""
    holding = Override.objects.filter(
        Q(kind=Override.Kind.PIN, rank=OuterRef("rank"))
        # Higher where a ceiling or a gate allows no more of it.
        | Q(kind=Override.Kind.FLOOR, rank__gte=OuterRef("rank")),
        member=OuterRef("pk"),
        status=Override.Status.APPROVED,
        starts_at__lte=at,
        expires_at__gt=at,
        ended_at=None,
    )
    return rows.annotate(lift_ends=Subquery(holding.order_by("-expires_at").values("expires_at")[:1]))


def has_heard_of(standing: Standing, *, order_id: int) -> bool:
    """Whether an order is among what the standing was made from."""
    return Activity.objects.filter(member=standing.member, subject=f"order:{order_id}").exists()


def stored_todo(member: MemberTier) -> str:
    """What is missing for the tier above, as last evaluated; empty at the top. Asks the database nothing of the member."""
    above = (trace for trace in evaluated_tiers(member) if trace.rank > member.rank)
    return next((tier_gap_sentence(trace) for trace in above), "")


def stored_findings(member: MemberTier, version: Published) -> tuple[TierFindings, ...]:
    """Every tier's conditions as last evaluated, under `version`, the one that evaluated."""
    return tuple(findings_of(trace, version) for trace in evaluated_tiers(member))


def _of_member(program: Program, member: MemberTier, versions: Sequence[Published], decisions: int) -> Standing:
    by_id = {version.pk: version for version in versions}
    day = _day_shown(member)
    return _standing(
        program,
        by_id[member.version_id],
        given=version_at(versions, clock.now()),
        member=member,
        rank=member.rank,
        since=member.since,
        lifted_until=member.lift_ends if member.state.get("rank", member.rank) < member.rank else None,
        day=day,
        traces=[_moved(trace, day) for trace in evaluated_tiers(member)],
        decisions=tuple(
            decision_text(decision, by_id[decision.version_id])
            for decision in (member.decisions.order_by("-id")[:decisions] if decisions else ())
        ),
    )


def benefit_texts(tier: TierRule | None) -> tuple[BenefitText, ...]:
    if tier is None:
        return ()
    rows = sorted(tier.benefits.all(), key=lambda one: Benefit.Layer.values.index(one.layer))
    return tuple(BenefitText(one.kind, one.layer, benefit_text(one)) for one in rows)


def _day_shown(member: MemberTier) -> date:
    """Today, as long as nothing can have changed since the evaluation; else the last day of which that holds."""
    at, check = clock.now(), member.next_check_at
    last = at if check is None or at < check else check - timedelta(microseconds=1)
    return max(clock.day_of(last), evaluation_day(member))


def _moved(trace: TierTrace, day: date) -> TierTrace:
    """The trace with its windows ending on `day`: what they hold is the same, or the member would be due."""
    enter = _moved_part(trace.enter, day) if trace.enter is not None else None
    keep = _moved_part(trace.keep, day) if trace.keep is not None else None
    return replace(trace, enter=enter, keep=keep, gates=tuple(_moved_part(gate, day) for gate in trace.gates))


def _moved_part(trace: Trace, day: date) -> Trace:
    if isinstance(trace, GroupTrace):
        return replace(trace, children=tuple(_moved_part(child, day) for child in trace.children))
    return replace(trace, since=trace.leaf.win.first_day(day), until=day) if trace.since else trace


def _beginning(program: Program, version: Published) -> Standing:
    today = clock.day_of(clock.now())
    traces = evaluate_tiers(version.rules, Snapshot(Book(), version.rules, today), today)
    rank = version.rules.default_tier.rank
    return _standing(
        program,
        version,
        given=version,
        member=None,
        rank=rank,
        since=None,
        lifted_until=None,
        day=today,
        traces=traces,
        decisions=(),
    )


def _standing(
    program: Program,
    version: Published,
    *,
    given: Published,
    member: MemberTier | None,
    rank: int,
    since: datetime | None,
    lifted_until: datetime | None,
    day: date,
    traces: Sequence[TierTrace],
    decisions: tuple[DecisionText, ...],
) -> Standing:
    """By the conditions of `version`, which evaluated; what tiers give is that of the version in force, `given`."""
    above = next((trace for trace in traces if trace.rank > rank), None)
    held = next((trace for trace in traces if trace.rank == rank), None)
    return Standing(
        program=program,
        version=version,
        given=given,
        member=member,
        rank=rank,
        name=tier_called(version, rank),
        since=since,
        lifted_until=lifted_until,
        day=day,
        next=_next(version, given, above) if above is not None else None,
        keeping=_keeping(version, member, held) if member is not None and held is not None else None,
        benefits=benefit_texts(given.tiers.get(rank)),
        ladder=tuple(
            Rung(tier.rank, str(tier), tier.rank <= rank, tier.rank == rank) for tier in version.tiers.values()
        ),
        decisions=decisions,
    )


def _next(version: Published, given: Published, trace: TierTrace) -> NextTier:
    parts = [part for part in (trace.enter, *trace.gates) if part is not None]
    return NextTier(
        rank=trace.rank,
        name=tier_called(version, trace.rank),
        percent=min((percent_of(part) for part in parts), default=0),
        todo=tier_gap_sentence(trace),
        parts=tier_parts(trace),
        benefits=benefit_texts(given.tiers.get(trace.rank)),
    )


def _keeping(version: Published, member: MemberTier, trace: TierTrace) -> Keeping | None:
    """Nothing to say of a tier that is kept by sums over the whole life: they do not fall."""
    keep = trace.keep
    if keep is None:
        return None
    lasting = all(leaf.leaf.win.span is Span.LIFE and leaf.leaf.metric.accumulates for leaf in leaf_traces(keep))
    holds = keep.passed or trace.passed
    if lasting and holds and member.stage == Stage.ACTIVE:
        return None
    below = max((rank for rank in version.tiers if rank < trace.rank), default=trace.rank)
    tier = version.rules.tier(trace.rank)
    left = (clock.day_of(member.grace_until) - clock.day_of(clock.now())).days if member.grace_until else 0
    return Keeping(
        stage=member.stage,
        holds=holds,
        todo="" if holds else gap_sentence(keep),
        parts=(part_of(keep),),
        below=tier_called(version, below),
        grace_days=tier.grace_days,
        grace_until=member.grace_until,
        days_left=max(left, 0),
    )
