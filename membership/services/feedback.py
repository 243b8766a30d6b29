"""What members write to the shop, and what staff decide on it."""

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.services import Limit, record, take
from common import clock
from common.clock import day_of, start_of_day
from common.locks import lock_one
from events.contracts import FeedbackDeclined, RewardGranted
from events.services import emit
from membership.exceptions import BadFeedback, FeedbackMoved, FeedbackNotFound, OwnFeedback
from membership.models import EarningRules, Feedback, PointsEntry, Task
from membership.models.feedback import MAX_TEXT, MIN_TEXT
from membership.services.acting import locked_member
from membership.services.facts import record_activity
from membership.services.points import grant_points
from membership.services.tasks import count_step_locked

State = Feedback.State
SENDING = Limit("feedback", burst=3, every=timedelta(hours=8))
MAX_REWARD = 500
MAX_ANSWER = 300


def send_feedback(*, user: User, storefront_id: int, kind: str, text: str) -> Feedback:
    """Send the shop an idea, a problem or a report of fraud. Raises BadFeedback, TooManyRequests."""
    if kind not in Feedback.Kind.values:
        raise BadFeedback("bad_kind", _("请选择类型"))
    text = tidy(text)
    if len(text) < MIN_TEXT:
        raise BadFeedback("feedback_too_short", _("请至少写 %(least)s 个字"), least=MIN_TEXT)
    if len(text) > MAX_TEXT:
        raise BadFeedback("feedback_too_long", _("最多 %(most)s 个字"), most=MAX_TEXT)
    take(SENDING, subject=f"user:{user.pk}", at=clock.now())
    with transaction.atomic():
        return Feedback.objects.create(
            user=user, storefront_id=storefront_id, kind=kind, text=text, written_at=clock.now()
        )


def accept_feedback(*, feedback_id: int, points: int, contrib: int, answer: str, actor: User) -> Feedback:
    """Accept one that waits, with a reward; over the month's number of rewards it is accepted without one.

    Locks the feedback, the MemberTier, then the person's points. Raises FeedbackNotFound, FeedbackMoved, OwnFeedback,
    BadFeedback.
    """
    if not 0 <= points <= MAX_REWARD or not 0 <= contrib <= MAX_REWARD:
        raise BadFeedback("bad_reward", _("积分和贡献值须为 0 到 %(most)s"), most=MAX_REWARD)

    def accept(row: Feedback, at: datetime) -> None:
        member = locked_member(user_id=row.user_id, storefront_id=row.storefront_id, at=at)
        month = start_of_day(day_of(at).replace(day=1))
        accepted = Feedback.objects.filter(user=row.user_id, state=State.ACCEPTED, decided_at__gte=month)
        rewarded = accepted.filter(Q(points__gt=0) | Q(contrib__gt=0))
        within = rewarded.count() < EarningRules.objects.get().feedback_a_month
        ref = f"feedback:{row.pk}"
        if contrib and within:
            record_activity(member_id=member.pk, metric="contrib", quantity=contrib, occurred_at=at, at=at, ref=ref)
            row.contrib = contrib
        if points and within:
            cause = PointsEntry.Cause.FEEDBACK
            row.points = grant_points(user_id=row.user_id, amount=points, cause=cause, ref=ref, at=at).amount
        count_step_locked(member=member, kind=Task.Kind.FEEDBACK, subject=ref, at=row.written_at, told_at=at)
        told = RewardGranted(
            ref=ref, user_id=row.user_id, what="feedback", name=row.kind, points=row.points, granted_at=at
        )
        emit(told, at=at)

    return _decide(feedback_id, State.ACCEPTED, tidy(answer)[:MAX_ANSWER], accept, actor)


def decline_feedback(*, feedback_id: int, answer: str, actor: User) -> Feedback:
    """Decline one that waits, with the reason that its author reads. Locks the feedback.

    Raises FeedbackNotFound, FeedbackMoved, OwnFeedback, BadFeedback.
    """
    answer = tidy(answer)[:MAX_ANSWER]
    if not answer:
        raise BadFeedback("reason_needed", _("请写明原因，会员会看到"))

    def decline(row: Feedback, at: datetime) -> None:
        emit(FeedbackDeclined(feedback_id=row.pk, user_id=row.user_id, declined_at=at), at=at)

    return _decide(feedback_id, State.DECLINED, answer, decline, actor)


def _decide(
    feedback_id: int, state: str, answer: str, act: Callable[[Feedback, datetime], None], actor: User
) -> Feedback:
    with transaction.atomic():
        at = clock.now()
        try:
            row = lock_one(Feedback.objects.filter(pk=feedback_id))
        except Feedback.DoesNotExist as error:
            raise FeedbackNotFound from error
        if row.state != State.PENDING:
            raise FeedbackMoved
        if row.user_id == actor.pk:
            raise OwnFeedback
        act(row, at)
        row.state, row.answer, row.decided_at, row.decided_by_id = state, answer, at, actor.pk
        row.save(update_fields=["state", "answer", "decided_at", "decided_by_id", "points", "contrib"])
        detail = {"state": state, "points": row.points, "contrib": row.contrib, "answer": answer}
        record(action="feedback.decide", at=at, actor=actor, target=row, detail=detail)
    return row


def tidy(text: str) -> str:
    """NFC, plain line breaks, no control or direction characters."""
    lines = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept = "".join(one for one in lines if one == "\n" or unicodedata.category(one) not in {"Cc", "Cf", "Cs", "Co"})
    return re.sub(r"\n{3,}", "\n\n", kept).strip()
