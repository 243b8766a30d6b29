"""Members climb by what they buy. Scenario numbers are those of the design's acceptance list."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from random import Random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common import clock
from common.clock import day_of
from events.contracts import OrderRefunded
from events.models import Event
from membership.models import Activity, Bucket, MemberTier, TierDecision, Total
from membership.selectors.decisions import decision_texts
from membership.services import evaluate_member, recalculate
from membership.services.ledger import append
from tests.membership.club import OPENING, Club, at_least, causes, make_line, on, rank

pytestmark = pytest.mark.django_db

EACH_500 = [at_least("spend", "life", f"{500 * n}.00") for n in range(1, 5)]


def spend_value(member, index=0):
    member.refresh_from_db()
    return member.evaluation["tiers"][index]["enter"]["value"]


def changes_told():
    return list(Event.objects.filter(kind="tier.changed").order_by("id").values_list("payload", flat=True))


def test_scenario_1_a_new_account_is_an_ordinary_member():
    member = Club(*EACH_500).join("alice", at=on("2026-03-01"))
    [decision] = member.decisions.all()
    assert (decision.from_rank, decision.to_rank, decision.cause) == (None, 0, "default")
    assert decision.gap == {"spend:life": "500.00"}
    assert member.since == decision.at == on("2026-03-01")
    assert changes_told()[-1]["to_name"] == "普通会员"


@pytest.mark.parametrize(("spent", "expected"), [("499.99", 0), ("500.00", 1), ("1500.00", 3), ("9999.99", 4)])
def test_scenario_2_each_500_lifts_a_level_in_one_decision(spent, expected):
    club = Club(*EACH_500)
    member = club.join()
    club.buy(member, spent, paid=on("2026-03-01"))
    assert rank(member) == expected
    assert causes(member) == ["default"] + ["enter"] * bool(expected)
    if expected:
        decision = member.decisions.get(cause="enter")
        assert (decision.from_rank, decision.to_rank) == (0, expected)
        assert decision.activity_ref.startswith("line:")
        assert decision.trace[0]["enter"]["value"] == spent
        assert changes_told()[-1]["to_rank"] == expected


def test_scenario_3_thirty_days_in_a_row():
    club = Club(at_least("streak", "now", 30))
    member = club.join()
    for number in range(30):
        assert rank(member) == 0
        club.buy(member, "1.00", paid=on("2026-03-01") + timedelta(days=number))
    assert rank(member) == 1


def test_scenario_3_a_missing_day_restarts_the_count():
    club = Club(at_least("streak", "now", 30))
    member = club.join()
    for number in range(46):
        if number != 16:
            club.buy(member, "1.00", paid=on("2026-03-01") + timedelta(days=number))
        assert rank(member) == 0
    club.buy(member, "1.00", paid=on("2026-03-01") + timedelta(days=46))
    assert rank(member) == 1


def test_scenario_4_points_paid_and_excluded_goods_do_not_count_and_say_why():
    club = Club(at_least("spend", "life", "600.00"), exclude=[{"reason": "gift_cards", "category": "gift_card"}])
    member = club.join()
    club.buy(member, make_line("300.00", points_paid="200.00"), ("100.00", "gift_card"), paid=on("2026-03-01"))
    assert spend_value(member) == "300.00"
    left_out = Activity.objects.filter(member=member, valid=False).order_by("id")
    assert [(row.amount, row.invalid_reason) for row in left_out] == [(200, "points_paid"), (100, "gift_cards")]


def test_scenario_5_categories_weigh():
    weights = {"cat_v3": {"default": "1", "game_card": "1.5", "phone_credit": "1.2"}}
    club = Club(at_least("spend", "life", "500.00", w="cat_v3"), weights=weights)
    member = club.join()
    club.buy(member, ("200.00", "game_card"), ("100.00", "phone_credit"), paid=on("2026-03-01"))
    assert spend_value(member) == "420.00"
    club.buy(member, ("80.00", "video"), paid=on("2026-03-02"))
    assert rank(member) == 1


def test_scenario_7_replaying_the_event_changes_nothing():
    club = Club(at_least("spend", "life", "1000.00"))
    member = club.join()
    club.buy(member, "950.00", paid=on("2026-03-01"))
    order = club.buy(member, "50.00", paid=on("2026-03-02"))
    assert rank(member) == 1
    before = (Activity.objects.count(), list(Bucket.objects.values_list("day", "metric", "amount", "quantity")))
    for _ in range(3):
        assert club.hear(order, on("2026-03-03")) is None
    assert before == (Activity.objects.count(), list(Bucket.objects.values_list("day", "metric", "amount", "quantity")))
    assert causes(member) == ["default", "enter"]


def test_scenario_14_wholesale_becomes_diamond_directly():
    club = Club(at_least("orders", "life", 100), at_least("orders", "life", 200), at_least("spend", "life", "10000.00"))
    member = club.join()
    club.buy(member, "9999.99", paid=on("2026-03-01"))
    assert rank(member) == 0
    club.buy(member, "0.01", paid=on("2026-03-01"))
    assert rank(member) == 3
    assert causes(member) == ["default", "enter"]


def test_scenario_22_the_gap_after_a_first_order():
    club = Club(at_least("spend", "life", "1000.00"))
    member = club.join()
    club.buy(member, "800.00", paid=on("2026-03-01"))
    member.refresh_from_db()
    assert member.evaluation["tiers"][0]["enter"]["gap"] == "200.00"
    assert member.evaluation["day"] == "2026-03-01"
    assert causes(member) == ["default"]


def test_the_number_of_orders_lifts_too():
    club = Club({"any": [at_least("spend", "life", "200.00"), at_least("orders", "life", 3)]})
    member = club.join()
    for expected in (0, 0, 1):
        club.buy(member, "1.00", "2.00", paid=on("2026-03-01"))
        assert rank(member) == expected


def test_days_with_orders_are_counted_once():
    club = Club(at_least("buy_days", "life", 2))
    member = club.join()
    club.buy(member, "1.00", paid=on("2026-03-01", "00:00"))
    club.buy(member, "1.00", paid=on("2026-03-01", "23:59"))
    assert rank(member) == 0
    club.buy(member, "1.00", paid=on("2026-03-02", "00:00"))
    assert rank(member) == 1
    assert Total.objects.get(member=member, metric="buy_days").quantity == 2


def test_an_order_without_counted_spend_is_no_order():
    club = Club(at_least("orders", "life", 1), exclude=[{"reason": "gift_cards", "category": "gift_card"}])
    member = club.join()
    club.buy(member, make_line("0.00", points_paid="5.00"), ("10.00", "gift_card"), paid=on("2026-03-01"))
    assert rank(member) == 0
    assert not Bucket.objects.filter(member=member).exists()


def test_windows_are_shanghai_days():
    club = Club(at_least("spend", "30d", "100.00"))
    member = club.join()
    club.buy(member, "60.00", paid=on("2026-03-01", "00:00"))
    club.buy(member, "40.00", paid=on("2026-03-31", "00:00"))
    assert rank(member) == 0  # the 31st day
    club = Club(at_least("spend", "30d", "100.00"))
    member = club.join()
    club.buy(member, "60.00", paid=on("2026-03-01", "00:00"))
    club.buy(member, "40.00", paid=on("2026-03-30", "23:59"))
    assert rank(member) == 1


def test_a_tier_entered_by_life_is_held_and_one_by_a_window_is_left_step_by_step():
    club = Club(at_least("spend", "life", "50.00"), at_least("spend", "30d", "100.00"))
    member = club.join()
    club.buy(member, "100.00", paid=on("2026-03-01"))
    evaluate_member(member_id=member.pk, at=on("2026-06-01"))
    assert rank(member) == 1
    assert causes(member) == ["default", "enter", "warn", "grace", "down"]
    evaluate_member(member_id=member.pk, at=on("2029-06-01"))
    assert rank(member) == 1


def test_a_guest_has_no_tier():
    club = Club(*EACH_500)
    assert club.hear(club.delivered(None, "500.00", paid=on("2026-03-01")), on("2026-03-01")) is None
    assert not MemberTier.objects.filter(program=club.program).exists()


def test_an_order_heard_before_the_registration_makes_the_member():
    club = Club(*EACH_500)
    user = Club(*EACH_500).join("early").user
    decision = club.hear(club.delivered(user, "500.00", paid=on("2026-03-01")), on("2026-03-01"))
    assert (decision.from_rank, decision.to_rank) == (0, 1)
    member = MemberTier.objects.get(user=user, program=club.program)
    assert causes(member) == ["default", "enter"]
    assert member.decisions.get(cause="default").at == user.date_joined


def test_spend_counts_on_the_day_of_payment_however_late_it_is_heard():
    club = Club(at_least("spend", "7d", "100.00"))
    member = club.join()
    club.buy(member, "60.00", paid=on("2026-03-01"))
    club.buy(member, "40.00", paid=on("2026-03-05"), heard=on("2026-03-20"))
    assert rank(member) == 1  # both lay within seven days, though on the 20th neither does
    decision = member.decisions.get(cause="enter")
    assert str(decision.day) == "2026-03-05"
    assert decision.at == on("2026-03-20")
    assert decision.trace[0]["enter"]["value"] == "100.00"
    assert spend_value(member) == "0.00"


def test_a_refund_takes_back_on_the_day_of_the_purchase():
    club = Club(at_least("spend", "30d", "500.00"))
    member = club.join()
    order = club.buy(member, "500.00", paid=on("2026-03-01"))
    assert rank(member) == 1
    decision = club.hear(club.refunded(order, {0: "0.01"}), on("2026-03-15"))
    assert rank(member) == 0
    assert decision.cause == "reversal"
    assert (decision.from_rank, decision.to_rank) == (1, 0)
    assert decision.activity_ref.startswith("refund:")
    assert decision.gap == {"spend:30d": "0.01"}
    assert Bucket.objects.get(member=member, metric="spend").day == day_of(on("2026-03-01"))
    assert changes_told()[-1]["cause"] == "reversal"


def test_scenario_13_a_refund_below_the_line_is_compensated_and_buying_again_repairs_it():
    club = Club(at_least("spend", "life", "2000.00"))
    member = club.join()
    order = club.buy(member, "1500.00", "500.00", paid=on("2026-03-01"))
    club.hear(club.refunded(order, {1: "0.01"}), on("2026-03-02"))
    assert rank(member) == 0
    club.buy(member, "0.01", paid=on("2026-03-03"))
    assert rank(member) == 1
    assert causes(member) == ["default", "enter", "reversal", "enter"]


def test_a_refund_leaves_a_tier_that_was_earned_without_it():
    club = Club(at_least("spend", "life", "100.00"))
    member = club.join()
    club.buy(member, "100.00", paid=on("2026-03-01"))
    order = club.buy(member, "100.00", paid=on("2026-04-01"))
    assert club.hear(club.refunded(order), on("2026-04-02")) is None
    assert rank(member) == 1


def test_refunds_add_up_but_never_below_nothing():
    club = Club(at_least("spend", "life", "100.00"))
    member = club.join()
    order = club.buy(member, "100.00", paid=on("2026-03-01"))
    first = club.refunded(order, {0: "60.00"})
    club.hear(first, on("2026-03-02"))
    club.hear(first, on("2026-03-02"))
    assert Bucket.objects.get(member=member, metric="spend").amount == Decimal("40.00")
    assert Total.objects.get(member=member, metric="orders").quantity == 1
    club.hear(club.refunded(order, {0: "60.00"}), on("2026-03-03"))
    assert Bucket.objects.get(member=member, metric="spend").amount == 0
    assert Total.objects.get(member=member, metric="orders").quantity == 0
    assert Total.objects.get(member=member, metric="buy_days").quantity == 0
    club.hear(club.refunded(order, {0: "1.00"}), on("2026-03-04"))
    assert Bucket.objects.get(member=member, metric="spend").amount == 0


def test_a_refund_of_what_never_counted_is_written_down_and_changes_nothing():
    club = Club(at_least("spend", "life", "100.00"), exclude=[{"reason": "gift_cards", "category": "gift_card"}])
    member = club.join()
    order = club.buy(member, ("50.00", "gift_card"), "100.00", paid=on("2026-03-01"))
    club.hear(club.refunded(order, {0: "50.00"}), on("2026-03-02"))
    assert rank(member) == 1
    assert Activity.objects.get(source_ref__startswith="refund:").invalid_reason == "gift_cards"


def test_every_order_of_the_news_ends_in_the_same_sums_and_tier():
    ends = set()
    club = Club(at_least("spend", "life", "100.00"), at_least("orders", "life", 2))
    for sequence in permutations(range(5)):
        member = club.join()
        a, b = make_line("120.00"), make_line("30.00")
        first = club.delivered(member.user_id, a, paid=on("2026-03-01"), order=10**9 + member.pk)
        second = club.delivered(member.user_id, b, paid=on("2026-03-01"), order=first.order_id)
        other = club.delivered(member.user_id, "5.00", paid=on("2026-03-02"))
        whole = club.refunded(first, ref=f"whole{member.pk}")
        part = club.refunded(second, {0: "10.00"}, ref=f"part{member.pk}")
        news = [first, second, other, whole, part]
        for index in sequence:
            club.hear(news[index], on("2026-03-05"))
            club.hear(news[index], on("2026-03-05"))
        sums = Bucket.objects.filter(member=member).values_list("day", "metric", "amount", "quantity").order_by("pk")
        totals = Total.objects.filter(member=member).values_list("metric", "amount", "quantity").order_by("pk")
        ends.add((rank(member), *sums, *totals))
    assert len(ends) == 1
    assert ends.pop()[0] == 2


def test_random_histories_fold_to_the_same_state_in_any_order():
    """Heard at once and in order, or all at the end and shuffled: the same tier and the same figures."""
    random = Random(20261122)
    conditions = [
        at_least("spend", "life", "50.00"),
        {"any": [at_least("spend", "7d", "80.00"), at_least("orders", "3d", 4)]},
        {"all": [at_least("spend", "14d", "150.00"), at_least("buy_days", "14d", 4)]},
    ]
    for _ in range(12):
        histories = []
        plan = [
            (random.randint(0, 40), f"{random.randint(1, 60)}.00", random.random() < 0.25, random.randint(0, 10))
            for _ in range(random.randint(3, 12))
        ]
        for variant in range(2):
            club = Club(*conditions)
            member = club.join()
            news = []
            for day, amount, refunds, wait in plan:
                paid = on("2026-03-01") + timedelta(days=day)
                order = club.delivered(member.user_id, amount, paid=paid)
                news.append((paid, order))
                if refunds:
                    news.append((paid + timedelta(days=wait, seconds=1), club.refunded(order)))
            news.sort(key=lambda item: item[0])
            end = on("2026-05-01")
            if variant == 0:
                for heard, told in news:
                    club.hear(told, heard)
                evaluate_member(member_id=member.pk, at=end)
            else:
                random.shuffle(news)
                for _, told in news:
                    club.hear(told, end)
            member.refresh_from_db()
            sums = Bucket.objects.filter(member=member, quantity__gt=0) | Bucket.objects.filter(
                member=member, amount__gt=0
            )
            histories.append(
                (
                    member.rank,
                    member.evaluation,
                    list(sums.values_list("day", "metric", "amount", "quantity").order_by("day", "metric")),
                )
            )
        assert histories[0] == histories[1]


def test_rules_of_the_day_decide_for_late_news():
    club = Club(at_least("spend", "life", "100.00"))
    member = club.join()
    club.publish(at_least("spend", "life", "500.00"), at=on("2026-04-01"), policy="keep_if_held")
    club.buy(member, "100.00", paid=on("2026-03-15"), heard=on("2026-04-10"))
    assert rank(member) == 1
    assert member.decisions.get(cause="enter").version_id == club.version.pk
    assert spend_value(member) == "100.00"
    assert member.evaluation["tiers"][0]["enter"]["v"] == "500.00"
    other = club.join()
    club.buy(other, "100.00", paid=on("2026-04-05"))
    assert rank(other) == 0


def test_a_window_is_one_range_of_the_primary_key_whatever_the_history():
    club = Club(at_least("spend", "30d", "1000000.00"), at_least("orders", "life", 100000))
    member = club.join()
    old = [
        Activity(
            source_ref=f"old:{number}",
            member=member,
            metric="spend",
            occurred_at=on("2026-03-01") - timedelta(days=number),
            recorded_at=OPENING,
            amount=1,
            category="game_card",
        )
        for number in range(1, 1001)
    ]
    append(member, old)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        club.buy(member, "1.00", paid=on("2026-03-02"))
    [read] = [query["sql"] for query in queries if "FROM membership_bucket" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + read)
        plan = cursor.fetchone()[0]
    assert "membership_bucket_pkey" in str(plan)
    assert plan[0]["Plan"]["Actual Rows"] <= 35
    assert len(queries) <= 40


def test_the_member_row_is_locked_before_anything_is_counted():
    club = Club(*EACH_500)
    member = club.join()
    order = club.delivered(member.user_id, "10.00", paid=on("2026-03-01"))
    with CaptureQueriesContext(connection) as queries:
        club.hear(order, on("2026-03-01"))
    statements = [query["sql"] for query in queries]
    locked = next(i for i, sql in enumerate(statements) if "membership_membertier" in sql and "FOR UPDATE" in sql)
    claimed = next(i for i, sql in enumerate(statements) if "membership_activityseen" in sql)
    assert locked < claimed


def test_the_books_of_a_member_add_up():
    """Buckets and totals are the ledger's sums."""
    club = Club(*EACH_500)
    member = club.join()
    orders = [club.buy(member, "10.00", ("5.50", "video"), paid=on("2026-03-01") + timedelta(days=n)) for n in range(3)]
    club.hear(club.refunded(orders[1], {0: "4.00"}), on("2026-03-10"))
    club.hear(club.refunded(orders[2]), on("2026-03-10"))
    ledger = {}
    for row in Activity.objects.filter(member=member, valid=True):
        key = (day_of(row.occurred_at), row.category)
        ledger[key] = ledger.get(key, 0) + row.amount
    spend = Bucket.objects.filter(member=member, metric="spend")
    kept = {(row.day, row.category): row.amount for row in spend}
    assert ledger == kept
    spent = sum(row.amount for row in Total.objects.filter(member=member, metric="spend"))
    assert spent == sum(kept.values())
    assert Total.objects.get(member=member, metric="orders").quantity == 2
    assert Total.objects.get(member=member, metric="buy_days").quantity == 2


