"""Invites: one inviter, no rings, both rewarded once the friend has been active on thirty days."""

from datetime import UTC, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.services import create_member
from common import clock
from events.contracts import InviteeActive, UserRegistered, from_payload
from events.models import Event
from events.services import relay
from membership import handlers
from membership.models import (
    Activity,
    ActivityMark,
    EarningRules,
    InviteCode,
    MemberTier,
    PointsEntry,
    Referral,
    Task,
    Total,
)
from membership.selectors import audit_points, invite_sums, invited_friends, masked, points_balance
from membership.services import (
    check_in,
    clear_activity,
    ensure_member,
    flag_activity,
    invite_code_for,
    note_inviter,
    reward_referral,
)
from tests.membership.club import Club, at_least, on, rank

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
START = on("2026-02-01")
LATER = on("2026-12-01")


@pytest.fixture
def club() -> Club:
    Task.objects.all().delete()
    EarningRules.objects.update(daily_points=0, weekly_points=0)
    return Club(at_least("spend", "life", "1000000.00"))


@pytest.fixture(autouse=True)
def the_books_are_right(db):
    yield
    assert not any(audit_points().values())


def invite(club, inviter: MemberTier, name: str, at=START) -> MemberTier:
    """A friend who registers through the member's link, everything by the outbox."""
    with clock.travel(at):
        user = create_member(
            username=name,
            password="tea-and-keys-9",
            storefront_id=club.storefront.pk,
            invite_code=invite_code_for(user=inviter.user),
        )
        relay()
        return ensure_member(user_id=user.pk, storefront_id=club.storefront.pk, at=at)


def active(club, member, days, first=START):
    for number in range(days):
        with clock.travel(first + DAY * number):
            check_in(user_id=member.user_id, storefront_id=club.storefront.pk)
            relay()


def facts(member, metric):
    rows = Activity.objects.filter(member=member, metric=metric, valid=True)
    return sum(row.quantity + row.amount for row in rows)


def earned(member, cause):
    rows = PointsEntry.objects.filter(account=member.user_id, cause=cause)
    return sum(rows.values_list("amount", flat=True))


def test_scenario_11_thirty_active_days_reward_both_and_29_do_not(club):
    """Given an invitee active 30 days, then inviter +100..500 as configured; 29 days 0; configuring 501 is rejected."""
    EarningRules.objects.update(inviter_points=300, invitee_points=120)
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friend")
    active(club, friend, 29)
    assert (earned(inviter, "invite"), earned(friend, "invited"), facts(inviter, "invitee_active")) == (0, 0, 0)
    active(club, friend, 1, first=START + 60 * DAY)
    assert (earned(inviter, "invite"), earned(friend, "invited")) == (300, 120)
    assert (facts(inviter, "invitee_active"), facts(inviter, "contrib")) == (1, 300)
    active(club, friend, 5, first=START + 61 * DAY)
    assert (earned(inviter, "invite"), earned(friend, "invited"), facts(inviter, "invitee_active")) == (300, 120, 1)


def test_scenario_11_days_are_days(club):
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friend")
    for hour in range(24):
        active(club, friend, 1, first=START + timedelta(hours=hour / 2))
    assert [one.days for one in invited_friends(user_id=inviter.user_id, page=1)] == [1]


@pytest.mark.parametrize("points", [99, 501, 5000])
def test_scenario_11_rewards_out_of_range_are_rejected(points):
    rules = EarningRules.objects.get()
    rules.inviter_points = points
    with pytest.raises(ValidationError):
        rules.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        EarningRules.objects.update(inviter_points=points)


@pytest.mark.parametrize("points", [100, 500])
def test_scenario_11_the_ends_of_the_range_are_fine(points):
    rules = EarningRules.objects.get()
    rules.inviter_points = points
    rules.full_clean()
    rules.save()


def test_the_reward_is_given_once_however_often_it_is_told(club):
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friend")
    active(club, friend, 30)
    referral = Referral.objects.get()
    for _ in range(3):
        with clock.travel(LATER):
            reward_referral(referral_id=referral.pk, at=LATER)
    assert earned(inviter, "invite") == 200
    assert Event.objects.filter(kind=InviteeActive.kind).count() == 1
    assert Event.objects.filter(kind="reward.granted").count() == 2


