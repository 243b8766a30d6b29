"""Upgrade coupons and acceleration packs: bought once a click, used once, a floor that ends."""

from datetime import timedelta

import pytest

from common import clock
from membership.exceptions import (
    InsufficientPoints,
    PassInForce,
    PassLimit,
    PassNotFound,
    PassOver,
    PassUseless,
    PointsRefReused,
)
from membership.models import Override, Pass, PassOffer, PointsEntry, Task
from membership.selectors import audit_points, member_standing, points_balance
from membership.services import (
    buy_pass,
    check_in,
    give_pass,
    grant_floor,
    grant_points,
    let_overrides_end,
    overrides,
    redeem_pass,
)
from tests.membership.club import Club, at_least, causes, on, rank

pytestmark = pytest.mark.django_db
NOW = on("2026-03-10")
DAY = timedelta(days=1)


@pytest.fixture
def club() -> Club:
    Task.objects.all().delete()
    return Club(*[at_least("spend", "life", f"{number}000.00") for number in range(1, 5)])


@pytest.fixture(autouse=True)
def the_books_are_right(db):
    yield
    assert not any(audit_points().values())


@pytest.fixture
def rich(club):
    member = club.join()
    grant_points(user_id=member.user_id, amount=5000, cause=PointsEntry.Cause.GIFT, ref=f"g{member.pk}", at=NOW)
    return member


def offer(**fields) -> PassOffer:
    return PassOffer.objects.create(
        **{"kind": "upgrade", "name": "升级券", "price": 100, "days": 7, "limit": 3, **fields}
    )


def buy(member, of, key="k", at=NOW):
    with clock.travel(at):
        return buy_pass(user=member.user, offer_id=of.pk, key=key)


def use(club, member, mine, at=NOW):
    with clock.travel(at):
        return redeem_pass(user=member.user, public_id=mine.public_id, storefront_id=club.storefront.pk)


def test_scenario_16_bought_with_check_in_points_and_used_twice_is_one_floor_that_expires(club):
    """Given an upgrade coupon bought with check-in points, when redeemed twice, then one floor override that expires."""
    member = club.join()
    for number in range(10):
        with clock.travel(NOW - DAY * (10 - number)):
            check_in(user_id=member.user_id, storefront_id=club.storefront.pk)
    assert points_balance(user_id=member.user_id, at=NOW) == 5 * 10 + 10 + 30 + 0
    mine = buy(member, offer(price=60))
    first = use(club, member, mine)
    again = use(club, member, mine, at=NOW + timedelta(minutes=1))
    assert first.redeemed_at == again.redeemed_at == NOW
    floor = Override.objects.get(member=member)
    assert (floor.kind, floor.rank, floor.status) == ("floor", 1, "approved")
    assert (floor.starts_at, floor.expires_at) == (NOW, NOW + 7 * DAY)
    assert points_balance(user_id=member.user_id, at=NOW) == 30


def test_scenario_16_what_a_pass_lent_ends_at_its_time_and_not_with_the_night(club, rich):
    other = club.join()
    mine = use(club, rich, buy(rich, offer(days=3)))
    assert rank(rich) == 1
    just_before, later = mine.until - timedelta(seconds=1), mine.until + timedelta(seconds=30)
    with clock.travel(just_before):
        assert let_overrides_end(at=just_before) == 0
    assert rank(rich) == 1
    with clock.travel(later):
        assert let_overrides_end(at=later) == 1
        assert let_overrides_end(at=later) == 0
    assert (rank(rich), rank(other)) == (0, 0)
    assert causes(rich) == ["default", "override", "override_expired"]


def test_a_member_who_cannot_be_evaluated_holds_up_no_other_lent_tier(club, rich, monkeypatch):
    other = club.join()
    until = NOW + timedelta(days=3)
    with clock.travel(NOW):
        for one in (rich, other):
            grant_floor(member_id=one.pk, rank=1, expires_at=until, ref=f"x{one.pk}", reason="试", at=NOW)
    real = overrides.evaluate_member

    def broken(*, member_id, at):
        if member_id == min(rich.pk, other.pk):
            raise RuntimeError("broken")
        return real(member_id=member_id, at=at)

    monkeypatch.setattr(overrides, "evaluate_member", broken)
    with clock.travel(until + timedelta(seconds=30)):
        assert let_overrides_end(at=clock.now()) == 1
    assert sorted([rank(rich), rank(other)]) == [0, 1]


