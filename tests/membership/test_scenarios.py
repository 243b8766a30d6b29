"""The acceptance scenarios that are the engine's, by their numbers. Each is told to a replay and to the live services."""

from datetime import datetime

import pytest

from membership.services import clear_activity, flag_activity
from tests.membership.living import Town, lived
from tests.membership.scenarios import (
    at,
    event,
    exactly,
    ladder,
    least,
    order,
    path,
    plus,
    replayed,
    standing,
    taken_back,
)

DAY = "2026-03-02"  # a Monday
EACH_500 = ladder(*(least("spend", "life", f"{500 * number}.00") for number in range(1, 5)))
CLEAN = exactly("disputes_upheld", "90d", 0)


@pytest.fixture(params=[replayed, lived], ids=["replay", "live"])
def play(request, db):
    return request.param


def days(count: int, first: str = DAY) -> list[str]:
    return [plus(first, number) for number in range(count)]


def test_1_everybody_begins_by_default(play):
    [decision] = play(EACH_500, [event("checkin", at(DAY))])
    assert (decision["from"], decision["to"], decision["cause"]) == (None, 0, "default")
    assert decision["gap"] == {"spend:life": "500.00"}


@pytest.mark.parametrize(("spent", "rank"), [("499.99", 0), ("500.00", 1), ("1500.00", 3), ("99999.00", 4)])
def test_2_each_500_is_a_level_in_one_decision(play, spent, rank):
    decisions = play(EACH_500, [order(spent, at(DAY))])
    assert path(decisions) == [("default", 0, DAY)] + [("enter", rank, DAY)] * bool(rank)


def test_3_thirty_days_in_a_row_and_a_missing_day(play):
    rules = ladder(least("streak", "now", 30))
    whole = play(rules, [order("1.00", at(day)) for day in days(30)])
    assert path(whole)[-1] == ("enter", 1, plus(DAY, 29))
    assert len(play(rules, [order("1.00", at(day)) for day in days(29)])) == 1
    missing = [order("1.00", at(day)) for number, day in enumerate(days(60), 1) if number != 17]
    assert path(play(rules, missing))[1] == ("enter", 1, plus(DAY, 46))


def test_4_points_paid_and_excluded_goods_do_not_count(play):
    rules = ladder(
        least("spend", "life", "300.01"),
        exclude=[{"reason": "points_paid", "part": "points_paid"}, {"reason": "gift_cards", "category": "gift_card"}],
    )
    lines = [order("500.00", at(DAY), points_paid="200.00"), order("100.00", at(DAY, "11:00:00"), category="gift_card")]
    assert standing(play(rules, lines)) == 0
    assert standing(play(rules, [*lines, order("0.01", at(DAY, "12:00:00"))])) == 1


def test_5_weights(play):
    weights = {"cat_v3": {"default": "1", "game_card": "1.5", "phone_credit": "1.2"}}
    rules = ladder(least("spend", "life", "420.00", w="cat_v3"), weights=weights)
    lines = [
        order("200.00", at(DAY), category="game_card"),
        order("100.00", at(DAY, "11:00:00"), category="phone_credit"),
    ]
    decision = play(rules, lines)[-1]
    assert decision["trace"][0]["value"] == "420.00"
    assert standing(play(rules, [lines[0], order("99.99", at(DAY, "11:00:00"), category="phone_credit")])) == 0


WEEKLY = {
    "bundles": [{"id": "weekly", "window": "week", "needs": {"checkin": 5, "review": 3}, "grants": {"activity": 50}}],
    "caps": [{"m": "activity", "per": "day", "max": 30}],
}


@pytest.mark.parametrize(("checkins", "reviews", "points"), [(5, 3, 50), (7, 6, 50), (4, 3, 0), (7, 2, 0)])
def test_6_a_week_of_checkins_and_reviews(play, checkins, reviews, points):
    lines = [event("checkin", at(day)) for day in days(checkins)]
    lines += [event("review", at(DAY, f"11:00:{number:02}")) for number in range(reviews)]
    for threshold, reached in ((points, True), (points + 1, False)):
        if threshold:
            rules = ladder(least("activity", "life", threshold), **WEEKLY)
            assert (standing(play(rules, lines)) == 1) is reached