def test_friends_over_the_months_number_count_without_points(club):
    EarningRules.objects.update(invites_a_month=1, invite_days=1)
    inviter = club.join("inviter")
    friends = [invite(club, inviter, f"friend{number}") for number in range(3)]
    for friend in friends:
        active(club, friend, 1)
    assert (earned(inviter, "invite"), facts(inviter, "invitee_active")) == (200, 3)
    assert [earned(friend, "invited") for friend in friends] == [100] * 3
    sums = invite_sums(inviter.user_id)
    assert (sums.invited, sums.active, sums.points) == (3, 3, 200)


def test_codes(club):
    member, other = club.join(), club.join()
    code = invite_code_for(user=member.user)
    assert code == invite_code_for(user=member.user) != invite_code_for(user=other.user)
    assert len(code) == 8 and code.isalnum() and not set(code) & set("0O1IL")


@pytest.mark.parametrize("code", ["", "NOBODY77", "x" * 20, "%", "' OR 1=1 --", "\u202e邀请"])
def test_codes_of_nobody(club, code):
    member = club.join()
    assert note_inviter(user_id=member.user_id, code=code, storefront_id=club.storefront.pk, at=LATER) is None


def test_one_inviter_for_a_person_and_a_code_in_any_case(club):
    first, second = club.join(), club.join()
    friend = invite(club, first, "friend")
    assert Referral.objects.get().inviter == first.user
    code = invite_code_for(user=second.user).lower()
    assert note_inviter(user_id=friend.user_id, code=code, storefront_id=club.storefront.pk, at=LATER) is None
    assert Referral.objects.get().inviter == first.user
    own = invite_code_for(user=first.user).lower()
    assert note_inviter(user_id=friend.user_id, code=own, storefront_id=club.storefront.pk, at=LATER)


def test_nobody_invites_themselves_nor_somebody_who_was_there_before(club):
    old, young = club.join(at=START), club.join(at=START + DAY)
    for member, owner in ((old, old), (old, young)):
        code = invite_code_for(user=owner.user)
        assert note_inviter(user_id=member.user_id, code=code, storefront_id=club.storefront.pk, at=LATER) is None
    assert not Referral.objects.exists()


def test_no_ring_closes(club):
    chain = [club.join("root")]
    for number in range(4):
        chain.append(invite(club, chain[-1], f"link{number}", at=START + DAY * number))
    for one in chain[1:]:
        code = invite_code_for(user=one.user)
        assert note_inviter(user_id=chain[0].user_id, code=code, storefront_id=club.storefront.pk, at=LATER) is None
    assert Referral.objects.count() == 4


def test_the_database_refuses_rings_and_oneself(club):
    old, young = club.join(at=START), club.join(at=START + DAY)
    for inviter, invitee in ((young, old), (old, old)):
        with pytest.raises(IntegrityError), transaction.atomic():
            Referral.objects.create(
                inviter=inviter.user,
                invitee=invitee.user,
                storefront=club.storefront,
                inviter_joined_at=inviter.user.date_joined,
                joined_at=invitee.user.date_joined,
            )


def test_a_blocked_member_invites_nobody(club):
    inviter = club.join("inviter")
    code = invite_code_for(user=inviter.user)
    inviter.user.is_active = False
    inviter.user.save()
    with clock.travel(START):
        create_member(username="friend", password="tea-and-keys-9", storefront_id=club.storefront.pk, invite_code=code)
        relay()
    assert not Referral.objects.exists()


def test_a_registration_told_by_an_older_shop_is_understood():
    payload = {"user_id": 1, "storefront_id": 1, "registered_at": START.isoformat()}
    assert from_payload(UserRegistered.kind, 1, payload).invite_code == ""


def test_an_endless_code_does_not_break_the_registration(club):
    with clock.travel(START):
        create_member(username="f", password="tea-and-keys-9", storefront_id=club.storefront.pk, invite_code="A" * 5000)
        relay()
    assert not Referral.objects.exists()


def test_friends_are_shown_by_masked_names(club):
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friendly@person")
    active(club, friend, 3)
    shown = invited_friends(user_id=inviter.user_id, page=1)[0]
    assert (shown.name, shown.days, shown.needed, shown.percent) == ("f**n", 3, 30, 10)
    assert "friendly" not in shown.name
    friend.user.display_name = "小明"
    assert masked(friend.user) == "小**"


# What friends spend


def bought(club, friend, *amounts, at):
    order = club.delivered(friend.user_id, *amounts, paid=at)
    hear(order, at)
    return order


def hear(news, at):
    with clock.travel(at):
        (handlers.count_lines if hasattr(news, "delivered_at") else handlers.take_back)(news, at=at)
        relay()


def spend_of_friends(inviter):
    return facts(inviter, "invitee_spend")


