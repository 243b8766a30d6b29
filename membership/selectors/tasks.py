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

from django.db.models import Count, Q

from catalog.models import Category
from common.clock import day_of
from common.texts import in_language
from membership.models import (
    Activity,
    EarningPreference,
    MemberTier,
    Task,
    TaskArm,
    TaskProgress,
    TaskShown,
    Total,
)
from membership.rules.evaluate import GroupTrace, LeafTrace, Trace
from membership.selectors.earning import LOOK_BACK, NEW_FOR, active_days, is_quiet, reward_text
from membership.selectors.evaluations import evaluated_tiers
from membership.selectors.rules import program_for

MOST_SHOWN = 5
# For how long a task that is done stays in sight.
DONE_SHOWN = timedelta(days=7)
ONCE = date(1970, 1, 1)
# A task that moves no missing condition still earns points.
LEAST_PROGRESS = 0.1
FATIGUE, MOST_FATIGUE = 0.02, 0.2
# What one completion of a kind adds to a metric, beside the activity points of its reward.
MOVES: Mapping[str, Mapping[str, int]] = {
    Task.Kind.CHECK_IN: {"checkin": 1, "online_days": 1},
    Task.Kind.REVIEW: {"review": 1},
    Task.Kind.FIRST_ORDER: {"orders": 1, "buy_days": 1},
    Task.Kind.CATEGORY_ORDER: {"orders": 1, "buy_days": 1},
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


def live_tasks(at: datetime, *, kind: str = "", category: str = "") -> list[Task]:
    """Tasks that run at a time, of a kind, and of a category or what stands above it."""
    found = Task.objects.filter(Q(starts_at=None) | Q(starts_at__lte=at), Q(ends_at=None) | Q(ends_at__gt=at))
    found = found.filter(is_active=True).select_related("offer", "category")
    if kind:
        found = found.filter(kind=kind)
    if kind == Task.Kind.CATEGORY_ORDER:
        found = found.filter(category__code__in=_codes_above(category))
    return list(found.order_by("position", "id"))


def _codes_above(code: str) -> list[str]:
    codes: list[str] = []
    category = Category.objects.filter(code=code).select_related("parent").first()
    while category is not None and category.code not in codes:
        codes.append(category.code)
        category = category.parent
    return codes


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


def fits_audience(task: Task, member: MemberTier, *, at: datetime, subject: str = "") -> bool:
    """Whether a task is meant for a member; `subject` is what is being counted and does not count against them."""
    if task.min_rank is not None and member.rank < task.min_rank:
        return False
    if task.max_rank is not None and member.rank > task.max_rank:
        return False
    if task.kind == Task.Kind.FIRST_ORDER or task.audience == Task.Audience.NO_ORDERS:
        bought = Activity.objects.filter(member=member, metric="spend").exclude(subject=subject)
        if bought.exists():
            return False
    if task.audience == Task.Audience.NEW:
        return member.user.date_joined > at - NEW_FOR
    if task.audience == Task.Audience.QUIET:
        return is_quiet(member.user, before=day_of(at))
    return True


def member_tasks(*, user_id: int, storefront_id: int, at: datetime, rng: random.Random | None = None) -> TaskList:
    """The member's tasks now; `rng` stands for the day's own chance, for tests."""
    member = MemberTier.objects.filter(user=user_id, program=program_for(storefront_id)).select_related("user").first()
    is_personal = not EarningPreference.objects.filter(pk=user_id, personal_tasks=False).exists()
    if member is None:
        return TaskList((), (), is_personal, "")
    segment = segment_of(member, at)
    shown = list(_with_progress(member, at))
    waiting = [one for one in shown if not one.is_done]
    if is_personal:
        # Not for secrets: the same all day, another tomorrow.
        chance = rng or random.Random(f"{user_id}:{day_of(at)}")  # noqa: S311
        waiting = _ranked(waiting, member, segment, at, chance)
    done = tuple(one for one in shown if one.is_done)
    return TaskList(tuple(waiting[:MOST_SHOWN]), done[:MOST_SHOWN], is_personal, segment)


def segment_of(member: MemberTier, at: datetime) -> str:
    """new, quiet, regular or busy: by how often somebody was there in the last 30 days."""
    if member.user.date_joined > at - NEW_FOR:
        return "new"
    today = day_of(at)
    days = active_days(member.user_id, first=today - LOOK_BACK, before=today)
    return "quiet" if days <= 4 else "regular" if days < 15 else "busy"


def _with_progress(member: MemberTier, at: datetime) -> Iterable[TaskShownTo]:
    tasks = live_tasks(at)
    rows = TaskProgress.objects.filter(user=member.user_id, task__in=tasks)
    progress = {(row.task_id, row.window): row for row in rows.filter(window__gte=day_of(at) - timedelta(days=31))}
    progress |= {(row.task_id, row.window): row for row in rows.filter(window=ONCE)}
    has_bought = Total.objects.filter(member=member, metric="spend").exists()
    rewarded = dict(
        rows.filter(task__cap__gt=0)
        .filter(Q(points__gt=0) | Q(activity__gt=0))
        .values_list("task_id")
        .annotate(n=Count("id"))
        .values_list("task_id", "n")
    )
    for task in tasks:
        row = progress.get((task.pk, window_of(task.window, at)))
        is_done = row is not None and row.completed_at is not None
        if row is not None and row.completed_at is not None and row.completed_at <= at - DONE_SHOWN:
            continue
        if not is_done:
            needs_no_order = task.kind == Task.Kind.FIRST_ORDER or task.audience == Task.Audience.NO_ORDERS
            if (needs_no_order and has_bought) or not fits_audience(task, member, at=at):
                continue
            if task.cap and rewarded.get(task.pk, 0) >= task.cap:
                continue
        yield TaskShownTo(
            task=task,
            name=str(task),
            text=in_language(task.text, task.text_en),
            reward=reward_text(points=task.points, activity=task.activity, offer=task.offer),
            count=min(row.count, task.target) if row is not None else 0,
            is_done=is_done,
        )


def _ranked(
    shown: Sequence[TaskShownTo], member: MemberTier, segment: str, at: datetime, rng: random.Random
) -> list[TaskShownTo]:
    arms = {arm.task_id: arm for arm in TaskArm.objects.filter(segment=segment)}
    leaf = cheapest_unmet(member)
    tired = _times_shown(member.user_id, at)
    scored = []
    # In a fixed order, so that the same chance gives the same ranking.
    for one in sorted(shown, key=lambda one: one.task.pk):
        arm = arms.get(one.task.pk)
        done, missed = (arm.done, arm.shown - arm.done) if arm is not None else (0, 0)
        parts = {
            "chance": rng.betavariate(1 + done, 1 + missed),
            "progress": progress_toward(one.task, leaf),
            "effort": float(one.task.effort),
            "fatigue": min(tired.get(one.task.pk, 0) * FATIGUE, MOST_FATIGUE),
        }
        score = parts["chance"] * parts["progress"] / parts["effort"] - parts["fatigue"]
        scored.append(replace(one, score=score, parts=parts))
    return sorted(scored, key=lambda one: (-(one.score or 0), one.task.position, one.task.pk))


def _times_shown(user_id: int, at: datetime) -> dict[int, int]:
    """On how many of the last 14 days each task was shown in vain."""
    today = day_of(at)
    rows = TaskShown.objects.filter(user=user_id, day__gte=today - timedelta(days=14), day__lt=today, done=False)
    return dict(rows.values_list("task_id").annotate(n=Count("day")).values_list("task_id", "n"))


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
    """Which part of the missing condition the task fills, from LEAST_PROGRESS to 1."""
    if leaf is None or not leaf.gap:
        return LEAST_PROGRESS
    gives = {**MOVES.get(task.kind, {}), "activity": task.activity}
    moved = Decimal(gives.get(leaf.leaf.m, 0)) * (task.target if task.kind == Task.Kind.REVIEW else 1)
    return max(LEAST_PROGRESS, min(1.0, float(moved / leaf.gap)))
