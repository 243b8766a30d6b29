"""The points ledger: first to end, first spent; booked once; never negative; every figure the sum of its rows."""

import random
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from audit.models import AuditEntry
from common import clock
from membership.exceptions import BadPoints, InsufficientPoints, PointsReasonNeeded, PointsRefReused
from membership.models import EarningRules, PointsAccount, PointsEntry, PointsLot
from membership.selectors import audit_points, member_points, points_balance, points_statement
from membership.services import (
    adjust_points,
    expire_due_points,
    expire_points,
    grant_points,
    reverse_points,
    spend_points,
)
from membership.services.points import CAPPED, MAX_POINTS, expiry_of
from tests.membership.club import on

pytestmark = pytest.mark.django_db
Cause, Kind = PointsEntry.Cause, PointsEntry.Kind
NOON = on("2026-03-01")
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def the_books_are_right(db):
    yield
    assert {rule: found for rule, found in audit_points().items() if found} == {}


def give(user, amount, ref, at=NOON, cause=Cause.INVITE, **extra):
    return grant_points(user_id=user.pk, amount=amount, cause=cause, ref=ref, at=at, **extra)


def spend(user, amount, ref, at=NOON):
    return spend_points(user_id=user.pk, amount=amount, cause=Cause.COUPON, ref=ref, at=at)


def undo(user, of_ref, ref, at=NOON, amount=None):
    return reverse_points(user_id=user.pk, of_ref=of_ref, ref=ref, at=at, amount=amount)


def left(user):
    return list(PointsLot.objects.filter(account=user.pk).order_by("id").values_list("left", flat=True))


def test_earned_points_are_there_and_end_a_year_after_their_month(alice):
    booked = give(alice, 30, "a")
    assert booked.is_new and booked.amount == 30
    assert points_balance(user_id=alice.pk, at=NOON) == 30
    end = PointsLot.objects.get(account=alice.pk).expires_at
    assert end == on("2027-04-01", "00:00")
    assert points_balance(user_id=alice.pk, at=end - timedelta(seconds=1)) == 30
    assert points_balance(user_id=alice.pk, at=end) == 0


@pytest.mark.parametrize(
    ("day", "months", "end"),
    [
        ("2026-12-31", 12, "2028-01-01"),
        ("2026-01-01", 1, "2026-03-01"),
        ("2026-11-30", 1, "2027-01-01"),
        ("2024-02-29", 12, "2025-03-01"),
    ],
)
def test_everything_of_a_month_ends_together(day, months, end):
    assert expiry_of(on(day, "23:59"), months) == on(end, "00:00")


def test_the_month_is_that_of_shanghai(alice):
    give(alice, 1, "a", at=on("2026-04-01", "00:30"))
    assert PointsLot.objects.get(account=alice.pk).expires_at == on("2027-05-01", "00:00")


def test_a_reference_is_booked_once(alice):
    first = give(alice, 30, "a")
    again = give(alice, 30, "a")
    assert not again.is_new and again.entry == first.entry
    assert points_balance(user_id=alice.pk, at=NOON) == 30
    spend(alice, 10, "s")
    assert not spend(alice, 10, "s").is_new
    assert points_balance(user_id=alice.pk, at=NOON) == 20


def test_a_reference_is_not_somebody_elses_nor_another_amount(alice, bob):
    give(alice, 30, "a")
    with pytest.raises(PointsRefReused):
        give(bob, 30, "a")
    with pytest.raises(PointsRefReused):
        spend(alice, 30, "a")
    spend(alice, 10, "s")
    with pytest.raises(PointsRefReused):
        spend(alice, 11, "s")


def test_what_ends_first_is_spent_first(alice):
    give(alice, 10, "late", expires_at=NOON + 30 * DAY)
    give(alice, 10, "soon", expires_at=NOON + 3 * DAY)
    give(alice, 10, "later", expires_at=NOON + 60 * DAY)
    spend(alice, 15, "s")
    assert left(alice) == [5, 0, 10]