def test_what_a_friend_spends_counts_once_they_are_active_from_the_first_day_on(club):
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friend")
    bought(club, friend, "40.00", "2.50", at=START + DAY)
    assert spend_of_friends(inviter) == 0
    active(club, friend, 30)
    assert spend_of_friends(inviter) == pytest.approx(42.5)
    order = bought(club, friend, "57.50", at=START + 40 * DAY)
    assert spend_of_friends(inviter) == 100
    hear(order, START + 41 * DAY)
    assert spend_of_friends(inviter) == 100
    row = Activity.objects.get(member=inviter, metric="invitee_spend", amount="57.50")
    assert row.occurred_at == START + 40 * DAY


def test_a_refund_takes_it_back_at_the_date_of_the_purchase(club):
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friend")
    active(club, friend, 30)
    order = bought(club, friend, "100.00", "50.00", at=START + 40 * DAY)
    hear(club.refunded(order, {1: "20.00"}, at=START + 44 * DAY), START + 44 * DAY)
    assert spend_of_friends(inviter) == 130
    hear(club.refunded(order, {0: "100.00"}, at=START + 45 * DAY), START + 45 * DAY)
    assert spend_of_friends(inviter) == 30
    dates = Activity.objects.filter(member=inviter, metric="invitee_spend").values_list("occurred_at", flat=True)
    assert set(dates) == {START + 40 * DAY}


def test_spend_that_was_found_not_to_count_does_not_count_for_the_inviter(club, olga):
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friend")
    early = bought(club, friend, "70.00", at=START + DAY)
    judge(flag_activity, friend, early, olga)
    active(club, friend, 30)
    assert counted_spend(inviter) == 0
    late = bought(club, friend, "30.00", "5.00", at=START + 40 * DAY)
    assert counted_spend(inviter) == 35
    judge(flag_activity, friend, late, olga)
    assert counted_spend(inviter) == 0
    for order in (early, late):
        judge(clear_activity, friend, order, olga)
        relay()
    assert counted_spend(inviter) == 105
    hear(club.refunded(late, {0: "30.00"}, at=START + 45 * DAY), START + 45 * DAY)
    assert counted_spend(inviter) == 75


def judge(service, friend, order, actor):
    with clock.travel(START + 42 * DAY):
        refs = [f"line:{line.id}:spend" for line in order.lines]
        service(member_id=friend.pk, refs=refs, reason="wash_trade", actor=actor, at=clock.now())
        relay()


def counted_spend(inviter):
    return sum(Total.objects.filter(member=inviter, metric="invitee_spend").values_list("amount", flat=True))


def test_scenario_12_and_13_ten_friends_and_two_thousand(club):
    """Given 10 invited new users with cumulative valid spend 2,000.00, then +2 levels once in one decision; 9 users, or
    1,999.99, no. A refund that makes it 1,999.99 is answered by a compensating decision."""
    EarningRules.objects.update(invite_days=1)
    both = [at_least("invitee_active", "life", 10), at_least("invitee_spend", "life", "2000.00")]
    jump = {"id": "ambassador", "up": 2, "when": {"all": both}}
    club.publish(*(at_least("spend", "life", f"{n}000000.00") for n in (1, 2, 3)), jumps=[jump], at=on("2026-01-02"))
    inviter = club.join("inviter")
    orders = []
    for number in range(10):
        friend = invite(club, inviter, f"friend{number}")
        active(club, friend, 1)
        # Nine friends with more than enough are nine; ten with a cent too little are short of it.
        amount = "222.22" if number < 9 else "0.01"
        assert rank(inviter) == 0
        orders.append(bought(club, friend, amount, at=START + 2 * DAY))
        assert facts(inviter, "invitee_active") == number + 1
    assert (str(spend_of_friends(inviter)), rank(inviter)) == ("1999.99", 0)
    bought(club, friend, "0.01", at=START + 3 * DAY)
    assert (spend_of_friends(inviter), rank(inviter)) == (2000, 2)
    hear(club.refunded(orders[3], {0: "0.01"}, at=START + 4 * DAY), START + 4 * DAY)
    assert (str(spend_of_friends(inviter)), rank(inviter)) == ("1999.99", 0)
    moves = inviter.decisions.order_by("id").values_list("from_rank", "to_rank", "cause")
    assert list(moves) == [(None, 0, "default"), (0, 2, "jump"), (2, 0, "reversal")]


