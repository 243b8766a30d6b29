"""Checking in: once a Shanghai day, streaks and their gifts."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from common import clock
from membership.models import ActiveDay, Activity, CheckIn, CheckInReward, EarningRules, Pass, PointsEntry, Task
from membership.selectors import audit_points, check_in_shown, points_balance
from membership.services import check_in
from tests.membership.club import Club, at_least, on, rank

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
MARCH = on("2026-03-01")
Audience = CheckInReward.Audience


@pytest.fixture
def club() -> Club:
    # Tasks have tests of their own.
    Task.objects.all().delete()
    EarningRules.objects.update(daily_points=0, weekly_points=0)
    return Club(at_least("spend", "life", "100.00"))


def come(club, member, day="", at=None):
    with clock.travel(at or on(day)):
        return check_in(user_id=member.user_id, storefront_id=club.storefront.pk)


def come_on(club, member, first, days):
    return [come(club, member, at=on(first) + DAY * number) for number in range(days)]


def test_once_a_day_whatever_is_clicked(club):
    member = club.join()
    first = come(club, member, "2026-03-01")
    again = come(club, member, "2026-03-01")
    assert first.is_new and not again.is_new and first.check_in == again.check_in
    assert (first.check_in.streak, first.check_in.points, first.check_in.activity) == (1, 5, 2)
    assert points_balance(user_id=member.user_id, at=MARCH) == 5
    facts = Activity.objects.filter(member=member).values_list("metric", "quantity")
    assert sorted(facts) == [("activity", 2), ("checkin", 1), ("online_days", 1)]
    assert not any(audit_points().values())


def test_the_day_changes_at_midnight_in_shanghai(club):
    member = club.join()
    days = [
        come(club, member, at=on(day, time)).check_in.day.isoformat()
        for day, time in (("2026-03-01", "23:59"), ("2026-03-02", "00:00"), ("2026-03-02", "07:59"))
    ]
    assert days == ["2026-03-01", "2026-03-02", "2026-03-02"]
    assert CheckIn.objects.filter(user=member.user_id).count() == 2


def test_once_a_day_in_all_storefronts_together(club):
    member = club.join()
    other = Club(at_least("spend", "life", "100.00"))
    come(club, member, "2026-03-01")
    assert not come(other, member, "2026-03-01").is_new
    assert points_balance(user_id=member.user_id, at=MARCH) == 5


def test_a_streak_breaks_with_a_day_missed(club):
    member = club.join()
    streaks = [come(club, member, day).check_in.streak for day in ("2026-03-01", "2026-03-02", "2026-03-04")]
    assert streaks == [1, 2, 1]


def test_a_click_that_waited_over_midnight_leaves_the_next_days_streak_whole(club):
    """Its transaction began before midnight; the next day's click was stored first."""
    member = club.join()
    come_on(club, member, "2026-03-01", 5)
    assert come(club, member, at=on("2026-03-07", "00:00:02")).check_in.streak == 1
    late = come(club, member, at=on("2026-03-06", "23:59:59")).check_in
    assert (late.day.isoformat(), late.streak, late.points) == ("2026-03-06", 6, 5)
    after = CheckIn.objects.get(user=member.user_id, day="2026-03-07")
    # The gift of the seventh day, once, and its daily points once.
    assert (after.streak, after.points, after.activity) == (7, 35, 12)
    assert points_balance(user_id=member.user_id, at=on("2026-03-07")) == 7 * 5 + 10 + 30
    assert not come(club, member, "2026-03-07").is_new
    assert come(club, member, "2026-03-08").check_in.streak == 8


def test_gifts_for_days_running_and_again_in_the_next_round(club):
    member = club.join()
    got = [done.check_in.points for done in come_on(club, member, "2026-03-01", 33)]
    gifts = {number: points - 5 for number, points in enumerate(got, start=1) if points > 5}
    assert gifts == {3: 10, 7: 30, 30: 150, 33: 10}
    causes = PointsEntry.objects.filter(account=member.user_id, cause=PointsEntry.Cause.STREAK)
    assert causes.count() == 4
    assert not any(audit_points().values())


def test_gifts_are_what_operators_say(club):
    CheckInReward.objects.all().delete()
    CheckInReward.objects.create(streak=0, points=1)
    CheckInReward.objects.create(streak=2, points=7)
    CheckInReward.objects.create(streak=4, points=9, is_active=False)
    member = club.join()
    assert [done.check_in.points for done in come_on(club, member, "2026-03-01", 4)] == [1, 8, 1, 8]


def test_scenario_20_a_quiet_member_gets_one_acceleration_coupon(club):
    """Given a low-frequency member, when checking in 3 days running, then one acceleration coupon; 2 + gap none."""
    member = club.join()
    done = come_on(club, member, "2026-03-01", 9)
    assert [len(one.passes) for one in done] == [0, 0, 1, 0, 0, 0, 0, 0, 0]
    mine = Pass.objects.get(user=member.user_id)
    assert (mine.offer.kind, mine.price, mine.redeemed_at) == ("boost", 0, None)
    # Clicking again on the third day gives no second one.
    assert not come(club, member, "2026-03-03").passes
    assert Pass.objects.filter(user=member.user_id).count() == 1


