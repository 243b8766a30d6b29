"""Tasks: counted from what happened, rewarded once a window, taken back with their reason, ranked for the member."""

import random
from datetime import timedelta

import pytest

from catalog.models import Category
from common import clock
from events.contracts import ReviewPublished, ReviewWithdrawn
from membership import handlers
from membership.models import (
    Activity,
    EarningRules,
    MemberTier,
    Pass,
    PassOffer,
    Task,
    TaskArm,
    TaskProgress,
    TaskShown,
    TaskStep,
    Total,
)
from membership.selectors import audit_points, member_tasks, orders_for_tasks, points_balance
from membership.selectors.tasks import LEAST_PROGRESS, cheapest_unmet, progress_toward
from membership.services import (
    check_in,
    choose_task_order,
    count_step,
    note_shown,
    record_activity,
    record_view,
    redeem_pass,
    refresh_task_arms,
)
from tests.membership.club import Club, at_least, make_line, on, rank

pytestmark = pytest.mark.django_db
Kind, Window, Audience = Task.Kind, Task.Window, Task.Audience
DAY = timedelta(days=1)
NOON = on("2026-03-04")


@pytest.fixture
def club() -> Club:
    Task.objects.all().delete()
    EarningRules.objects.update(daily_points=0, weekly_points=0)
    return Club(at_least("activity", "life", 1000))


@pytest.fixture(autouse=True)
def the_books_are_right(db):
    yield
    assert not any(audit_points().values())


def task(kind=Kind.BROWSE, **fields) -> Task:
    return Task.objects.create(**{"kind": kind, "name": f"任务{Task.objects.count()}", "points": 10, **fields})


def balance(member, at=NOON + 300 * DAY):
    return points_balance(user_id=member.user_id, at=at)


def look(club, member, *products, at=NOON):
    for number, product in enumerate(products):
        moment = at + timedelta(seconds=10 * number)
        with clock.travel(moment):
            record_view(user_id=member.user_id, storefront_id=club.storefront.pk, product_id=product, at=moment)


def step(club, member, kind, subject, at=NOON, told=None, **extra):
    with clock.travel(told or at):
        return count_step(
            user_id=member.user_id,
            storefront_id=club.storefront.pk,
            kind=kind,
            subject=subject,
            at=at,
            told_at=told or at,
            **extra,
        )


def listed(club, member, at=NOON, **extra):
    return member_tasks(user_id=member.user_id, storefront_id=club.storefront.pk, at=at, **extra)


def test_looking_at_products_counts_each_once_a_day(club):
    wanted = task(target=3, activity=4)
    member = club.join()
    look(club, member, 1, 2, 2, 1)
    assert TaskProgress.objects.get(task=wanted).count == 2
    assert balance(member) == 0
    look(club, member, 3, 4, at=NOON + timedelta(minutes=5))
    progress = TaskProgress.objects.get(task=wanted)
    assert (progress.count, progress.points, progress.activity) == (3, 10, 4)
    assert balance(member) == 10
    assert Activity.objects.get(member=member, metric="activity").quantity == 4
    look(club, member, 1, 2, 3, at=NOON + DAY)
    assert balance(member) == 20


def test_views_that_nobody_reads_do_not_count(club):
    wanted = task(target=30)
    member = club.join()
    with clock.travel(NOON):
        for product in range(60):
            record_view(user_id=member.user_id, storefront_id=club.storefront.pk, product_id=product, at=NOON)
    assert TaskProgress.objects.get(task=wanted).count == 6


def test_views_are_bounded_a_day(club):
    task(target=100)
    member = club.join()
    look(club, member, *range(90))
    assert TaskStep.objects.filter(user=member.user_id).count() == 40


def test_looking_makes_the_day_an_active_one_once(club):
    member = club.join()
    look(club, member, 1, 2, 3)
    assert Activity.objects.filter(member=member, metric="online_days").count() == 1


@pytest.mark.parametrize(
    ("window", "same", "other"),
    [
        (Window.DAY, "2026-03-04", "2026-03-05"),
        (Window.WEEK, "2026-03-02", "2026-03-09"),
        (Window.MONTH, "2026-03-31", "2026-04-01"),
    ],
)
def test_a_window_is_rewarded_once(club, window, same, other):
    task(Kind.SHARE, window=window)
    member = club.join()
    step(club, member, Kind.SHARE, "a")
    step(club, member, Kind.SHARE, "b", at=on(same, "13:00"))
    assert balance(member) == 10
    step(club, member, Kind.SHARE, "c", at=on(other))
    assert balance(member) == 20