def test_refund_of_an_unknown_member_is_not_lost():
    club = Club(*EACH_500)
    user = Club(*EACH_500).join().user
    order = club.delivered(user, "10.00", paid=on("2026-03-01"))
    refund = club.refunded(order)
    assert isinstance(refund, OrderRefunded)
    assert club.hear(refund, on("2026-03-01")) is None
    assert Activity.objects.get(member__user=user, valid=False).invalid_reason == "not_counted"
    with clock.travel(on("2026-03-02")):
        assert TierDecision.objects.filter(member__user=user, member__program=club.program).count() == 1


def test_of_the_lines_of_an_order_the_one_that_reached_the_tier_is_named():
    """Not the last line, nor what points paid, which never counts."""
    club = Club(at_least("spend", "life", "100.00"))
    member = club.join()
    lines = [make_line("100.00"), make_line("1.00"), make_line("5.00", points_paid="4.00")]
    club.buy(member, *lines, paid=on("2026-03-01"))
    assert member.decisions.latest("id").activity_ref == f"line:{lines[0].id}:spend"
    # The same of news that comes late.
    late = club.join()
    club.buy(late, "1.00", paid=on("2026-03-05"))
    lines = [make_line("100.00"), make_line("1.00"), make_line("5.00", points_paid="4.00")]
    club.buy(late, *lines, paid=on("2026-03-01"), heard=on("2026-03-06"))
    assert late.decisions.latest("id").activity_ref == f"line:{lines[0].id}:spend"