def wash_trade(friend, order, at, cleared=False):
    """Staff find that an order of the friend does not count, or clear it; what comes of it goes by the outbox."""
    refs = [f"line:{line.id}:spend" for line in order.lines]
    with clock.travel(at):
        if cleared:
            clear_activity(member_id=friend.pk, refs=refs, reason="appeal", actor=None, at=at)
        else:
            flag_activity(member_id=friend.pk, refs=refs, reason="wash_trade", actor=None, at=at)
        relay()


def test_what_a_friend_bought_for_show_lifts_nobody_until_it_is_cleared(club):
    EarningRules.objects.update(invite_days=1)
    club.publish(at_least("invitee_spend", "life", "100.00"), at=on("2026-01-02"))
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friend")
    active(club, friend, 1)
    order = bought(club, friend, "60.00", "60.00", at=START + 2 * DAY)
    bought(club, friend, "50.00", at=START + 3 * DAY)
    assert rank(inviter) == 1
    wash_trade(friend, order, START + 5 * DAY)
    assert rank(inviter) == 0
    assert inviter.decisions.latest("id").cause == "reversal"
    # News of the order that comes once more changes nothing, and neither does a refund of it.
    hear(club.refunded(order, {0: "10.00"}, at=START + 6 * DAY), START + 6 * DAY)
    assert rank(inviter) == 0
    wash_trade(friend, order, START + 7 * DAY, cleared=True)
    assert rank(inviter) == 1
    assert inviter.state["since"] == (START + 2 * DAY).astimezone(UTC).isoformat()


def test_what_was_found_before_the_friend_was_active_never_counts_for_the_inviter(club):
    EarningRules.objects.update(invite_days=2)
    club.publish(at_least("invitee_spend", "life", "100.00"), at=on("2026-01-02"))
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friend")
    order = bought(club, friend, "100.00", at=START + DAY)
    wash_trade(friend, order, START + 2 * DAY)
    active(club, friend, 2, first=START + 3 * DAY)
    assert facts(inviter, "invitee_active") == 1
    assert list(inviter.decisions.values_list("cause", flat=True)) == ["default"]
    wash_trade(friend, order, START + 9 * DAY, cleared=True)
    assert rank(inviter) == 1


def test_what_was_found_of_the_inviter_stays_whatever_becomes_of_the_friend(club):
    EarningRules.objects.update(invite_days=1)
    club.publish(at_least("invitee_spend", "life", "100.00"), at=on("2026-01-02"))
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friend")
    active(club, friend, 1)
    order = bought(club, friend, "100.00", at=START + 2 * DAY)
    refs, at = [f"invitee:line:{order.lines[0].id}:spend"], START + 3 * DAY
    staff = club.join("risk").user
    with clock.travel(at):
        flag_activity(member_id=inviter.pk, refs=refs, reason="closed_loop", actor=staff, at=at)
    wash_trade(friend, order, START + 4 * DAY)
    wash_trade(friend, order, START + 5 * DAY, cleared=True)
    assert rank(inviter) == 0


def test_another_reason_for_the_friend_reaches_the_inviter(club):
    EarningRules.objects.update(invite_days=1)
    inviter = club.join("inviter")
    friend = invite(club, inviter, "friend")
    active(club, friend, 1)
    order = bought(club, friend, "60.00", at=START + 2 * DAY)
    ref = f"line:{order.lines[0].id}:spend"
    for day, reason in enumerate(("wash_trade", "closed_loop", "closed_loop"), 3):
        with clock.travel(START + DAY * day):
            flag_activity(member_id=friend.pk, refs=[ref], reason=reason, actor=None, at=clock.now())
            relay()
    found = ActivityMark.objects.filter(member=inviter, ref=f"invitee:{ref}").order_by("id")
    assert list(found.values_list("reason", flat=True)) == ["wash_trade", "closed_loop"]


def test_friends_of_friends_do_not_count(club):
    EarningRules.objects.update(invite_days=1)
    root = club.join("root")
    child = invite(club, root, "child")
    grandchild = invite(club, child, "grandchild", at=START + DAY)
    for member in (child, grandchild):
        active(club, member, 1, first=START + 2 * DAY)
    bought(club, grandchild, "80.00", at=START + 3 * DAY)
    assert (spend_of_friends(root), spend_of_friends(child)) == (0, 80)
    assert rank(root) == 0


def test_a_task_for_inviting(club):
    Task.objects.create(kind=Task.Kind.INVITE, name="邀请", points=20, window=Task.Window.MONTH)
    inviter = club.join("inviter")
    invite(club, inviter, "friend")
    assert points_balance(user_id=inviter.user_id, at=START) == 20
    assert InviteCode.objects.count() == 1