def test_once_is_once(club):
    task(Kind.SHARE, window=Window.ONCE)
    member = club.join()
    for number in range(3):
        step(club, member, Kind.SHARE, f"s{number}", at=NOON + 100 * DAY * number)
    assert balance(member) == 10


def test_scenario_7_the_same_event_again_changes_nothing(club):
    """Given 950 activity points, when 50 arrive, then 1,000 and upgrade; replaying the event changes nothing."""
    task(Kind.SHARE, window=Window.ONCE, points=5, activity=50)
    member = club.join()
    with clock.travel(NOON):
        record_activity(member_id=member.pk, metric="activity", quantity=950, occurred_at=NOON, at=NOON, ref="before")
    assert rank(member) == 0
    for _ in range(3):
        step(club, member, Kind.SHARE, "a")
    assert rank(member) == 1
    assert sum(Activity.objects.filter(member=member, metric="activity").values_list("quantity", flat=True)) == 1000
    assert balance(member) == 5


def test_caps_bound_the_rewards_of_one_member(club):
    task(Kind.SHARE, window=Window.DAY, cap=2)
    member, other = club.join(), club.join()
    for number in range(4):
        step(club, member, Kind.SHARE, f"s{number}", at=NOON + DAY * number)
    step(club, other, Kind.SHARE, "s")
    assert (balance(member), balance(other)) == (20, 10)
    assert not listed(club, member, at=NOON + 9 * DAY).open


def test_the_cap_of_a_day_bounds_all_tasks(club):
    EarningRules.objects.update(daily_points=15)
    task(Kind.SHARE)
    task(Kind.SHARE)
    member = club.join()
    step(club, member, Kind.SHARE, "a")
    assert sorted(TaskProgress.objects.values_list("points", flat=True)) == [5, 10]


def test_caps_bound_passes_too(club):
    offer = PassOffer.objects.get(kind="boost")
    task(Kind.SHARE, window=Window.DAY, points=0, offer=offer, cap=2)
    member = club.join()
    for number in range(4):
        assert bool(listed(club, member, at=NOON + DAY * number).open) is (number < 2)
        step(club, member, Kind.SHARE, f"s{number}", at=NOON + DAY * number)
    assert Pass.objects.filter(user=member.user_id).count() == 2


def test_what_was_taken_back_and_done_again_does_not_use_up_the_cap_itself(club):
    task(Kind.REVIEW, window=Window.WEEK, offer=PassOffer.objects.get(kind="boost"), cap=1)
    member = club.join()
    hear_review(review(member, club, NOON))
    hear_review(review(member, club, NOON + timedelta(hours=1), ReviewWithdrawn))
    hear_review(review(member, club, NOON + timedelta(hours=2)))
    assert balance(member) == 10
    assert Pass.objects.filter(user=member.user_id).count() == 1


def test_tasks_run_from_and_until(club):
    task(Kind.SHARE, starts_at=NOON, ends_at=NOON + DAY, window=Window.DAY)
    member = club.join()
    step(club, member, Kind.SHARE, "a", at=NOON - timedelta(seconds=1))
    step(club, member, Kind.SHARE, "b", at=NOON + DAY)
    assert balance(member) == 0
    step(club, member, Kind.SHARE, "c", at=NOON)
    assert balance(member) == 10


def test_a_gift_pass(club):
    offer = PassOffer.objects.get(kind="boost")
    task(Kind.SHARE, points=0, offer=offer)
    member = club.join()
    step(club, member, Kind.SHARE, "a")
    assert Pass.objects.get(user=member.user_id).offer == offer


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({}, True),
        ({"min_rank": 1}, False),
        ({"max_rank": 0}, True),
        ({"audience": Audience.NEW}, False),
        ({"audience": Audience.QUIET}, True),
        ({"audience": Audience.NO_ORDERS}, True),
        ({"is_active": False}, False),
    ],
)
def test_who_a_task_is_for(club, fields, fits):
    task(Kind.SHARE, **fields)
    member = club.join()
    assert bool(listed(club, member).open) is fits
    assert bool(step(club, member, Kind.SHARE, "a")) is fits


def test_new_members(club):
    task(Kind.SHARE, audience=Audience.NEW)
    member = club.join(at=NOON - 14 * DAY + timedelta(seconds=1))
    assert listed(club, member).open
    assert not listed(club, member, at=NOON + timedelta(seconds=1)).open


# Orders