def test_whoever_falls_over_several_tiers_is_told_of_each():
    club = Club(*(at_least("spend", "life", f"{number}00.00") for number in (1, 2, 3)))
    member = club.join()
    order = club.buy(member, "300.00", paid=on("2026-03-01"))
    club.hear(club.refunded(order, {0: "250.00"}), on("2026-03-02"))
    [told] = decision_texts([member.decisions.latest("id")])
    assert (told.from_rank, told.to_rank) == (3, 0)
    assert [amount for amount in ("¥300.00", "¥200.00", "¥100.00") if any(amount in one for one in told.reasons)] == [
        "¥300.00", "¥200.00", "¥100.00",
    ]  # fmt: skip


@pytest.mark.parametrize(("policy", "until"), [("keep_if_held", None), ("grandfather_until", on("2026-06-01").date())])
def test_protecting_rules_take_nothing_that_the_rules_in_force_leave(policy, until):
    """The older version asks for twice as much; whoever meets the newer one is neither warned nor sent down and up again."""

    def rules(amount: str) -> dict:
        return {"enter": at_least("spend", "30d", amount), "min_stay_days": 0, "grace_days": 3}

    club = Club(rules("1000.00"))
    member = club.join()
    club.buy(member, "400.00", paid=on("2026-03-01"))
    club.buy(member, "600.00", paid=on("2026-03-20"))
    club.publish(rules("500.00"), at=on("2026-03-25"), policy=policy, policy_until=until)
    for day in range(25):
        with clock.travel(on("2026-03-25", "13:00") + timedelta(days=day)):
            recalculate(everyone=False)
    assert (rank(member), causes(member)) == (1, ["default", "enter"])
    with clock.travel(on("2026-04-19", "13:00")):
        recalculate(everyone=False)
    assert causes(member) == ["default", "enter", "warn"]