def test_nobody_spends_what_is_not_there(alice):
    give(alice, 10, "a")
    with pytest.raises(InsufficientPoints) as refusal:
        spend(alice, 11, "s")
    assert refusal.value.params == {"balance": 10, "wanted": 11}
    spend(alice, 10, "s")
    assert points_balance(user_id=alice.pk, at=NOON) == 0


def test_what_has_ended_cannot_be_spent_although_nobody_took_it_off(alice):
    give(alice, 10, "a", expires_at=NOON + DAY)
    with pytest.raises(InsufficientPoints):
        spend(alice, 1, "s", at=NOON + DAY)
    assert PointsAccount.objects.get(pk=alice.pk).balance == 10
    give(alice, 4, "b", at=NOON + DAY)
    spend(alice, 4, "t", at=NOON + DAY)
    assert [entry.kind for entry in points_statement(alice.pk)] == [Kind.SPEND, Kind.EXPIRE, Kind.EARN, Kind.EARN]


def test_the_night_takes_off_what_has_ended(alice, bob):
    give(alice, 10, "a", expires_at=NOON + DAY)
    give(alice, 7, "b", expires_at=NOON + DAY)
    give(alice, 5, "c", expires_at=NOON + 9 * DAY)
    give(bob, 3, "d", expires_at=NOON + 9 * DAY)
    spend(alice, 2, "s")
    assert expire_due_points(at=NOON + DAY) == 1
    assert expire_due_points(at=NOON + DAY) == 0
    newest = points_statement(alice.pk)[0]
    assert (newest.kind, newest.amount, newest.balance_after, newest.at) == (Kind.EXPIRE, -15, 5, NOON + DAY)
    assert expire_points(user_id=alice.pk, at=NOON + 9 * DAY) == 5
    assert points_balance(user_id=bob.pk, at=NOON) == 3


def test_a_night_goes_on_where_it_stopped(alice, bob, charlie):
    for person in (alice, bob, charlie):
        give(person, 1, f"a{person.pk}", expires_at=NOON + DAY)
    assert [expire_due_points(at=NOON + DAY, limit=2) for _ in range(3)] == [2, 1, 0]


def test_what_ends_soon(alice):
    give(alice, 10, "a", expires_at=NOON + 5 * DAY)
    give(alice, 6, "b", expires_at=NOON + 5 * DAY)
    give(alice, 7, "c", expires_at=NOON + 30 * DAY)
    give(alice, 9, "d", expires_at=NOON + 31 * DAY)
    shown = member_points(user_id=alice.pk, at=NOON)
    assert (shown.balance, shown.owed, shown.ending_soon) == (32, 0, 23)
    assert [(one.amount, one.at) for one in shown.ending] == [(16, NOON + 5 * DAY), (7, NOON + 30 * DAY)]


def test_spent_points_come_back_whole_or_in_part(alice):
    give(alice, 10, "soon", expires_at=NOON + 40 * DAY)
    give(alice, 10, "late", expires_at=NOON + 90 * DAY)
    spend(alice, 15, "s")
    undo(alice, "s", "r1", amount=7)
    # The five of the later lot first, then two of the other.
    lots = PointsLot.objects.filter(account=alice.pk).order_by("id").values_list("left", "expires_at")
    assert list(lots)[2:] == [(5, NOON + 90 * DAY), (2, NOON + 40 * DAY)]
    assert undo(alice, "s", "r2", amount=100).amount == 8
    assert undo(alice, "s", "r3").entry is None
    assert points_balance(user_id=alice.pk, at=NOON) == 20


def test_what_comes_back_late_can_still_be_used(alice):
    give(alice, 10, "a", expires_at=NOON + 2 * DAY)
    spend(alice, 10, "s")
    undo(alice, "s", "r", at=NOON + 9 * DAY)
    assert points_balance(user_id=alice.pk, at=NOON + 38 * DAY) == 10
    assert points_balance(user_id=alice.pk, at=NOON + 39 * DAY) == 0