def test_6_a_bundle_is_granted_on_the_day_on_which_it_was_complete_and_once_a_week(play):
    rules = ladder(least("activity", "life", 50), least("activity", "life", 100), **WEEKLY)
    lines = [event("review", at(day)) for day in days(3)]
    lines += [event("checkin", at(day, "11:00:00")) for day in days(13)]
    lines += [event("review", at(plus(DAY, 8), f"12:00:0{number}")) for number in range(3)]
    assert path(play(rules, lines)) == [
        ("default", 0, DAY),
        ("enter", 1, plus(DAY, 4)),
        ("enter", 2, plus(DAY, 11)),
    ]


def test_6_a_review_that_is_taken_down_takes_the_bundle_along(play):
    rules = ladder(least("activity", "life", 50), **WEEKLY)
    reviews = [event("review", at(day)) for day in days(3)]
    lines = reviews + [event("checkin", at(day, "11:00:00")) for day in days(5)]
    gone = taken_back(reviews[0], at(plus(DAY, 10)))
    assert path(play(rules, [*lines, gone]))[-1] == ("reversal", 0, plus(DAY, 10))


def test_7_the_last_fifty_points_and_the_same_event_again(play):
    rules = ladder(least("activity", "life", 1000))
    lines = [event("activity", at(DAY), points=950), event("activity", at(plus(DAY, 1)), points=50)]
    once = play(rules, lines)
    assert path(once) == [("default", 0, DAY), ("enter", 1, plus(DAY, 1))]
    assert once[-1]["trace"][0]["value"] == 1000
    assert play(rules, [*lines, lines[1], lines[1]]) == once


REPUTATION = ladder(
    {
        "enter": {
            "all": [least("orders", "life", 1), exactly("dispute_rate", "90d", 0), exactly("realname", "now", True)]
        },
        "gates": [CLEAN],
    }
)


def test_8_ninety_days_without_dispute_and_a_real_name(play):
    lines = [order("10.00", at(DAY)), event("realname", at(DAY, "11:00:00"), value=True)]
    assert standing(play(REPUTATION, lines, at(plus(DAY, 88), "23:59:59"))) == 0
    assert path(play(REPUTATION, lines, at(plus(DAY, 89))))[-1] == ("enter", 1, plus(DAY, 89))
    unverified = [lines[0], event("realname", at(DAY, "11:00:00"), value=False)]
    assert standing(play(REPUTATION, unverified, at(plus(DAY, 89)))) == 0


def test_9_no_orders_in_ninety_days_is_undefined(play):
    lines = [event("realname", at(DAY), value=True)]
    [decision] = play(REPUTATION, lines, at(plus(DAY, 100)))
    assert decision["cause"] == "default"
    rate = next(leaf for leaf in decision["trace"] if leaf["m"] == "dispute_rate")
    assert (rate["value"], rate["pass"]) == (None, False)
    assert decision["gap"]["dispute_rate:90d"] is None


def test_10_an_upheld_dispute_fails_the_gate_at_once_and_clears(play):
    lines = [order("10.00", at(plus(DAY, number))) for number in range(0, 300, 20)]
    lines += [event("realname", at(DAY, "11:00:00"), value=True)]
    upheld = event("dispute", at(plus(DAY, 105)), order=lines[0]["ref"], upheld=True)
    refused = event("dispute", at(plus(DAY, 102)), order=lines[0]["ref"], upheld=False)
    decisions = play(REPUTATION, [*lines, refused, upheld], at(plus(DAY, 300)))
    assert path(decisions) == [
        ("default", 0, DAY),
        ("enter", 1, plus(DAY, 89)),
        ("gate", 0, plus(DAY, 105)),
        ("enter", 1, plus(DAY, 195)),
    ]
    gate = decisions[2]
    assert gate["ref"] == upheld["ref"] and gate["stage"] == "active"
    assert [(leaf["m"], leaf["value"], leaf["pass"]) for leaf in gate["trace"]] == [("disputes_upheld", 1, False)]


