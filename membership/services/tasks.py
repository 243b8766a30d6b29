"""Counting what members do toward tasks, and rewarding once a window. Every function that counts holds the MemberTier."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from django.db import connection, transaction

from audit.services import Limit, take
from common import clock
from common.clock import day_of, today_range
from common.exceptions import TooManyRequests
from events.contracts import OrderDelivered, OrderRefunded
from membership.models import (
    EarningPreference,
    MemberTier,
    Pass,
    PointsEntry,
    Task,
    TaskProgress,
    TaskShown,
    TaskStep,
)
from membership.selectors.tasks import fits_audience, live_tasks, rewarded_windows, window_of
from membership.services.acting import locked_member, note_active_day, take_back_activity
from membership.services.facts import record_activity
from membership.services.passes import give_pass
from membership.services.points import grant_points, reverse_points

# How fast looking at products counts, and how much of it on one day: nobody reads a page a second.
BROWSING = Limit("browsing", burst=6, every=timedelta(seconds=4))
MOST_VIEWS = 40
SHOWN_KEPT = timedelta(days=90)

_REFRESH_ARMS = """
INSERT INTO membership_taskarm (task_id, segment, shown, done)
SELECT task_id, segment, count(*), count(*) FILTER (WHERE done)
FROM membership_taskshown WHERE day > %(since)s AND day < %(today)s GROUP BY task_id, segment
ON CONFLICT (task_id, segment) DO UPDATE SET shown = EXCLUDED.shown, done = EXCLUDED.done
"""


def count_step(
    *,
    user_id: int,
    storefront_id: int,
    kind: str,
    subject: str,
    at: datetime,
    told_at: datetime,
    counts: bool = True,
    category: str = "",
) -> list[TaskProgress]:
    """Count something that a member did at `at` toward the tasks of its kind, or (`counts` False) take it back.

    `subject` says what it was about; of several news of one subject the one told last holds. Returns the tasks that were
    completed by it. Locks the MemberTier, then the person's points.
    """
    with transaction.atomic():
        member = locked_member(user_id=user_id, storefront_id=storefront_id, at=clock.now())
        return count_step_locked(
            member=member, kind=kind, subject=subject, at=at, told_at=told_at, counts=counts, category=category
        )


def count_step_locked(
    *,
    member: MemberTier,
    kind: str,
    subject: str,
    at: datetime,
    told_at: datetime,
    counts: bool = True,
    category: str = "",
    order: str = "",
) -> list[TaskProgress]:
    """As `count_step`, for a member whose lock the caller holds. `order` (order:12) is whose line the subject is."""
    completed = []
    heard_at = clock.now()
    tasks = live_tasks(at, kind=kind, category=category)
    if not counts:
        # Also of tasks that run no more.
        steps = TaskStep.objects.filter(user=member.user_id, subject=subject, task__kind=kind)
        known = Task.objects.filter(pk__in=steps.values("task")).exclude(pk__in=[task.pk for task in tasks])
        tasks += known.select_related("offer")
    for task in tasks:
        if counts and not fits_audience(task, member, at=at, subject=subject, order=order):
            continue
        window = window_of(task.window, at)
        if not _note_step(task, member.user_id, subject, window, counts=counts, told_at=told_at):
            continue
        progress = _count_anew(task, member.user_id, window)
        if progress.count >= task.target and progress.completed_at is None:
            _complete(member, progress, at=at, heard_at=heard_at)
            completed.append(progress)
        elif progress.count < task.target and progress.completed_at is not None:
            _take_back(member, progress, heard_at)
    return completed


def record_view(*, user_id: int, storefront_id: int, product_id: int, at: datetime) -> None:
    """A signed-in member looked at a product: the day is active, and the product counts once a day toward browsing.

    Views that come faster than anybody reads, or after so many on a day, count for nothing.
    """
    subject = f"product:{product_id}:{day_of(at)}"
    tasks = [task for task in live_tasks(at, kind=Task.Kind.BROWSE) if not _is_done(task, user_id, at)]
    known = tasks and TaskStep.objects.filter(user=user_id, task__in=tasks, subject=subject).count() == len(tasks)
    with transaction.atomic():
        if _needs_day(user_id, at):
            note_active_day(
                member=locked_member(user_id=user_id, storefront_id=storefront_id, at=at), at=at, heard_at=at
            )
    if not tasks or known or not _may_count_view(user_id, at):
        return
    count_step(user_id=user_id, storefront_id=storefront_id, kind=Task.Kind.BROWSE, subject=subject, at=at, told_at=at)


def count_order_tasks(*, order: OrderDelivered) -> None:
    """An order was delivered: it may be the first, and its lines may be of a wanted category."""
    if order.user_id is None:
        return
    with transaction.atomic():
        member = locked_member(user_id=order.user_id, storefront_id=order.storefront_id, at=clock.now())
        times = {"member": member, "at": order.paid_at, "told_at": order.delivered_at}
        told = f"order:{order.order_id}"
        count_step_locked(kind=Task.Kind.FIRST_ORDER, subject=told, **times)
        for line in order.lines:
            kind, subject = Task.Kind.CATEGORY_ORDER, f"line:{line.id}"
            count_step_locked(kind=kind, subject=subject, category=line.category, order=told, **times)


def take_back_order_tasks(*, refund: OrderRefunded) -> None:
    """An order, or lines of it, were refunded in full: they are no orders to be rewarded."""
    if refund.user_id is None:
        return
    with transaction.atomic():
        member = locked_member(user_id=refund.user_id, storefront_id=refund.storefront_id, at=clock.now())
        times = {"member": member, "at": refund.paid_at, "told_at": refund.refunded_at, "counts": False}
        if refund.complete:
            count_step_locked(kind=Task.Kind.FIRST_ORDER, subject=f"order:{refund.order_id}", **times)
        for line in refund.lines:
            if line.complete:
                kind, subject = Task.Kind.CATEGORY_ORDER, f"line:{line.id}"
                count_step_locked(kind=kind, subject=subject, category=line.category, **times)


def note_shown(*, user_id: int, tasks: Sequence[Task], segment: str, at: datetime) -> None:
    """Remember that these tasks were before the member's eyes today; the second time on a day changes nothing."""
    day = day_of(at)
    # One statement, which needs no transaction around it.
    rows = [TaskShown(user_id=user_id, day=day, task=task, segment=segment) for task in tasks]
    TaskShown.objects.bulk_create(rows, ignore_conflicts=True)