def test_a_reversal_is_booked_once(alice):
    give(alice, 10, "a")
    spend(alice, 10, "s")
    assert undo(alice, "s", "r").is_new
    assert not undo(alice, "s", "r").is_new
    assert points_balance(user_id=alice.pk, at=NOON) == 10
    assert not undo(alice, "nothing", "r9").entry
    assert not undo(alice, "nothing", "r9").is_new


def test_a_reward_goes_with_its_reason(alice):
    give(alice, 10, "other", expires_at=NOON + DAY)
    give(alice, 10, "reward")
    undo(alice, "reward", "r")
    assert left(alice) == [10, 0]
    assert points_balance(user_id=alice.pk, at=NOON) == 10


def test_a_reward_that_was_spent_is_owed_and_paid_by_the_next(alice):
    give(alice, 50, "reward")
    spend(alice, 45, "s")
    undo(alice, "reward", "r")
    shown = member_points(user_id=alice.pk, at=NOON)
    assert (shown.balance, shown.owed) == (0, 45)
    assert undo(alice, "reward", "r again").entry is None
    give(alice, 30, "b")
    assert (points_balance(user_id=alice.pk, at=NOON), PointsAccount.objects.get(pk=alice.pk).owed) == (0, 15)
    give(alice, 20, "c")
    assert (points_balance(user_id=alice.pk, at=NOON), PointsAccount.objects.get(pk=alice.pk).owed) == (5, 0)
    # And taking back what paid a debt takes it back in full.
    undo(alice, "b", "rb")
    assert (points_balance(user_id=alice.pk, at=NOON), PointsAccount.objects.get(pk=alice.pk).owed) == (0, 25)


def test_a_reward_that_ended_unspent_is_not_taken_a_second_time(alice):
    give(alice, 50, "reward", expires_at=NOON + 5 * DAY)
    spend(alice, 20, "s")
    give(alice, 70, "other")
    # 30 of it have ended, whether the night came by or not; only what was spent can still go.
    undo(alice, "reward", "r", at=NOON + 5 * DAY)
    shown = member_points(user_id=alice.pk, at=NOON + 5 * DAY)
    assert (shown.balance, shown.owed) == (50, 0)
    give(alice, 10, "unused", expires_at=NOON + 5 * DAY)
    expire_points(user_id=alice.pk, at=NOON + 6 * DAY)
    assert undo(alice, "unused", "u", at=NOON + 6 * DAY).entry is None
    assert points_balance(user_id=alice.pk, at=NOON + 6 * DAY) == 50


def test_caps_of_the_day_and_the_week(alice):
    EarningRules.objects.update(daily_points=20, weekly_points=50)
    monday = on("2026-03-02")
    got = [
        give(alice, 15, f"{day}{n}", at=monday + day * DAY, cause=Cause.TASK).amount for day in range(4) for n in "ab"
    ]
    assert got == [15, 5, 15, 5, 10, 0, 0, 0]
    assert give(alice, 15, "next week", at=monday + 7 * DAY, cause=Cause.CHECK_IN).amount == 15
    # What a cap cut away stays away, and invites are not everyday.
    assert give(alice, 15, "3b", at=monday + 8 * DAY, cause=Cause.TASK).amount == 0
    assert give(alice, 400, "invite", at=monday).amount == 400
    assert Cause.INVITE not in CAPPED


def test_the_weeks_cap_counts_what_a_later_day_earned_first(alice):
    """Somebody clicks before midnight, waits for the lock, and the next day's click comes first."""
    EarningRules.objects.update(daily_points=0, weekly_points=50)
    assert give(alice, 40, "after", at=on("2026-03-04", "00:00"), cause=Cause.TASK).amount == 40
    assert give(alice, 40, "before", at=on("2026-03-03", "23:59"), cause=Cause.TASK).amount == 10