def test_scenario_20_two_days_and_a_gap_give_none(club):
    member = club.join()
    for day in ("2026-03-01", "2026-03-02", "2026-03-04", "2026-03-05"):
        come(club, member, day)
    assert not Pass.objects.filter(user=member.user_id).exists()


def test_scenario_20_members_who_are_often_there_or_new_get_none(club):
    often, new = club.join(), club.join(at=on("2026-02-20"))
    for number in range(5):
        come(club, often, at=on("2026-02-10") + 2 * DAY * number)
    come_on(club, often, "2026-03-01", 4)
    come_on(club, new, "2026-03-01", 4)
    assert not Pass.objects.exists()


def test_scenario_20_four_days_in_the_month_before_are_still_quiet(club):
    member = club.join()
    for number in range(4):
        come(club, member, at=on("2026-02-10") + 2 * DAY * number)
    come_on(club, member, "2026-03-01", 3)
    assert Pass.objects.filter(user=member.user_id).count() == 1


def test_check_ins_raise_the_tier(club):
    member = club.join()
    with clock.travel(on("2026-02-20")):
        club.publish(at_least("checkin", "30d", 3), at=on("2026-02-20"))
    come_on(club, member, "2026-03-01", 2)
    assert rank(member) == 0
    come(club, member, "2026-03-03")
    assert rank(member) == 1


def test_scenario_6_five_check_ins_and_three_reviews_are_there_to_be_bundled(club):
    """The facts of a week, each once, whatever is clicked; the bundle itself is the engine's."""
    member = club.join()
    for done in ("2026-03-02", "2026-03-03", "2026-03-03", "2026-03-05", "2026-03-06", "2026-03-08"):
        come(club, member, done)
    days = Activity.objects.filter(member=member, metric="checkin").values_list("occurred_at", "quantity")
    assert [(clock.day_of(at).isoformat(), quantity) for at, quantity in days.order_by("occurred_at")] == [
        (f"2026-03-0{day}", 1) for day in (2, 3, 5, 6, 8)
    ]


def test_what_the_page_says_of_the_streak(club):
    member = club.join()
    shown = check_in_shown(user_id=member.user_id, at=on("2026-03-01"))
    assert (shown.is_done, shown.streak, shown.points, shown.next_in, shown.next_gift) == (False, 0, 5, 3, "+10 积分")
    assert [(day.number, day.is_done, day.is_today) for day in shown.strip][:2] == [(1, False, True), (2, False, False)]
    come_on(club, member, "2026-03-01", 3)
    done = check_in_shown(user_id=member.user_id, at=on("2026-03-03"))
    assert (done.is_done, done.streak, done.next_in) == (True, 3, 4)
    assert [day.is_done for day in done.strip] == [True] * 3 + [False] * 4
    assert [day.is_today for day in done.strip].index(True) == 2
    assert [bool(day.gift) for day in done.strip] == [False, False, True, False, False, False, True]
    still = check_in_shown(user_id=member.user_id, at=on("2026-03-04"))
    assert (still.is_done, still.streak, still.next_in) == (False, 3, 4)
    broken = check_in_shown(user_id=member.user_id, at=on("2026-03-05"))
    assert (broken.is_done, broken.streak, broken.next_in) == (False, 0, 3)


def test_the_eighth_day_begins_a_new_strip(club):
    member = club.join()
    come_on(club, member, "2026-03-01", 7)
    full = check_in_shown(user_id=member.user_id, at=on("2026-03-07"))
    assert [day.number for day in full.strip] == [1, 2, 3, 4, 5, 6, 7] and all(day.is_done for day in full.strip)
    fresh = check_in_shown(user_id=member.user_id, at=on("2026-03-08"))
    assert [day.number for day in fresh.strip] == [8, 9, 10, 11, 12, 13, 14]
    assert [day.is_today for day in fresh.strip].index(True) == 0


def test_the_cap_of_the_day_holds_for_check_ins(club):
    EarningRules.objects.update(daily_points=3)
    member = club.join()
    assert come(club, member, "2026-03-01").check_in.points == 3


def test_a_second_check_in_of_a_day_is_no_row(club):
    member = club.join()
    come(club, member, "2026-03-01")
    with pytest.raises(IntegrityError), transaction.atomic():
        CheckIn.objects.create(
            user_id=member.user_id, storefront=club.storefront, day="2026-03-01", streak=1, at=on("2026-03-01")
        )
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO membership_activeday SELECT user_id, day FROM membership_activeday")
    assert ActiveDay.objects.filter(user=member.user_id).count() == 1