def test_the_page_says_until_when_a_coupon_holds_the_tier(club, rich):
    def lifted(at):
        with clock.travel(at):
            return member_standing(user_id=rich.user_id, storefront_id=club.storefront.pk).lifted_until

    assert lifted(NOW) is None
    mine = use(club, rich, buy(rich, offer()))
    assert lifted(NOW) == mine.until
    # The rules now give the same tier: nothing ends.
    club.buy(rich, "1000.00", paid=NOW + DAY)
    assert lifted(NOW + DAY) is None


def test_one_click_buys_once(rich):
    of = offer()
    assert buy(rich, of) == buy(rich, of)
    assert buy(rich, of, key="another") != buy(rich, of)
    assert points_balance(user_id=rich.user_id, at=NOW) == 4800
    with pytest.raises(PointsRefReused):
        buy(rich, offer(price=7))


def test_a_limit_in_thirty_days(rich):
    of = offer(limit=2)
    for key in "ab":
        buy(rich, of, key)
    with pytest.raises(PassLimit):
        buy(rich, of, "c")
    assert points_balance(user_id=rich.user_id, at=NOW) == 4800
    buy(rich, of, "c", at=NOW + 30 * DAY)
    assert Pass.objects.filter(user=rich.user_id).count() == 3


def test_given_ones_do_not_use_up_the_limit(rich):
    of = offer(limit=1)
    given = [give_pass(user_id=rich.user_id, offer=of, ref="gift", at=NOW) for _ in range(2)]
    assert given[0] == given[1]
    buy(rich, of)
    assert Pass.objects.count() == 2


def test_too_few_points_leave_nothing_behind(club):
    member = club.join()
    with pytest.raises(InsufficientPoints):
        buy(member, offer())
    assert not Pass.objects.exists()


@pytest.mark.parametrize("fields", [{"price": None}, {"is_active": False}])
def test_what_is_not_for_sale(rich, fields):
    with pytest.raises(PassNotFound):
        buy(rich, offer(**fields))


def test_terms_are_those_of_the_day_it_was_got(club, rich):
    of = offer(days=7)
    mine = buy(rich, of)
    PassOffer.objects.update(days=1, up=3)
    assert use(club, rich, mine).until == NOW + 7 * DAY
    assert Pass.objects.get().rank == 1


def test_it_is_over_some_day(club, rich):
    mine = buy(rich, offer(use_within=5))
    with pytest.raises(PassOver):
        use(club, rich, mine, at=NOW + 5 * DAY)
    assert not Override.objects.exists()


def test_two_do_not_stack_and_the_second_waits(club, rich):
    first, second = buy(rich, offer(), "a"), buy(rich, offer(days=3), "b")
    use(club, rich, first)
    with pytest.raises(PassInForce):
        use(club, rich, second, at=NOW + 7 * DAY - timedelta(seconds=1))
    use(club, rich, second, at=NOW + 7 * DAY)
    # One tier above the member's own, not above what the first pass had lent.
    assert list(Override.objects.order_by("id").values_list("rank", flat=True)) == [1, 1]
    assert rank(rich) == 1


@pytest.mark.parametrize(
    ("rank", "up", "most", "to"),
    [(0, 1, None, 1), (0, 3, None, 3), (1, 3, None, 3), (2, 1, None, 3), (2, 1, 4, 3), (3, 1, 4, 4), (0, 3, 1, 1)],
)
def test_where_it_leads(club, rich, rank, up, most, to):
    type(rich).objects.filter(pk=rich.pk).update(rank=rank)
    assert use(club, rich, buy(rich, offer(up=up, most=most))).rank == to


@pytest.mark.parametrize(("rank", "most"), [(3, None), (4, None), (4, 4), (1, 1), (2, 1)])
def test_where_it_leads_nowhere_it_is_kept(club, rich, rank, most):
    type(rich).objects.filter(pk=rich.pk).update(rank=rank)
    mine = buy(rich, offer(up=1, most=most))
    with pytest.raises(PassUseless):
        use(club, rich, mine)
    mine.refresh_from_db()
    assert mine.redeemed_at is None


def test_somebody_elses_is_not_there(club, rich):
    mine = buy(rich, offer())
    with pytest.raises(PassNotFound):
        use(club, club.join(), mine)