def test_no_caps(alice):
    EarningRules.objects.update(daily_points=0, weekly_points=0)
    assert give(alice, 5000, "a", cause=Cause.TASK).amount == 5000


@pytest.mark.parametrize("amount", [0, -1, MAX_POINTS + 1, True, 1.5, "5", None, float("nan")])
def test_what_is_no_number_of_points(alice, amount):
    with pytest.raises(BadPoints):
        give(alice, amount, "a")
    with pytest.raises(BadPoints):
        spend(alice, amount, "b")


def test_points_do_not_end_before_they_begin(alice):
    with pytest.raises(BadPoints):
        give(alice, 5, "a", expires_at=NOON)


def test_staff_correct_with_a_reason(alice, olga):
    adjust_points(user_id=alice.pk, amount=40, ref="adj1", reason=" 补发 ", actor=olga)
    adjust_points(user_id=alice.pk, amount=-15, ref="adj2", reason="多发", actor=olga)
    adjust_points(user_id=alice.pk, amount=-15, ref="adj2", reason="多发", actor=olga)
    assert points_balance(user_id=alice.pk, at=clock.now()) == 25
    entries = AuditEntry.objects.filter(action="points.adjust").order_by("id")
    assert [one.detail["points"] for one in entries] == [40, -15]
    assert points_statement(alice.pk)[1].memo == "补发"
    with pytest.raises(PointsReasonNeeded):
        adjust_points(user_id=alice.pk, amount=1, ref="adj3", reason=" ", actor=olga)
    with pytest.raises(InsufficientPoints):
        adjust_points(user_id=alice.pk, amount=-26, ref="adj4", reason="多发", actor=olga)
    with pytest.raises(PointsRefReused):
        adjust_points(user_id=alice.pk, amount=41, ref="adj1", reason="补发", actor=olga)


def test_the_database_refuses_what_code_may_not_do(alice):
    give(alice, 10, "a")
    for statement in (
        "UPDATE membership_pointsaccount SET balance = -1",
        "UPDATE membership_pointsaccount SET owed = -1",
        'UPDATE membership_pointslot SET "left" = 11',
        'UPDATE membership_pointslot SET "left" = -1',
        "UPDATE membership_pointsentry SET amount = 11",
        "DELETE FROM membership_pointsentry",
        "INSERT INTO membership_earningrules (id, points_months, daily_points, weekly_points) VALUES (2, 12, 0, 0)",
        "UPDATE membership_earningrules SET points_months = 0",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_random_acts_keep_the_books_right(alice):
    """Whatever happens in whatever order, the balance is that of a plain model and every audit holds."""
    rng = random.Random(7)
    at, earned, spent = NOON, [], []
    for number in range(400):
        at += timedelta(hours=rng.randint(0, 30))
        before = points_balance(user_id=alice.pk, at=at)
        owed = member_points(user_id=alice.pk, at=at).owed
        act = rng.choice(["earn", "earn", "spend", "undo", "expire"])
        ref, amount = f"{act}{number}", rng.randint(1, 60)
        if act == "earn":
            give(alice, amount, ref, at=at, expires_at=at + rng.randint(1, 40) * DAY)
            earned.append(ref)
            assert points_balance(user_id=alice.pk, at=at) == before + max(0, amount - owed)
        elif act == "spend" and before >= amount:
            spend(alice, amount, ref, at=at)
            spent.append(ref)
            assert points_balance(user_id=alice.pk, at=at) == before - amount
        elif act == "undo" and earned + spent:
            undo(alice, rng.choice(earned + spent), ref, at=at, amount=rng.choice([None, amount]))
        elif act == "expire":
            expire_points(user_id=alice.pk, at=at)
            assert points_balance(user_id=alice.pk, at=at) == before
        if number % 40 == 0:
            assert not any(audit_points().values())
    assert PointsEntry.objects.filter(account=alice.pk).count() > 250