@pytest.mark.parametrize(("count", "active"), [(30, True), (29, False)])
def test_11_an_invitee_is_active_after_thirty_days(count, active):
    rules = ladder(least("invitee_active", "life", 1))
    lines = [event("checkin", at(plus(DAY, 2 * number)), "friend", inviter="m1") for number in range(count)]
    lines += [event("review", at(day), "friend", inviter="m1") for day in days(1)]
    lines += [event("checkin", at(DAY), "m1")]
    assert standing(replayed(rules, lines)) == int(active)


AMBASSADOR = {
    "jumps": [
        {
            "id": "ambassador",
            "up": 2,
            "when": {"all": [least("invitee_active", "life", 10), least("invitee_spend", "life", "2000.00")]},
        }
    ]
}
CLIMB = ladder(*(least("spend", "life", f"{amount}.00") for amount in (500, 5000, 50000)), **AMBASSADOR)


def invited(count: int, spent: str) -> list[dict]:
    return [
        event("invitee_active", at(DAY), qty=count),
        event("invitee_spend", at(plus(DAY, 1)), amount=spent),
    ]


@pytest.mark.parametrize(("count", "spent", "rank"), [(10, "2000.00", 2), (9, "2000.00", 0), (10, "1999.99", 0)])
def test_12_ten_invitees_lift_two_levels_at_once(play, count, spent, rank):
    decisions = play(CLIMB, [*invited(count, spent), event("checkin", at(plus(DAY, 40)))])
    assert path(decisions) == [("default", 0, DAY)] + [("jump", rank, plus(DAY, 1))] * bool(rank)
    if rank:
        assert [leaf["m"] for leaf in decisions[1]["trace"]] == ["invitee_active", "invitee_spend"]


def test_12_a_jump_is_made_once_and_ends_at_the_top(play):
    bought = order("5000.00", at(DAY, "09:00:00"))
    decisions = play(
        CLIMB, [bought, *invited(10, "2000.00"), event("invitee_spend", at(plus(DAY, 9)), amount="2000.00")]
    )
    assert path(decisions) == [("default", 0, DAY), ("enter", 2, DAY), ("jump", 3, plus(DAY, 1))]


def test_12_invitees_of_the_file_count_for_who_invited_them():
    lines = []
    for friend in range(10):
        lines += [event("checkin", at(day), f"f{friend}", inviter="m1") for day in days(30)]
        lines += [order("200.00", at(plus(DAY, 3), f"11:00:0{friend}"), f"f{friend}", inviter="m1")]
    decisions = replayed(CLIMB, lines)
    assert path(decisions)[-1] == ("jump", 2, plus(DAY, 29))


def test_13_a_refund_below_the_line_takes_the_jump_back(play):
    lines = invited(10, "2000.00")
    refund = taken_back(lines[1], at(plus(DAY, 5)), amount="0.01")
    decisions = play(CLIMB, [*lines, refund])
    assert path(decisions) == [("default", 0, DAY), ("jump", 2, plus(DAY, 1)), ("reversal", 0, plus(DAY, 5))]
    assert (decisions[-1]["from"], decisions[-1]["ref"]) == (2, refund["ref"])
    # The jump, and then why neither of the two tiers is held without it.
    assert [leaf.get("gap") for leaf in decisions[-1]["trace"]] == [None, "0.01", "5000.00", "500.00"]


def test_14_wholesale_becomes_diamond_directly(play):
    rules = ladder(least("orders", "life", 100), least("orders", "life", 200), least("spend", "life", "10000.00"))
    assert path(play(rules, [order("10000.00", at(DAY))]))[-1] == ("enter", 3, DAY)
    assert standing(play(rules, [order("9999.99", at(DAY))])) == 0


@pytest.mark.parametrize(("points", "rank"), [(799, 0), (800, 1)])
def test_15_spend_and_activity(play, points, rank):
    rules = ladder({"all": [least("spend", "life", "1000.00"), least("activity", "life", 800)]})
    same = at(DAY)
    lines = [order("1000.00", same), event("activity", same, points=points)]
    decisions = play(rules, [event("checkin", at(DAY, "09:00:00")), *lines])
    assert standing(decisions) == rank
    # What is missing is told to whoever asks; a decision tells it as of its moment.
    assert replayed(rules, lines)[0]["gap"] == ({"activity:life": 1} if not rank else {})