def hear(club, news):
    with clock.travel(NOON):
        if hasattr(news, "delivered_at"):
            handlers.count_lines(news, at=NOON)
            handlers.count_tasks(news, at=NOON)
        else:
            handlers.take_back(news, at=NOON)
            handlers.take_back_tasks(news, at=NOON)


def test_the_first_order_and_only_the_first(club):
    task(Kind.FIRST_ORDER, window=Window.ONCE, audience=Audience.NO_ORDERS)
    member, old = club.join(), club.join()
    assert listed(club, member).open
    hear(club, club.delivered(member.user_id, "10.00", paid=NOON - DAY))
    hear(club, club.delivered(member.user_id, "10.00", paid=NOON))
    assert balance(member) == 10
    assert listed(club, member).done
    Task.objects.update(is_active=False)
    hear(club, club.delivered(old.user_id, "10.00", paid=NOON - DAY))
    Task.objects.update(is_active=True)
    hear(club, club.delivered(old.user_id, "10.00", paid=NOON))
    assert balance(old) == 0
    assert not listed(club, old).open
    # What was paid first may be delivered last; it is not a first one then, and no second.
    other = club.join()
    for paid in (NOON, NOON - DAY):
        hear(club, club.delivered(other.user_id, "10.00", paid=paid))
    assert TaskStep.objects.filter(user=other.user_id, counts=True).count() == 1


@pytest.mark.parametrize("order_of_news", ["bought first", "refunded first"])
def test_a_refunded_first_order_is_none(club, order_of_news):
    task(Kind.FIRST_ORDER, window=Window.ONCE, activity=3)
    member = club.join()
    order = club.delivered(member.user_id, "10.00", paid=NOON - DAY)
    refund = club.refunded(order, at=NOON)
    refund = type(refund)(**{**vars(refund), "complete": True})
    for news in [order, refund] if order_of_news == "bought first" else [refund, order]:
        hear(club, news)
        hear(club, news)
    assert balance(member) == 0
    assert sum(Activity.objects.filter(member=member, metric="activity").values_list("quantity", flat=True)) == 0


@pytest.mark.parametrize("fields", [{"audience": Audience.EVERYONE}, {"audience": Audience.NO_ORDERS}])
def test_after_a_full_refund_the_first_order_is_yet_to_come(club, fields):
    task(Kind.FIRST_ORDER, window=Window.ONCE, **fields)
    member = club.join()
    order = club.delivered(member.user_id, "10.00", "5.00", paid=NOON - 3 * DAY)
    hear(club, order)
    hear(club, club.refunded(order, {0: "10.00", 1: "2.00"}, at=NOON - 2 * DAY))
    assert not listed(club, member).open
    rest = club.refunded(order, {1: "3.00"}, at=NOON - 2 * DAY + timedelta(seconds=1))
    hear(club, type(rest)(**{**vars(rest), "complete": True}))
    assert balance(member) == 0 and listed(club, member).open
    again = club.delivered(member.user_id, "10.00", paid=NOON)
    assert orders_for_tasks([again]) == {again.order_id}
    hear(club, again)
    assert balance(member) == 10 and listed(club, member).done


def test_a_refund_takes_the_pass_along_unless_it_was_used(club):
    club.publish(*[at_least("spend", "life", f"{number}000.00") for number in (1, 2, 3)], at=NOON - 9 * DAY)
    task(Kind.FIRST_ORDER, window=Window.ONCE, points=0, offer=PassOffer.objects.get(kind="boost"))
    for is_used in (False, True):
        member = club.join()
        order = club.delivered(member.user_id, "10.00", paid=NOON - DAY)
        hear(club, order)
        mine = Pass.objects.get(user=member.user_id)
        if is_used:
            with clock.travel(NOON):
                redeem_pass(user=member.user, public_id=mine.public_id, storefront_id=club.storefront.pk)
        refund = club.refunded(order, at=NOON)
        hear(club, type(refund)(**{**vars(refund), "complete": True}))
        assert Pass.objects.filter(user=member.user_id).exists() is is_used


def test_an_order_of_a_category_or_what_is_in_it(club):
    games = Category.objects.create(slug="g", code="games", name="游戏")
    Category.objects.create(slug="c", code="cards", name="点卡", parent=games)
    task(Kind.CATEGORY_ORDER, category=games, window=Window.MONTH)
    member = club.join()
    hear(club, club.delivered(member.user_id, ("5.00", "phone_credit"), paid=NOON))
    assert balance(member) == 0
    order = club.delivered(member.user_id, ("5.00", "cards"), paid=NOON)
    hear(club, order)
    assert balance(member) == 10
    hear(club, club.refunded(order, {0: "2.00"}, at=NOON + timedelta(seconds=5)))
    assert balance(member) == 10
    hear(club, club.refunded(order, at=NOON + timedelta(seconds=9)))
    assert balance(member) == 0


