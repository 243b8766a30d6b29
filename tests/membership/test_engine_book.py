"""Figures from sums by day, without a database."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.engine.book import Book, Snapshot, days_needed, next_change
from membership.rules.catalogue import Window
from membership.rules.parse import parse_rules

TODAY = date(2026, 11, 22)  # a Sunday


def rules_of(*leaves, **extra):
    enter = {"any": [{"op": ">=", **leaf} for leaf in leaves]}
    return parse_rules({"tiers": [{"rank": 0, "name": "a"}, {"rank": 1, "name": "b", "enter": enter}], **extra})


RULES = rules_of(
    {"m": "spend", "win": "30d", "v": "100.00", "w": "w"},
    {"m": "spend", "win": "7d", "v": "100.00"},
    {"m": "orders", "win": "90d", "v": 5},
    {"m": "streak", "v": 10},
    {"m": "buy_days", "win": "life", "v": 5},
    weights={"w": {"default": "1", "game_card": "1.5"}},
)


def book_of(*entries):
    book = Book()
    for days_ago, metric, category, amount, quantity in entries:
        day = TODAY - timedelta(days=days_ago)
        before = book.get(metric, day, category)
        book.put(metric, day, category, before.amount + Decimal(amount), before.quantity + quantity)
    return book


def value(book, metric, window, weights=None, today=TODAY):
    return Snapshot(book, RULES, today).value(metric, Window.parse(window), weights)


def test_windows_include_today_and_their_first_day():
    book = book_of((0, "spend", "a", "1", 0), (29, "spend", "a", "2", 0), (30, "spend", "a", "4", 0))
    assert value(book, "spend", "30d") == 3
    assert value(book, "spend", "31d") == 7
    assert value(book, "spend", "1d") == 1
    assert value(book, "spend", "life") == 7


def test_weights_apply_when_read_and_round_once():
    book = book_of((0, "spend", "game_card", "0.33", 0), (1, "spend", "video", "0.01", 0))
    assert value(book, "spend", "30d", "w") == Decimal("0.51")
    assert value(book, "spend", "30d") == Decimal("0.34")


def test_windows_of_a_past_day_do_not_see_what_came_after():
    book = book_of((0, "orders", "", "0", 5), (10, "orders", "", "0", 2))
    then = TODAY - timedelta(days=5)
    assert value(book, "orders", "30d", today=then) == 2
    assert value(book, "buy_days", "30d", today=then) == 1


def test_totals_follow_the_days():
    book = book_of((0, "orders", "", "0", 5), (10, "orders", "", "0", 2))
    assert (value(book, "orders", "life"), value(book, "buy_days", "life")) == (7, 2)
    book.put("orders", TODAY, "", Decimal(0), 0)
    assert (value(book, "orders", "life"), value(book, "buy_days", "life")) == (2, 1)
    book.put("orders", TODAY - timedelta(days=10), "", Decimal(0), 0)
    assert (value(book, "buy_days", "life"), book.first_days) == (0, {})


def test_a_dispute_rate_needs_orders_and_the_whole_window():
    book = book_of((40, "orders", "", "0", 4), (1, "disputes_upheld", "", "0", 1))
    assert value(book, "dispute_rate", "90d") is None  # the first order is younger than the window
    assert value(book, "dispute_rate", "30d") is None  # no order within it
    assert value(book, "dispute_rate", "41d") == Decimal("0.25")
    assert value(Book(), "dispute_rate", "1d") is None


def test_states_are_what_was_last_said():
    book = Book()
    assert (value(book, "realname", "now"), value(book, "credit", "now")) == (None, None)
    book.put("realname", TODAY, "", Decimal(1), 0)
    book.put("credit", TODAY - timedelta(days=5), "", Decimal(1), 80)
    book.put("credit", TODAY - timedelta(days=9), "", Decimal(1), 60)
    assert (value(book, "realname", "now"), value(book, "credit", "now")) == (False, 80)
    book.put("credit", TODAY - timedelta(days=5), "", Decimal(0), 0)
    assert value(book, "credit", "now") == 60


def test_good_reviews_by_all_that_were_rated():
    book = book_of((3, "rated", "", "0", 4), (3, "positive", "", "0", 3), (50, "rated", "", "0", 9))
    assert value(book, "positive_rate", "30d") == Decimal("0.75")
    assert value(book, "positive_rate", "2d") is None


@pytest.mark.parametrize(
    ("days", "length"), [([0, 1, 2], 3), ([1, 2], 2), ([2, 3], 0), ([0, 2, 3], 1), ([], 0), ([0], 1), ([0, 1, 3], 2)]
)
def test_streaks_end_today_or_yesterday(days, length):
    assert value(book_of(*((day, "orders", "", "0", 1) for day in days)), "streak", "now") == length


def test_a_day_whose_orders_were_taken_back_is_no_order_day():
    book = book_of((0, "orders", "", "0", 1), (1, "orders", "", "0", 0), (2, "orders", "", "0", 1))
    assert value(book, "streak", "now") == 1
    assert value(book, "buy_days", "30d") == 2


def test_what_nobody_records_is_unknown():
    assert value(Book(), "credit", "now") is None


def test_no_more_is_read_than_the_longest_window():
    assert days_needed(RULES, TODAY) == TODAY - timedelta(days=89)
    assert days_needed(rules_of({"m": "spend", "win": "life", "v": "1"}), TODAY) == TODAY
    assert days_needed(rules_of({"m": "streak", "v": 30}), TODAY) == TODAY - timedelta(days=31)


def test_life_changes_nothing_with_time():
    rules = rules_of({"m": "spend", "win": "life", "v": "1"})
    assert next_change(rules, book_of((5, "spend", "a", "1", 0)), TODAY) is None
    assert next_change(RULES, Book(), TODAY) is None


entries = st.lists(
    st.tuples(st.integers(0, 100), st.sampled_from(["spend", "orders"]), st.just("game_card"), st.just("1"), st.just(1)),
    max_size=8,
)  # fmt: skip


@given(entries)
def test_the_next_change_is_the_first_day_on_which_a_value_differs(found):
    book = book_of(*found)
    # Amounts count for spend, quantities for orders; a day is there once.
    change = next_change(RULES, book, TODAY)

    def values(day):
        snapshot = Snapshot(book, RULES, day)
        return [snapshot.value(leaf.m, leaf.win, leaf.w) for leaf in RULES.leaves()]

    today = values(TODAY)
    day = TODAY + timedelta(days=1)
    while day < (change or TODAY + timedelta(days=120)):
        assert values(day) == today
        day += timedelta(days=1)
    if change is not None:
        assert values(change) != today