def choose_task_order(*, user_id: int, personal: bool) -> None:
    """Whether the member's tasks are ranked for them or stand in the order that is the same for all."""
    with transaction.atomic():
        EarningPreference.objects.update_or_create(user_id=user_id, defaults={"personal_tasks": personal})


def refresh_task_arms(*, at: datetime) -> None:
    """Count anew, from the days that are over, how often tasks were shown and done; forget what is older than 90 days."""
    today = day_of(at)
    since = today - SHOWN_KEPT
    with transaction.atomic(), connection.cursor() as cursor:
        TaskShown.objects.filter(day__lte=since).delete()
        cursor.execute(_REFRESH_ARMS, {"since": since, "today": today})


def _note_step(task: Task, user_id: int, subject: str, window: date, *, counts: bool, told_at: datetime) -> bool:
    """Store what is known of the subject; False where later news is known already, or nothing is new."""
    step, is_new = TaskStep.objects.get_or_create(
        user_id=user_id,
        task=task,
        subject=subject,
        defaults={"window": window, "counts": counts, "told_at": told_at},
    )
    if is_new:
        return counts
    if step.told_at >= told_at:
        return False
    moved, step.counts, step.told_at = step.counts != counts, counts, told_at
    # Also where nothing moved: what was told between the two, and is heard of yet, is over.
    step.save(update_fields=["counts", "told_at"])
    return moved


def _count_anew(task: Task, user_id: int, window: date) -> TaskProgress:
    progress, _ = TaskProgress.objects.get_or_create(user_id=user_id, task=task, window=window)
    progress.count = TaskStep.objects.filter(user=user_id, task=task, window=window, counts=True).count()
    progress.save(update_fields=["count"])
    return progress


def _reward_ref(progress: TaskProgress) -> str:
    return f"task:{progress.pk}:{progress.rounds}"


def _pass_ref(progress: TaskProgress) -> str:
    return f"task:{progress.pk}"


def _complete(member: MemberTier, progress: TaskProgress, *, at: datetime, heard_at: datetime) -> None:
    """Reward a task, unless the member has had as many rewards of it as one may have."""
    task = progress.task
    rewarded = rewarded_windows(member.user_id, task).exclude(pk=progress.pk)
    progress.completed_at, progress.rounds = heard_at, progress.rounds + 1
    if not task.cap or rewarded.count() < task.cap:
        ref = _reward_ref(progress)
        if task.activity:
            record_activity(
                member_id=member.pk, metric="activity", quantity=task.activity, occurred_at=at, at=heard_at, ref=ref
            )
            progress.activity = task.activity
        if task.points:
            progress.points = grant_points(
                user_id=member.user_id,
                amount=task.points,
                cause=PointsEntry.Cause.TASK,
                ref=ref,
                at=heard_at,
                memo=task,
            ).amount
        if task.offer is not None and task.offer.is_active:
            # One that was used is not given again for what was taken back and done anew.
            give_pass(user_id=member.user_id, offer=task.offer, ref=_pass_ref(progress), at=heard_at)
    progress.save(update_fields=["completed_at", "rounds", "points", "activity"])
    TaskShown.objects.filter(user=member.user_id, task=task, day=day_of(heard_at)).update(done=True)


def _take_back(member: MemberTier, progress: TaskProgress, at: datetime) -> None:
    """What counted counts no more: the reward goes, a pass as long as nobody has used it, and may be earned again."""
    ref = _reward_ref(progress)
    if progress.activity:
        take_back_activity(member=member, of_ref=ref, ref=f"{ref}:back", at=at)
    if progress.points:
        reverse_points(user_id=member.user_id, of_ref=ref, ref=f"{ref}:back", at=at, memo=progress.task)
    Pass.objects.filter(ref=_pass_ref(progress), redeemed_at=None).delete()
    progress.completed_at, progress.points, progress.activity = None, 0, 0
    progress.save(update_fields=["completed_at", "points", "activity"])


def _is_done(task: Task, user_id: int, at: datetime) -> bool:
    window = window_of(task.window, at)
    return TaskProgress.objects.filter(user=user_id, task=task, window=window, completed_at__isnull=False).exists()


def _needs_day(user_id: int, at: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM membership_activeday WHERE user_id = %s AND day = %s", [user_id, day_of(at)])
        return cursor.fetchone() is None


def _may_count_view(user_id: int, at: datetime) -> bool:
    start, end = today_range(at)
    views: Iterable[str] = (
        TaskStep.objects.filter(user=user_id, task__kind=Task.Kind.BROWSE, told_at__gte=start, told_at__lt=end)
        .values_list("subject", flat=True)
        .distinct()
    )
    if len(list(views[:MOST_VIEWS])) >= MOST_VIEWS:
        return False
    try:
        take(BROWSING, subject=f"user:{user_id}", at=at)
    except TooManyRequests:
        return False
    return True