def test_15_the_gap_that_the_live_services_store(db):
    town = Town(ladder({"all": [least("spend", "life", "1000.00"), least("activity", "life", 800)]}))
    for line in (order("1000.00", at(DAY)), event("activity", at(DAY, "11:00:00"), points=799)):
        town.hear(line, datetime.fromisoformat(line["at"]))
    member = town.people["m1"]
    member.refresh_from_db()
    spend, activity = member.evaluation["tiers"][0]["enter"]["all"]
    assert member.rank == 0
    assert (spend["pass"], "gap" in spend) == (True, False)
    assert (activity["pass"], activity["value"], activity["gap"]) == (False, 799, 1)
    line = event("activity", at(DAY, "12:00:00"), points=1)
    town.hear(line, datetime.fromisoformat(line["at"]))
    member.refresh_from_db()
    assert member.rank == 1


def test_16_a_coupon_is_one_floor_that_expires(play):
    coupon = event("override", at(DAY), kind="floor", rank=2, until=at(plus(DAY, 7), "00:00:00"))
    again = coupon | {"ref": coupon["ref"]}
    lines = [event("checkin", at(DAY, "09:00:00")), coupon, again, order("500.00", at(plus(DAY, 2)))]
    decisions = play(EACH_500, lines, at(plus(DAY, 30)))
    assert path(decisions) == [("default", 0, DAY), ("override", 2, DAY), ("override_expired", 1, plus(DAY, 7))]
    assert decisions[-1]["ref"] is None


def test_17_double_points_until_the_last_day_and_never_after(play):
    promo = [{"m": "activity", "factor": "2", "from": DAY, "to": plus(DAY, 5)}]
    lines = [event("activity", at(plus(DAY, 5), "23:59:59"), points=10), event("activity", at(plus(DAY, 6)), points=10)]
    for threshold, rank in ((30, 1), (31, 0)):
        assert standing(play(ladder(least("activity", "life", threshold), multipliers=promo), lines)) == rank


ELASTIC = ladder(
    least("spend", "life", "100.00"),
    {
        "enter": least("spend", "30d", "1000.00"),
        "keep": {"scale": "0.9"},
        "min_stay_days": 14,
        "grace_days": 14,
    },
)


def test_18_held_then_warned_then_grace_then_one_level_down(play):
    lines = [
        order("50.00", at(DAY)),
        order("50.01", at(plus(DAY, 1))),
        order("899.99", at(plus(DAY, 2))),
    ]
    decisions = play(ELASTIC, lines, at(plus(DAY, 90)))
    assert path(decisions) == [
        ("default", 0, DAY),
        ("enter", 1, plus(DAY, 1)),
        ("enter", 2, plus(DAY, 2)),
        ("warn", 2, plus(DAY, 31)),  # 899.99: the day before, 950.00 still held
        ("grace", 2, plus(DAY, 32)),
        ("down", 1, plus(DAY, 46)),
    ]
    warned = decisions[3]
    assert warned["at"] == at(plus(DAY, 31), "00:00:00")
    [leaf] = warned["trace"]
    assert (leaf["effective"], leaf["value"], leaf["gap"]) == ("900.00", "899.99", "0.01")
    assert [one["stage"] for one in decisions[3:]] == ["warned", "grace", "active"]


def test_18_buying_again_within_grace_keeps_the_tier_and_nothing_flaps(play):
    lines = [order("1000.00", at(DAY)), order("950.00", at(plus(DAY, 35)))]
    decisions = play(ELASTIC, lines, at(plus(DAY, 64)))
    assert [cause for cause, _, _ in path(decisions)] == ["default", "enter", "warn", "grace"]
    later = play(ELASTIC, lines, at(plus(DAY, 100)))
    assert [cause for cause, _, _ in path(later)][4:] == ["warn", "grace", "down"]
    assert path(later)[-1] == ("down", 1, plus(DAY, 35 + 30 + 1 + 14))