def test_a_category_for_those_who_never_bought(club):
    """The order that is counted is not an order from before it."""
    cards = Category.objects.create(slug="c", code="cards", name="点卡")
    task(Kind.CATEGORY_ORDER, category=cards, window=Window.ONCE, audience=Audience.NO_ORDERS)
    member, old = club.join(), club.join()
    assert listed(club, member).open
    hear(club, club.delivered(member.user_id, ("5.00", "cards"), ("6.00", "cards"), paid=NOON))
    assert balance(member) == 10
    hear(club, club.delivered(old.user_id, "5.00", paid=NOON - DAY))
    hear(club, club.delivered(old.user_id, ("5.00", "cards"), paid=NOON))
    assert balance(old) == 0


def test_a_task_is_for_the_rank_it_was_shown_to():
    """The order that does the task raises its buyer first."""
    club = Club(at_least("spend", "life", "5.00"))
    Task.objects.all().delete()
    cards = Category.objects.create(slug="c", code="cards", name="点卡")
    for_all = {"category": cards, "window": Window.DAY}
    task(Kind.CATEGORY_ORDER, max_rank=0, points=10, **for_all)
    task(Kind.CATEGORY_ORDER, min_rank=1, points=30, **for_all)
    member = club.join()
    hear(club, club.delivered(member.user_id, ("5.00", "cards"), paid=NOON))
    assert (rank(member), balance(member)) == (1, 10)
    hear(club, club.delivered(member.user_id, ("5.00", "cards"), paid=NOON + DAY))
    assert balance(member) == 40


# Reviews


def review(member, club, told, kind=ReviewPublished, number=1, stars=5):
    return kind(
        review_id=number,
        user_id=member.user_id,
        storefront_id=club.storefront.pk,
        product_id=1,
        line_id=number,
        stars=stars,
        published_at=NOON,
        occurred_at=told,
    )


def hear_review(news):
    with clock.travel(NOON + DAY):
        if isinstance(news, ReviewPublished):
            handlers.record_review(news, at=NOON)
            handlers.count_review(news, at=NOON)
        else:
            handlers.take_back_published_review(news, at=NOON)
            handlers.take_back_review(news, at=NOON)


@pytest.mark.parametrize("seed", range(8))
def test_reviews_published_withdrawn_and_published_again_in_any_order(club, seed):
    """Whatever order the news come in, and however often, what was told last is what counts."""
    task(Kind.REVIEW, window=Window.WEEK, activity=4)
    member = club.join()
    story = [
        review(member, club, NOON),
        review(member, club, NOON + timedelta(hours=1), ReviewWithdrawn),
        review(member, club, NOON + timedelta(hours=2)),
    ]
    ends_published = seed % 2 == 0
    news = story if ends_published else story[:2]
    news = news * 2
    random.Random(seed).shuffle(news)
    for one in news:
        hear_review(one)
    assert balance(member) == (10 if ends_published else 0)
    for metric, each in (("review", 1), ("activity", 4)):
        counted = Activity.objects.filter(member=member, metric=metric, valid=True)
        assert sum(counted.values_list("quantity", flat=True)) == (each if ends_published else 0)


def test_a_withdrawal_heard_after_what_followed_it_changes_nothing(club):
    task(Kind.REVIEW, window=Window.WEEK, activity=4)
    member = club.join()
    hear_review(review(member, club, NOON))
    hear_review(review(member, club, NOON + timedelta(hours=2)))
    hear_review(review(member, club, NOON + timedelta(hours=1), ReviewWithdrawn))
    assert balance(member) == 10
    assert counted_reviews(member) == (1, 1, 1)
    hear_review(review(member, club, NOON + timedelta(hours=3), ReviewWithdrawn))
    assert balance(member) == 0
    assert counted_reviews(member) == (0, 0, 0)


def test_an_edited_review_counts_with_its_new_stars(club):
    member = club.join()
    hear_review(review(member, club, NOON))
    hear_review(review(member, club, NOON + timedelta(hours=1), stars=2))
    assert counted_reviews(member) == (1, 1, 0)
    hear_review(review(member, club, NOON + timedelta(hours=2), ReviewWithdrawn, stars=2))
    assert counted_reviews(member) == (0, 0, 0)
    hear_review(review(member, club, NOON + timedelta(hours=3), stars=4))
    assert counted_reviews(member) == (1, 1, 1)


