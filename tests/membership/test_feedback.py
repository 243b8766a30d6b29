"""Ideas and reports of fraud: sent with limits, accepted with a reward once, declined with a reason."""

from datetime import timedelta

import pytest

from audit.models import AuditEntry
from common import clock
from common.exceptions import TooManyRequests
from events.models import Event
from membership.exceptions import BadFeedback, FeedbackMoved, FeedbackNotFound, OwnFeedback
from membership.models import Activity, EarningRules, Feedback, Task
from membership.selectors import audit_points, points_balance
from membership.services import accept_feedback, decline_feedback, send_feedback
from tenancy.models import MAIN_ID
from tests.membership.club import on

pytestmark = pytest.mark.django_db
NOW = on("2030-03-10")


def send(user, text="希望可以按面值排序商品列表", kind="idea", at=NOW):
    with clock.travel(at):
        return send_feedback(user=user, storefront_id=MAIN_ID, kind=kind, text=text)


def accept(row, olga, points=50, contrib=20, answer="谢谢", at=NOW):
    with clock.travel(at):
        return accept_feedback(feedback_id=row.pk, points=points, contrib=contrib, answer=answer, actor=olga)


def test_accepted_with_a_reward_once(alice, olga):
    Task.objects.exclude(kind=Task.Kind.FEEDBACK).delete()
    row = send(alice, kind="fraud")
    done = accept(row, olga)
    assert (done.state, done.points, done.contrib) == ("accepted", 50, 20)
    # 20 more of the task.
    assert points_balance(user_id=alice.pk, at=NOW) == 70
    assert Activity.objects.get(metric="contrib", member__user=alice).quantity == 20
    for act in (accept, lambda row, olga: decline_feedback(feedback_id=row.pk, answer="不", actor=olga)):
        with pytest.raises(FeedbackMoved):
            act(row, olga)
    assert AuditEntry.objects.get(action="feedback.decide").detail["points"] == 50
    assert Event.objects.filter(kind="reward.granted").count() == 1
    assert not any(audit_points().values())


def test_declined_with_a_reason(alice, olga):
    row = send(alice)
    with pytest.raises(BadFeedback):
        decline_feedback(feedback_id=row.pk, answer=" ", actor=olga)
    assert decline_feedback(feedback_id=row.pk, answer="已有这个功能", actor=olga).state == "declined"
    assert points_balance(user_id=alice.pk, at=NOW) == 0
    assert Event.objects.filter(kind="feedback.declined").count() == 1


def test_rewards_of_a_month_are_bounded(alice, olga):
    Task.objects.all().delete()
    EarningRules.objects.update(feedback_a_month=2)
    rows = [send(alice, at=NOW + timedelta(days=number)) for number in range(3)]
    for row in rows:
        accept(row, olga, at=NOW + timedelta(days=5))
    assert points_balance(user_id=alice.pk, at=NOW + timedelta(days=5)) == 100
    rows[2].refresh_from_db()
    assert (rows[2].state, rows[2].points, rows[2].contrib) == ("accepted", 0, 0)


def test_rewards_without_points_are_rewards_of_the_month(alice, olga):
    Task.objects.all().delete()
    EarningRules.objects.update(feedback_a_month=1)
    rows = [send(alice, at=NOW + timedelta(days=number)) for number in range(2)]
    for row in rows:
        accept(row, olga, points=0, contrib=500, at=NOW + timedelta(days=5))
    assert Activity.objects.get(metric="contrib", member__user=alice).quantity == 500


def test_nobody_decides_on_their_own(olga):
    row = send(olga)
    with pytest.raises(OwnFeedback):
        accept(row, olga)
    with pytest.raises(OwnFeedback):
        decline_feedback(feedback_id=row.pk, answer="不", actor=olga)
    row.refresh_from_db()
    assert row.state == "pending" and points_balance(user_id=olga.pk, at=NOW) == 0


def test_nobody_sends_all_day(alice, bob):
    for number in range(3):
        send(alice, at=NOW + timedelta(minutes=number))
    with pytest.raises(TooManyRequests):
        send(alice, at=NOW + timedelta(minutes=5))
    send(bob)


@pytest.mark.parametrize("text", ["", "短", "          ", "\u200b" * 30, "\u202e" * 30, "x" * 1001, "\r\n" * 40])
def test_what_says_nothing_or_too_much(alice, text):
    with pytest.raises(BadFeedback):
        send(alice, text=text)
    assert not Feedback.objects.exists()


def test_hidden_characters_are_dropped(alice):
    assert send(alice, text="<b>卖家\u202e要求加\x07微信私下交易</b>\r\n\r\n\r\n\r\n请处理").text == (
        "<b>卖家要求加微信私下交易</b>\n\n请处理"
    )


@pytest.mark.parametrize("kind", ["", "praise", "IDEA", "idea ", "fraud'"])
def test_kinds_are_given(alice, kind):
    with pytest.raises(BadFeedback):
        send(alice, kind=kind)


@pytest.mark.parametrize(("points", "contrib"), [(-1, 0), (501, 0), (0, 501), (0, -5)])
def test_rewards_have_a_range(alice, olga, points, contrib):
    with pytest.raises(BadFeedback):
        accept(send(alice), olga, points=points, contrib=contrib)


def test_what_is_not_there(olga):
    with pytest.raises(FeedbackNotFound):
        decline_feedback(feedback_id=999999, answer="不", actor=olga)
