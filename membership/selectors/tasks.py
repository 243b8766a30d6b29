"""Which tasks a member sees, in which order, and why.

score = chance that they do it × how far it brings them toward the cheapest missing condition ÷ effort − fatigue.
The chance is drawn from what members of the same kind did with the same task (Thompson sampling on Beta counts), anew
each day and the same all day, so that a list does not jump under the finger. Whoever switches this off sees the order
that operators set, the same for all.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Case, CharField, Count, DateField, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Cast, Coalesce, Concat, JSONObject

from catalog.models import Category
from common.clock import day_of
from common.sql import fetch
from common.texts import in_language
from events.contracts import OrderDelivered
from membership.models import (
    MemberTier,
    Pass,
    Task,
    TaskArm,
    TaskProgress,
    TaskShown,
    TaskStep,
    TierDecision,
)
from membership.rules.evaluate import GroupTrace, LeafTrace, Trace
from membership.selectors.earning import is_quiet, reward_text
from membership.selectors.evaluations import evaluated_tiers
from membership.selectors.person import NEW_FOR, Person, person_of
from membership.selectors.rules import PROGRAM_OF, program_for
from membership.selectors.settling import IS_KEPT, kept_purchases

MOST_SHOWN = 5
# For how long a task that is done stays in sight.
DONE_SHOWN = timedelta(days=7)
ONCE = date(1970, 1, 1)
# A task that moves no missing condition still earns points.
LEAST_PROGRESS = 0.1
FATIGUE, MOST_FATIGUE = 0.02, 0.2
# What a purchase is taken to bring, in yuan, and a friend to their inviter: a measure for ranking, no promise. Of
# contributions the least that rules may give for a friend.
PURCHASE, CONTRIBUTION = 50, 100
BUYING = {"spend": PURCHASE, "orders": 1, "buy_days": 1}
# What a kind adds to a metric each time, beside the activity points of the reward.
MOVES: Mapping[str, Mapping[str, int]] = {
    Task.Kind.CHECK_IN: {"checkin": 1, "online_days": 1},
    Task.Kind.REVIEW: {"review": 1},
    Task.Kind.FIRST_ORDER: BUYING,
    Task.Kind.CATEGORY_ORDER: BUYING,
    Task.Kind.INVITE: {"invitee_active": 1, "invitee_spend": PURCHASE, "contrib": CONTRIBUTION},
}


@dataclass(frozen=True)
class TaskShownTo:
    """A task as a member sees it. `score` and `parts` say why it stands where it does; None in the public order."""

    task: Task
    name: str
    text: str
    reward: str
    count: int
    is_done: bool
    # Whether it was before the member's eyes today.
    is_noted: bool = False
    score: float | None = None
    parts: Mapping[str, float] | None = None

    @property
    def percent(self) -> int:
        return min(100, self.count * 100 // self.task.target)


@dataclass(frozen=True)
class TaskList:
    """At most five open tasks, and those that are done in their window. `segment` is the kind of member."""

    open: tuple[TaskShownTo, ...]
    done: tuple[TaskShownTo, ...]
    is_personal: bool
    segment: str

    @property
    def to_note(self) -> list[Task]:
        """What the member is asked to do for the first time today. What is done already is no try that could fail."""
        return [one.task for one in self.open if not one.is_noted]


def live_tasks(at: datetime, *, kind: str = "", category: str = "") -> list[Task]:
    """Tasks that run at a time, of a kind, and of a category or what stands above it."""
    found = _running(at)
    if kind:
        found = found.filter(kind=kind)
    if kind == Task.Kind.CATEGORY_ORDER:
        found = found.filter(category__code__in=_codes_above(category))
    return list(found)


def _running(at: datetime) -> QuerySet[Task]:
    found = Task.objects.filter(Q(starts_at=None) | Q(starts_at__lte=at), Q(ends_at=None) | Q(ends_at__gt=at))
    return found.filter(is_active=True).select_related("offer", "category").order_by("position", "id")


def _codes_above(code: str) -> list[str]:
    codes: list[str] = []
    category = Category.objects.filter(code=code).select_related("parent").first()
    while category is not None and category.code not in codes:
        codes.append(category.code)
        category = category.parent
    return codes


# Orders by number, each with the place in a program that it may be the first of.
_BOUGHT_BEFORE = f"""
SELECT told.order_id
FROM unnest(%(orders)s::bigint[], %(users)s::bigint[], %(storefronts)s::bigint[], %(paid)s::timestamptz[])
    AS told (order_id, user_id, storefront_id, paid_at)