def counted_reviews(member) -> tuple[int, int, int]:
    """Reviews, those with stars, and the good ones, as the engine sums them."""
    sums = dict(Total.objects.filter(member=member).values_list("metric", "quantity"))
    return sums.get("review", 0), sums.get("rated", 0), sums.get("positive", 0)


def test_scenario_6_reviews_are_counted_on_the_day_they_appeared(club):
    member = club.join()
    for number in (1, 2, 3, 3):
        hear_review(review(member, club, NOON, number=number))
    rows = Activity.objects.filter(member=member, metric="review")
    assert [(row.quantity, row.value, row.occurred_at) for row in rows] == [(1, 5, NOON)] * 3


# Ranking


def test_at_most_five_and_what_is_done_stands_apart(club):
    for _ in range(8):
        task(Kind.SHARE)
    check = task(Kind.CHECK_IN)
    member = club.join()
    with clock.travel(NOON):
        check_in(user_id=member.user_id, storefront_id=club.storefront.pk)
    shown = listed(club, member)
    assert len(shown.open) == 5 and [one.task for one in shown.done] == [check]


def test_the_order_is_the_same_all_day(club):
    for _ in range(6):
        task(Kind.SHARE)
    member = club.join()
    orders = {
        tuple(one.task.pk for one in listed(club, member, at=on("2026-03-04", time)).open)
        for time in ("00:00", "08:00", "12:34", "23:59")
    }
    assert len(orders) == 1
    days = {tuple(one.task.pk for one in listed(club, member, at=NOON + DAY * n).open) for n in range(12)}
    assert len(days) > 3


def test_doing_one_task_moves_no_other(club):
    check = task(Kind.CHECK_IN)
    for _ in range(4):
        task(Kind.SHARE)
    member = club.join()
    before = [one.task for one in listed(club, member).open if one.task != check]
    with clock.travel(NOON):
        check_in(user_id=member.user_id, storefront_id=club.storefront.pk)
    assert [one.task for one in listed(club, member).open] == before


def test_switched_off_everybody_sees_the_same_order(club):
    tasks = [task(Kind.SHARE, position=position) for position in (3, 1, 2)]
    member, other = club.join(), club.join()
    for one in (member, other):
        choose_task_order(user_id=one.user_id, personal=False)
        shown = listed(club, one)
        assert not shown.is_personal
        assert [row.task for row in shown.open] == [tasks[1], tasks[2], tasks[0]]
        assert all(row.score is None for row in shown.open)
    choose_task_order(user_id=member.user_id, personal=True)
    assert listed(club, member).is_personal


def test_what_members_of_the_kind_do_rises(club):
    """Thompson sampling: over many draws the task that is done nine times in ten leads far more often."""
    liked, shunned = task(Kind.SHARE), task(Kind.SHARE)
    member = club.join()
    segment = listed(club, member).segment
    TaskArm.objects.create(task=liked, segment=segment, shown=100, done=90)
    TaskArm.objects.create(task=shunned, segment=segment, shown=100, done=10)
    rng = random.Random(5)
    first = [listed(club, member, rng=rng).open[0].task for _ in range(40)]
    assert first.count(liked) == 40
    TaskArm.objects.all().delete()
    unknown = [listed(club, member, rng=rng).open[0].task for _ in range(40)]
    assert 5 < unknown.count(liked) < 35


def test_the_score_is_chance_times_progress_over_effort_less_fatigue(club):
    one = task(Kind.SHARE, activity=100, effort=4)
    member = club.join()
    for days in (1, 2, 3):
        note_shown(user_id=member.user_id, tasks=[one], segment="quiet", at=NOON - DAY * days)
    row = listed(club, member, rng=random.Random(3)).open[0]
    assert row.parts["progress"] == 0.1 and row.parts["effort"] == 4
    assert row.parts["fatigue"] == pytest.approx(0.06)
    assert row.score == pytest.approx(row.parts["chance"] * 0.1 / 4 - 0.06)
    assert row.parts["chance"] == random.Random(3).betavariate(1, 1)