STALL = ladder(
    least("activity", "life", 1000, dyn="stall_v1"), dynamic={"stall_v1": {"factor": "0.8", "rising_days": 14}}
)


def others(first: str = DAY) -> list[dict]:
    """Somebody who stayed for thirty days and then rose."""
    return [
        event("checkin", at(first), "other"),
        event("activity", at(plus(first, 30), "09:00:00"), "other", points=1000),
    ]


def rising(first: str = DAY, last: int = 31) -> list[dict]:
    """820 points in all, more every day, up to day `last`."""
    lines = [event("checkin", at(first))]
    steps = [event("activity", at(plus(first, last - 13 + number)), points=10 * (number + 1)) for number in range(12)]
    return [*lines, *steps, event("activity", at(plus(first, last)), points=40)]


def test_19_stalled_and_rising_needs_less(play):
    decisions = play(STALL, [*others(), *rising()])
    assert path(decisions)[-1][:2] == ("enter", 1)
    [leaf] = decisions[-1]["trace"]
    assert (leaf["v"], leaf["effective"], leaf["value"], leaf["pass"]) == (1000, 800, 820, True)
    assert leaf["formula"]["name"] == "stall_v1" and leaf["formula"]["factor"] == "0.8"
    assert leaf["formula"]["base"] == 1000
    assert leaf["formula"]["stay_days"] == 31 and float(leaf["formula"]["mean_stay_days"]) <= 31
    assert float(leaf["formula"]["slope"]) > 0


def test_19_thirty_days_or_flat_activity_need_all_of_it(play):
    assert standing(play(STALL, [*others(), *rising(last=30)])) == 0
    flat = [event("checkin", at(DAY))] + [event("activity", at(day), points=20) for day in days(41, plus(DAY, 0))]
    assert standing(play(STALL, [*others(), *flat])) == 0


def test_19_an_offer_ends_and_is_made_once(play):
    lines = [*others(), *rising()[:-1], event("activity", at(plus(DAY, 70)), points=40)]
    assert standing(play(STALL, lines, at(plus(DAY, 120)))) == 0


def test_25_what_was_flagged_does_not_count(play):
    lines = [order("50.00", at(DAY, f"10:00:{number:02}"), valid=False, reason="wash_trade") for number in range(20)]
    assert standing(play(EACH_500, lines)) == 0


def test_22_the_gap_after_a_first_order_is_in_the_trace():
    [decision] = replayed(ladder(least("spend", "life", "1000.00")), [order("800.00", at(DAY))])
    assert decision["gap"] == {"spend:life": "200.00"}
    assert decision["trace"][0]["gap"] == "200.00"


def test_27_tiers_say_nothing_of_the_order_of_delivery(play):
    """Two orders of one moment: the rules read sums, and no rule form speaks of queues."""
    lines = [order("500.00", at(DAY), "vip"), order("1.00", at(DAY), "ordinary")]
    decisions = play(EACH_500, lines)
    assert [one["member"] for one in decisions] == ["ordinary", "vip", "vip"]


def test_25_cleared_on_appeal_with_the_original_dates(db):
    town = Town(EACH_500)
    lines = [order("50.00", at(DAY, f"10:00:{number:02}"), valid=False, reason="wash_trade") for number in range(20)]
    for line in lines:
        town.hear(line, datetime.fromisoformat(line["at"]))
    member = town.people["m1"]
    member.refresh_from_db()
    assert member.rank == 0
    refs = [town.ref_of(line["ref"], line["metric"]) for line in lines]
    appeal = datetime.fromisoformat(at(plus(DAY, 30)))
    decision = clear_activity(member_id=member.pk, refs=refs, reason="申诉成立", actor=None, at=appeal)
    member.refresh_from_db()
    assert (member.rank, decision.cause, decision.at) == (2, "enter", appeal)
    assert decision.day.isoformat() == DAY
    assert member.since == datetime.fromisoformat(at(DAY, "10:00:19"))
    assert flag_activity(member_id=member.pk, refs=refs, reason="wash_trade", actor=None, at=appeal).cause == "reversal"
    member.refresh_from_db()
    assert member.rank == 0
