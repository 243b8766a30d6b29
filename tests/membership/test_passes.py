"""Upgrade coupons and acceleration packs: bought once a click, used once, a floor that ends."""

from datetime import timedelta

import pytest

from common import clock
from membership.exceptions import (
    InsufficientPoints,
    PassBlocked,
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
    evaluate_member,
    give_pass,
    grant_floor,
    grant_points,
    let_overrides_end,
    overrides,
    recalculate,
    record_activity,
    redeem_pass,
)
from membership.services.differences import audit_member
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


# Gates may block a tier; a pass is no way around them.

CLEAN = {"gates": [{"m": "disputes_upheld", "win": "5d", "op": "==", "v": 0}]}


@pytest.fixture
def gated() -> Club:
    """Two tiers with a gate that a dispute closes for five days, and one more."""
    Task.objects.all().delete()
    tiers = [{"enter": at_least("spend", "life", f"{number}000.00"), **CLEAN} for number in (1, 2)]
    return Club(*tiers, at_least("spend", "life", "9000.00"))


def dispute(member, at=NOW, ref="d"):
    with clock.travel(at):
        record_activity(member_id=member.pk, metric="dispute", value=1, occurred_at=at, at=at, ref=ref)


def given(member, **fields):
    return give_pass(user_id=member.user_id, offer=offer(**fields), ref=f"p{member.pk}", at=NOW)


def test_a_pass_does_not_open_what_a_gate_closed_and_is_kept(gated):
    member = gated.join()
    gated.buy(member, "1000.00", paid=NOW - DAY)
    dispute(member)
    assert (rank(member), causes(member)[-1]) == (0, "gate")
    mine = given(member, up=2)
    with pytest.raises(PassBlocked):
        use(gated, member, mine, at=NOW + DAY)
    mine.refresh_from_db()
    assert (mine.redeemed_at, rank(member), Override.objects.count()) == (None, 0, 0)
    # The dispute leaves the window: the tier is back by itself, and the pass leads on from there.
    assert use(gated, member, mine, at=NOW + 5 * DAY).rank == 2
    assert rank(member) == 2


def test_a_pass_leads_as_high_as_gates_allow():
    gate = {"gates": [{"m": "realname", "win": "now", "op": "==", "v": True}]}
    club = Club(at_least("spend", "life", "1000.00"), {"enter": at_least("spend", "life", "2000.00"), **gate}, gate)
    member = club.join()
    assert use(club, member, given(member, up=2)).rank == 1
    assert rank(member) == 1


def test_a_gate_that_fails_drops_whom_a_pass_holds_and_lets_them_back(gated):
    member, at = gated.join(), NOW + DAY
    mine = use(gated, member, given(member, up=2, days=20))
    assert rank(member) == 2
    dispute(member, at)
    assert (rank(member), causes(member)) == (0, ["default", "override", "gate"])
    with clock.travel(at):
        told = member_standing(user_id=member.user_id, storefront_id=gated.storefront.pk).decisions[0]
    assert (told.title, len(told.reasons)) == ("未通过门槛，调整为普通会员", 1)
    back = clock.start_of_day(clock.day_of(at) + 5 * DAY)
    assert member.next_check_at == back
    with clock.travel(back + DAY):
        recalculate(everyone=False)
    assert (rank(member), causes(member)[-1]) == (2, "override")
    assert member.decisions.latest("id").activity_ref == f"pass:{mine.pk}"
    with clock.travel(back + DAY):
        assert audit_member(member_id=member.pk) == {}
    with clock.travel(mine.until):
        let_overrides_end(at=mine.until)
    assert (rank(member), causes(member)[-1]) == (0, "override_expired")


def test_a_dispute_that_is_told_late_takes_what_a_pass_lent(gated):
    member = gated.join()
    use(gated, member, given(member, days=20), at=NOW + 2 * DAY)
    assert rank(member) == 1
    with clock.travel(NOW + 3 * DAY):
        record_activity(member_id=member.pk, metric="dispute", value=1, occurred_at=NOW + DAY, at=clock.now(), ref="d")
    assert rank(member) == 0
    with clock.travel(NOW + 7 * DAY):
        evaluate_member(member_id=member.pk, at=clock.now())
    assert rank(member) == 1


def test_a_floor_that_staff_give_holds_against_gates(gated):
    member = gated.join()
    dispute(member)
    with clock.travel(NOW + DAY):
        until = clock.now() + 9 * DAY
        grant_floor(member_id=member.pk, rank=1, expires_at=until, ref="goodwill:1", reason="补偿", at=clock.now())
    assert rank(member) == 1


def test_the_page_says_until_when_a_coupon_holds_a_tier_that_gates_made_lower(club):
    gate = {"gates": [{"m": "disputes_upheld", "win": "5d", "op": "==", "v": 0}]}
    club = Club(at_least("spend", "life", "1000.00"), {"enter": at_least("spend", "life", "2000.00"), **gate}, gate)
    member = club.join()
    mine = use(club, member, given(member, up=2, days=20))
    dispute(member, NOW + DAY)
    assert rank(member) == 1
    with clock.travel(NOW + DAY):
        assert member_standing(user_id=member.user_id, storefront_id=club.storefront.pk).lifted_until == mine.until