JOIN membership_membertier AS member
    ON member.user_id = told.user_id AND member.program_id = {PROGRAM_OF.format(storefront="told.storefront_id")}
WHERE EXISTS (
    SELECT 1 FROM membership_activity AS fact WHERE fact.member_id = member.id AND {IS_KEPT}
    AND fact.occurred_at <= told.paid_at AND fact.subject <> 'order:' || told.order_id
)
"""  # noqa: S608 - our own text


def orders_for_tasks(orders: Sequence[OrderDelivered]) -> set[int]:
    """The numbers of those of the delivered orders that may count toward a task: so few that each is looked at alone.

    This needs no lock: who gives back at this very moment what they bought before had it still when they paid for these.
    """
    known = [order for order in orders if order.user_id is not None]
    begun = min((order.paid_at for order in known), default=None)
    live = Task.objects.filter(kind__in=(Task.Kind.FIRST_ORDER, Task.Kind.CATEGORY_ORDER), is_active=True)
    tasks = (
        list(live.filter(Q(ends_at=None) | Q(ends_at__gt=begun)).values_list("kind", "category__code")) if begun else []
    )
    wanted = {code for kind, code in tasks if kind == Task.Kind.CATEGORY_ORDER}
    found = set()
    if wanted:
        above = {code: set(_codes_above(code)) for code in {line.category for order in known for line in order.lines}}
        found = {order.order_id for order in known if any(wanted & above[line.category] for line in order.lines)}
    if any(kind == Task.Kind.FIRST_ORDER for kind, _code in tasks):
        told = {
            "orders": [order.order_id for order in known],
            "users": [order.user_id for order in known],
            "storefronts": [order.storefront_id for order in known],
            "paid": [order.paid_at for order in known],
        }
        found |= {order.order_id for order in known} - {order_id for (order_id,) in fetch(_BOUGHT_BEFORE, told)}
    return found


def window_of(window: str, at: datetime) -> date:
    """The first day of the window in which a time falls."""
    day = day_of(at)
    match window:
        case Task.Window.DAY:
            return day
        case Task.Window.WEEK:
            return day - timedelta(days=day.weekday())
        case Task.Window.MONTH:
            return day.replace(day=1)
    return ONCE


def rewarded_windows(user_id: int, task: Task | OuterRef) -> QuerySet[TaskProgress]:
    """The windows in which somebody had a reward of a task: what its cap bounds. A pass is one too."""
    passes = Pass.objects.filter(ref=Concat(Value("task:"), Cast(OuterRef("pk"), CharField())))
    rewarded = Q(points__gt=0) | Q(activity__gt=0) | Exists(passes)
    return TaskProgress.objects.filter(rewarded, user=user_id, task=task)


def fits_audience(task: Task, member: MemberTier, *, at: datetime, subject: str = "", order: str = "") -> bool:
    """Whether a task was meant for a member who did something at `at`. What is being counted does not count against them:
    `subject`, and the `order` (order:12) that a line belongs to."""
    if not _fits_rank(task, _rank_before(task, member, at)):
        return False
    if _is_for_first_order(task):
        bought = kept_purchases(member.pk).filter(occurred_at__lte=at)
        if bought.exclude(subject=order or subject).exists():
            return False
        # What was paid first may be delivered last: another order was the first one then.
        counted = TaskStep.objects.filter(user=member.user_id, task=task, counts=True).exclude(subject=subject)
        if task.kind == Task.Kind.FIRST_ORDER and counted.exists():
            return False
    if task.audience == Task.Audience.NEW:
        return member.user.date_joined > at - NEW_FOR
    if task.audience == Task.Audience.QUIET:
        return is_quiet(member.user, before=day_of(at))
    return True


def _suits(task: Task, member: MemberTier, person: Person, *, has_bought: bool) -> bool:
    """The same as `fits_audience`, of somebody who was read already."""
    if not _fits_rank(task, member.rank) or (has_bought and _is_for_first_order(task)):
        return False
    wanted = {Task.Audience.NEW: person.is_new, Task.Audience.QUIET: person.is_quiet}
    return wanted.get(Task.Audience(task.audience), True)


def _rank_before(task: Task, member: MemberTier, at: datetime) -> int:
    """The rank that the member saw the task with: an act may itself have raised them by now."""
    if task.min_rank is None and task.max_rank is None:
        return member.rank
    before = TierDecision.objects.filter(member=member, at__lt=at).order_by("-at", "-id")
    found = before.values_list("to_rank", flat=True).first()
    return member.rank if found is None else found


def _fits_rank(task: Task, rank: int) -> bool:
    return (task.min_rank is None or rank >= task.min_rank) and (task.max_rank is None or rank <= task.max_rank)


def _is_for_first_order(task: Task) -> bool:
    return task.kind == Task.Kind.FIRST_ORDER or task.audience == Task.Audience.NO_ORDERS


def member_tasks(*, user_id: int, storefront_id: int, at: datetime, rng: random.Random | None = None) -> TaskList:
    """The member's tasks now; `rng` stands for the day's own chance, for tests."""
    rows = MemberTier.objects.filter(user=user_id, program=program_for(storefront_id))
    return tasks_of(rows.first(), person_of(user_id=user_id, at=at), rng=rng)


def tasks_of(member: MemberTier | None, person: Person, *, rng: random.Random | None = None) -> TaskList:
    """The same of somebody who was read already. One statement."""
    is_personal = person.choices.personal_tasks
    if member is None:
        return TaskList((), (), is_personal, "")
    segment = segment_of(person)
    found = list(_with_progress(member, person, segment))
    shown = [_shown(task) for task in found if _is_shown(task, member, person)]
    waiting = [one for one in shown if not one.is_done]
    if is_personal:
        waiting = _ranked(waiting, member, f"{person.user_id}:{day_of(person.at)}", rng)
    done = tuple(one for one in shown if one.is_done)
    return TaskList(tuple(waiting[:MOST_SHOWN]), done[:MOST_SHOWN], is_personal, segment)


def segment_of(person: Person) -> str:
    """new, quiet, regular or busy: by how often somebody was there in the last 30 days."""
    if person.is_new:
        return "new"
    return "quiet" if person.active_days <= 4 else "regular" if person.active_days < 15 else "busy"


def _with_progress(member: MemberTier, person: Person, segment: str) -> QuerySet[Task]:
    """Running tasks with what is known of them and this member.

    `mine` is the progress in the window that runs, `rewarded` how often there was a reward, `arm` how often others of the
    segment did it, `tired` on how many of the last 14 days it was shown in vain, `noted` whether it was shown today.
    """
    at, today = person.at, day_of(person.at)
    first_days = [When(window=one, then=Value(window_of(one, at))) for one in Task.Window.values]
    mine = TaskProgress.objects.filter(user=person.user_id, task=OuterRef("pk"))
    here = mine.filter(window=OuterRef("runs_from")).values(row=JSONObject(count="count", completed_at="completed_at"))
    arms = TaskArm.objects.filter(task=OuterRef("pk"), segment=segment)
    before_eyes = TaskShown.objects.filter(user=person.user_id, task=OuterRef("pk"))
    in_vain = before_eyes.filter(day__gte=today - timedelta(days=14), day__lt=today, done=False)
    return (
        _running(at)
        .alias(runs_from=Case(*first_days, output_field=DateField()))
        .annotate(
            mine=Subquery(here[:1]),
            rewarded=_counted(rewarded_windows(person.user_id, OuterRef("pk"))),
            arm=Subquery(arms.values(row=JSONObject(shown="shown", done="done"))[:1]),
            tired=_counted(in_vain),
            noted=Exists(before_eyes.filter(day=today)),
            has_bought=Exists(kept_purchases(member.pk)),
        )
    )


def _counted(rows: QuerySet) -> Coalesce:
    return Coalesce(Subquery(rows.order_by().values("task").annotate(n=Count("pk")).values("n")), 0)


def _completed_at(task: Any) -> datetime | None:
    told = task.mine and task.mine["completed_at"]
    return datetime.fromisoformat(told) if told else None


def _is_shown(task: Any, member: MemberTier, person: Person) -> bool:
    completed_at = _completed_at(task)
    if completed_at is not None:
        return completed_at > person.at - DONE_SHOWN
    if not _suits(task, member, person, has_bought=task.has_bought):
        return False
    return not task.cap or task.rewarded < task.cap


def _shown(task: Any) -> TaskShownTo:
    return TaskShownTo(
        task=task,
        name=str(task),
        text=in_language(task.text, task.text_en),
        reward=reward_text(points=task.points, activity=task.activity, offer=task.offer),
        count=min(task.mine["count"], task.target) if task.mine else 0,
        is_done=_completed_at(task) is not None,
        is_noted=task.noted,
    )


def _ranked(
    shown: Sequence[TaskShownTo], member: MemberTier, seed: str, rng: random.Random | None
) -> list[TaskShownTo]:
    """By score. Chance goes by `seed` and the task, whatever else is on the list: doing one task moves no other."""
    leaf = cheapest_unmet(member)
    scored = []
    # In a fixed order, so that the same chance gives the same ranking.
    for one in sorted(shown, key=lambda one: one.task.pk):
        task: Any = one.task
        done, missed = (task.arm["done"], task.arm["shown"] - task.arm["done"]) if task.arm else (0, 0)
        chance = rng or random.Random(f"{seed}:{task.pk}")  # noqa: S311 - which task is shown is no secret
        parts = {
            "chance": chance.betavariate(1 + done, 1 + missed),
            "progress": progress_toward(task, leaf),
            "effort": float(task.effort),
            "fatigue": min(task.tired * FATIGUE, MOST_FATIGUE),
        }
        score = parts["chance"] * parts["progress"] / parts["effort"] - parts["fatigue"]
        scored.append(replace(one, score=score, parts=parts))
    return sorted(scored, key=lambda one: (-(one.score or 0), one.task.position, one.task.pk))


def cheapest_unmet(member: MemberTier) -> LeafTrace | None:
    """Of the conditions that keep a member from the next tier, the one that is nearest; from what was last evaluated."""
    above = next((trace for trace in evaluated_tiers(member) if trace.rank > member.rank), None)
    if above is None or above.enter is None:
        return None
    missing = [leaf for leaf in _unmet(above.enter) if leaf.gap is not None and leaf.effective]
    return min(missing, key=lambda leaf: (leaf.gap or Decimal(0)) / Decimal(leaf.effective), default=None)


def _unmet(trace: Trace) -> Iterable[LeafTrace]:
    if isinstance(trace, GroupTrace):
        for child in trace.children:
            if not child.passed:
                yield from _unmet(child)
    elif not trace.passed:
        yield trace


def progress_toward(task: Task, leaf: LeafTrace | None) -> float:
    """Which part of the missing condition the whole task fills, from LEAST_PROGRESS to 1."""
    if leaf is None or not leaf.gap:
        return LEAST_PROGRESS
    # Every time counts for what it is, the reward once.
    gives = {metric: each * task.target for metric, each in MOVES.get(task.kind, {}).items()}
    moved = Decimal({**gives, "activity": task.activity}.get(leaf.leaf.m, 0))
    return max(LEAST_PROGRESS, min(1.0, float(moved / leaf.gap)))