def test_what_is_repeated_moves_each_time_and_the_reward_once(club):
    Task.objects.all().delete()
    wanted = Club({"all": [at_least("activity", "life", 200), at_least("checkin", "30d", 10)]})
    member = wanted.join()
    leaf = cheapest_unmet(member)
    assert leaf.leaf.m == "activity"
    assert progress_toward(task(Kind.REVIEW, target=4, activity=50), leaf) == 0.25
    with clock.travel(NOON):
        record_activity(member_id=member.pk, metric="activity", quantity=200, occurred_at=NOON, at=NOON, ref="a")
    leaf = cheapest_unmet(MemberTier.objects.get(pk=member.pk))
    assert leaf.leaf.m == "checkin"
    assert progress_toward(task(Kind.CHECK_IN, target=5, window=Window.WEEK), leaf) == 0.5


def test_progress_is_measured_at_the_nearest_missing_condition():
    club = Club({"all": [at_least("activity", "life", 100), at_least("spend", "life", "1000.00")]})
    Task.objects.all().delete()
    member = club.join()
    with clock.travel(NOON):
        record_activity(member_id=member.pk, metric="activity", quantity=60, occurred_at=NOON, at=NOON, ref="a")
    leaf = cheapest_unmet(MemberTier.objects.get(pk=member.pk))
    assert (leaf.leaf.m, leaf.gap) == ("activity", 40)
    assert progress_toward(task(Kind.SHARE, activity=10), leaf) == 0.25
    assert progress_toward(task(Kind.SHARE, activity=80), leaf) == 1
    assert progress_toward(task(Kind.SHARE), leaf) == LEAST_PROGRESS
    assert progress_toward(task(Kind.SHARE), None) == LEAST_PROGRESS


@pytest.mark.parametrize(
    ("metric", "value", "kind", "progress"),
    [
        ("spend", "100.00", Kind.FIRST_ORDER, 0.5),
        ("spend", "20.00", Kind.FIRST_ORDER, 1),
        ("orders", 4, Kind.FIRST_ORDER, 0.25),
        ("spend", "100.00", Kind.CATEGORY_ORDER, 0.5),
        ("invitee_active", 2, Kind.INVITE, 0.5),
        ("contrib", 400, Kind.INVITE, 0.25),
        ("invitee_spend", "200.00", Kind.INVITE, 0.25),
        ("spend", "100.00", Kind.INVITE, LEAST_PROGRESS),
        ("spend", "100.00", Kind.BROWSE, LEAST_PROGRESS),
    ],
)
def test_buying_and_inviting_bring_nearer_what_they_count_toward(metric, value, kind, progress):
    leaf = cheapest_unmet(Club(at_least(metric, "life", value)).join())
    assert leaf.leaf.m == metric
    assert progress_toward(Task(kind=kind, name="任务", points=10, target=1), leaf) == progress


def test_the_night_counts_what_was_shown_and_done(club):
    one = task(Kind.SHARE)
    member, other = club.join(), club.join()
    for person in (member, other):
        for _ in range(2):
            note_shown(user_id=person.user_id, tasks=[one], segment="quiet", at=NOON)
    step(club, member, Kind.SHARE, "a")
    note_shown(user_id=member.user_id, tasks=[one], segment="quiet", at=NOON + DAY)
    note_shown(user_id=other.user_id, tasks=[one], segment="busy", at=NOON - 90 * DAY)
    for _ in range(2):
        refresh_task_arms(at=NOON + DAY)
    assert list(TaskArm.objects.values_list("segment", "shown", "done")) == [("quiet", 2, 1)]
    assert TaskShown.objects.count() == 3


def test_what_is_done_already_is_no_try_that_failed(club):
    """A weekly task that was done on Monday stands among the done ones all week."""
    check = task(Kind.CHECK_IN, window=Window.WEEK)
    member = club.join()
    for number in range(4):
        at = NOON + DAY * number
        with clock.travel(at):
            shown = listed(club, member, at=at)
            note_shown(user_id=member.user_id, tasks=shown.to_note, segment=shown.segment, at=at)
            check_in(user_id=member.user_id, storefront_id=club.storefront.pk)
    assert TaskShown.objects.filter(task=check).count() == 1
    refresh_task_arms(at=NOON + 5 * DAY)
    assert list(TaskArm.objects.filter(task=check).values_list("shown", "done")) == [(1, 1)]


def test_make_line_is_used_by_orders(club):
    """A line of a category that no row of ours knows counts for no task."""
    task(Kind.CATEGORY_ORDER, category=Category.objects.create(slug="x", code="x", name="x"))
    member = club.join()
    hear(club, club.delivered(member.user_id, make_line("5.00", "nowhere"), paid=NOON))
    assert not TaskStep.objects.exists()
