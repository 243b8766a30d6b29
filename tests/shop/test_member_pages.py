"""我的, 我的卡密, 余额: what a member keeps in the shop."""

import re

import pytest

from catalog.models import Product
from tests.shelf import books

KEY = "TEST-[0-9A-F]{16}"


@pytest.mark.parametrize("path", ["/wallet/", "/library/"])
def test_guests_are_sent_to_the_door(guest, path):
    assert guest.get(path)["Location"] == f"/account/login/?next={path}"


def test_the_account_page_greets_members_and_invites_guests(guest, as_member, alice):
    assert "登录后更省" in guest.see("/account/")
    html = as_member(alice).see("/account/")
    assert "¥1,000.00" in html
    assert 'href="/library/"' in html


def test_keys_are_masked_until_asked_for(as_member, alice, shelf):
    order = shelf.buy(alice, (shelf.sku(keys=2), 2), from_wallet=True)
    browser = as_member(alice)
    html = browser.see("/library/")
    assert html.count("****") == 2
    assert not re.search(KEY, html)
    answer = browser.client.post("/library/", {"line": order.lines.get().pk})
    assert len(re.findall(KEY, answer.content.decode())) == 2
    assert answer["Cache-Control"] == "no-store, private"


def test_nobody_opens_the_keys_of_another(as_member, alice, charlie, shelf):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    assert as_member(charlie).client.post("/library/", {"line": order.lines.get().pk}).status_code == 404
    assert "还没有卡密" in as_member(charlie).see("/library/")


def test_a_long_line_shows_its_first_keys_and_points_to_the_order(as_member, alice, shelf):
    order = shelf.buy(alice, (shelf.sku(keys=8), 8), from_wallet=True)
    browser = as_member(alice)
    html = browser.client.post("/library/", {"line": order.lines.get().pk}).content.decode()
    assert len(re.findall(KEY, html)) == 5
    assert "其余在订单里" in html


def test_the_library_is_searched_by_name(as_member, alice, shelf):
    sku = shelf.sku(keys=1)
    Product.objects.filter(pk=sku.product_id).update(name="腾讯点券")
    shelf.buy(alice, (sku, 1), from_wallet=True)
    shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    html = as_member(alice).see("/library/?q=腾讯")
    assert "腾讯点券" in html
    assert "测试商品" not in html
    assert "没有符合的卡密" in as_member(alice).see("/library/?q=无此")


def test_unpaid_orders_leave_nothing_in_the_library(as_member, alice, shelf):
    shelf.buy(alice, (shelf.sku(keys=1), 1))
    assert "还没有卡密" in as_member(alice).see("/library/")


def test_the_library_needs_few_queries(as_member, alice, shelf, django_assert_max_num_queries):
    for _ in range(6):
        shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    browser = as_member(alice)
    browser.see("/library/")
    with django_assert_max_num_queries(12):
        browser.see("/library/")


def test_the_library_is_exported_as_csv_a_few_times(as_member, alice, bob, shelf):
    order = shelf.buy(alice, (shelf.sku(keys=2), 2), from_wallet=True)
    shelf.buy(bob, (shelf.sku(keys=1), 1), from_wallet=True)
    browser = as_member(alice)
    answer = browser.get("/library/keys.csv")
    rows = answer.content.decode("utf-8-sig").splitlines()
    assert len(rows) == 3
    assert all(row.startswith(order.number) and re.search(KEY, row) for row in rows[1:])
    assert answer["Cache-Control"] == "no-store, private"
    for _ in range(4):
        assert browser.get("/library/keys.csv").status_code == 200
    assert "操作太频繁" in browser.see("/library/keys.csv")


def test_the_statement_lists_what_moved_the_balance(as_member, alice, shelf):
    order = shelf.buy(alice, (shelf.sku("12.50", keys=1), 1), from_wallet=True)
    html = as_member(alice).see("/wallet/")
    assert "−¥12.50" in html
    assert order.number in html
    assert "余额 ¥987.50" in html
    assert books() == {}


def test_an_empty_statement_says_what_a_balance_is_good_for(as_member, charlie):
    assert "还没有收支" in as_member(charlie).see("/wallet/")


def test_statements_of_others_stay_private(as_member, alice, charlie, shelf):
    order = shelf.buy(alice, (shelf.sku("12.50", keys=1), 1), from_wallet=True)
    html = as_member(charlie).see("/wallet/")
    assert order.number not in html
