"""Who may see an order, what it shows in each state, and what can be done with it."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.test import Client
from django.utils.timezone import localtime

from catalog.models import Key, Product
from common import clock
from events.services import relay
from orders.models import DeliveryRules, Order
from orders.selectors import link_token, order_secret
from orders.services import deliver_by_hand, expire_due, receive_payment, refund
from tests.people import Visitor
from wallet.selectors import balance_of

DEVICE = "d" * 22


def pay(order: Order) -> Order:
    with transaction.atomic():
        receive_payment(order_id=order.pk, amount=order.total, channel="epay", ref=f"t:{order.pk}", at=clock.now())
    order.refresh_from_db()
    return order


@pytest.fixture
def guest_order(shelf) -> Order:
    sku = shelf.sku("10.00")
    shelf.stock(sku, 2)
    return shelf.buy(None, (sku, 2), buyer={"contact": "g@example.com", "device": DEVICE})


@pytest.fixture
def own_device(guest) -> Visitor:
    guest.client.cookies["device"] = DEVICE
    return guest


def path(order: Order, rest: str = "") -> str:
    return f"/orders/{order.public_id}/{rest}"


def test_only_the_buyer_opens_a_members_order(as_member, guest, alice, charlie, shelf):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True, buyer={"device": DEVICE})
    assert as_member(alice).get(path(order)).status_code == 200
    guest.client.cookies["device"] = DEVICE
    for stranger in (as_member(charlie), guest):
        for rest in ("", "status/", "keys.txt", "keys.csv"):
            assert stranger.get(path(order, rest)).status_code == 404
        for rest in ("pay/", "cancel/"):
            assert stranger.client.post(path(order, rest), {"pay": "wallet"}).status_code == 404


def test_a_guests_order_opens_on_its_device_only(own_device, guest_order):
    assert own_device.get(path(guest_order)).status_code == 200
    assert Client().get(path(guest_order)).status_code == 404


def test_an_order_that_is_not_there_looks_like_one_that_is_not_yours(guest):
    assert guest.get("/orders/" + "x" * 22 + "/").status_code == 404


def test_a_signed_link_opens_the_order_and_leaves_the_address(guest, guest_order):
    answer = guest.get(path(guest_order) + f"?key={link_token(guest_order)}")
    assert (answer.status_code, answer["Location"]) == (302, path(guest_order))
    assert guest.get(path(guest_order)).status_code == 200
    assert Client().get(path(guest_order) + "?key=forged").status_code == 404


def test_a_guest_finds_the_order_by_contact_and_secret(guest, guest_order):
    typed = {"contact": " g@example.com ", "secret": order_secret(guest_order).lower()}
    answer = guest.client.post("/orders/find/", typed)
    assert answer["Location"] == path(guest_order)
    assert guest.get(path(guest_order)).status_code == 200


def test_wrong_contact_and_wrong_secret_look_alike(guest, guest_order):
    secret = order_secret(guest_order)
    answers = [
        guest.client.post("/orders/find/", {"contact": contact, "secret": word}).content.decode()
        for contact, word in [("other@example.com", secret), ("g@example.com", "2" * 10)]
    ]
    cut = [re.sub(r'value="[^"]*"', "", html) for html in answers]
    assert cut[0] == cut[1]
    assert "没有找到订单" in answers[0]


def test_guessing_is_slowed_down(guest, guest_order):
    for _ in range(10):
        assert guest.client.post("/orders/find/", {"contact": "g@example.com", "secret": "2" * 10}).status_code == 200
    right = {"contact": "g@example.com", "secret": order_secret(guest_order)}
    assert guest.client.post("/orders/find/", right).status_code == 429


def test_an_unpaid_order_counts_down_and_can_be_paid_or_cancelled(as_member, alice, shelf):
    order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1))
    browser = as_member(alice)
    html = browser.see(path(order))
    assert "等待付款" in html
    assert re.search(r'data-seconds="(8\d\d|900)"', html)
    html = browser.client.post(path(order, "pay/"), {"pay": "wallet"}, follow=True).content.decode()
    assert "已发货" in html
    assert balance_of(alice) == Decimal("990.00")
    html = browser.client.post(path(order, "cancel/"), follow=True).content.decode()
    assert "订单当前状态不允许此操作" in html


def test_cancelling_gives_the_stock_back(as_member, alice, shelf):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1))
    html = as_member(alice).client.post(path(order, "cancel/"), follow=True).content.decode()
    assert "订单已取消" in html
    assert Key.objects.get().state == Key.State.AVAILABLE


def test_an_expired_order_says_what_happens_to_late_money(as_member, alice, shelf):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1))
    with clock.travel(order.pay_deadline + timedelta(seconds=1)):
        expire_due()
    html = as_member(alice).see(path(order))
    assert "订单已过期" in html
    assert "到账后会照常发货或退款" in html
    assert f'href="/p/{order.lines.get().product.slug}/"' in html


def test_paying_needs_a_method_and_money(as_member, make_member, shelf):
    poor = make_member("poor", balance="1.00")
    order = shelf.buy(poor, (shelf.sku("10.00", keys=1), 1))
    browser = as_member(poor)
    for method, word in [("wallet", "余额不足"), ("", "支付方式现在不可用"), ("nonsense", "支付方式现在不可用")]:
        assert word in browser.client.post(path(order, "pay/"), {"pay": method}, follow=True).content.decode()
    order.refresh_from_db()
    assert order.state == Order.State.UNPAID


def test_a_paid_guest_reads_keys_and_the_secret_of_the_order(own_device, guest_order):
    before = own_device.get(path(guest_order, "status/")).json()["state"]
    pay(guest_order)
    assert own_device.get(path(guest_order, "status/")).json()["state"] != before
    html = own_device.see(path(guest_order))
    assert len(re.findall("TEST-[0-9A-F]{16}", html)) == 2
    assert order_secret(guest_order) in html
    assert "复制全部" in html


def test_keys_are_not_on_the_page_before_payment(own_device, guest_order):
    assert "TEST-" not in own_device.see(path(guest_order))
    assert own_device.get(path(guest_order, "keys.txt")).content.decode("utf-8-sig").strip() == ""


def test_download_holds_every_key_exactly(own_device, guest_order):
    pay(guest_order)
    text = own_device.get(path(guest_order, "keys.txt"))
    assert text["Content-Disposition"] == f'attachment; filename="{guest_order.number}.txt"'
    keys = text.content.decode("utf-8-sig").split()
    assert len(keys) == 2
    table = own_device.get(path(guest_order, "keys.csv")).content.decode("utf-8-sig").splitlines()
    assert table[1:] == [f"{guest_order.number},{key}" for key in keys]


def test_a_spreadsheet_runs_no_formula_from_a_delivery(as_member, alice, olga, shelf):
    order = shelf.buy(alice, (shelf.sku(kind=Product.Kind.MANUAL), 1), from_wallet=True)
    deliver_by_hand(line_id=order.lines.get().pk, text='=HYPERLINK("http://evil.example")', actor=olga)
    browser = as_member(alice)
    assert ",\"'=HYPERLINK" in browser.get(path(order, "keys.csv")).content.decode()
    assert browser.get(path(order, "keys.txt")).content.decode("utf-8-sig").startswith("=HYPERLINK")


def test_many_keys_are_turned_in_pages_and_none_is_lost(as_member, alice, shelf):
    sku = shelf.sku("0.10", keys=230)
    order = shelf.buy(alice, (sku, 230), from_wallet=True)
    browser = as_member(alice)
    seen = []
    for number, count in [(1, 100), (2, 100), (3, 30)]:
        found = re.findall("TEST-[0-9A-F]{16}", browser.see(path(order) + f"?page={number}"))
        assert len(found) == count
        seen += found
    assert len(set(seen)) == 230
    assert len(browser.get(path(order, "keys.txt")).content.split()) == 230


def test_goods_by_hand_wait_visibly_and_arrive(as_member, alice, olga, shelf):
    order = shelf.buy(alice, (shelf.sku(kind=Product.Kind.MANUAL), 1), from_wallet=True)
    browser = as_member(alice)
    html = browser.see(path(order))
    assert "客服正在处理" in html
    assert "<poll-status" in html
    deliver_by_hand(line_id=order.lines.get().pk, text="已充值，流水 123", actor=olga)
    html = browser.see(path(order))
    assert "已充值，流水 123" in html
    assert "<poll-status" not in html


def test_a_short_line_says_when_it_is_refunded(as_member, alice, shelf):
    DeliveryRules.objects.update(short_refund_hours=5)
    order = shelf.buy(alice, (shelf.sku(keys=2), 2))
    lost = Key.objects.filter(line_id=order.lines.get().pk)[:1].get()
    Key.objects.filter(pk=lost.pk).update(state="void", line_id=None)
    pay(order)
    until = localtime(order.paid_at + timedelta(hours=5))
    page = as_member(alice).get(path(order)).content.decode()
    assert f"已发 1 / 2 件，其余补到货立即发；{until:%m-%d %H:%M} 还没补齐就自动退款" in page


def test_a_refund_is_shown(as_member, alice, olga, shelf):
    order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
    refund(order_id=order.pk, amounts={order.lines.get().pk: Decimal("10.00")}, ref="r1", reason="坏卡", actor=olga)
    html = as_member(alice).see(path(order))
    assert "已退款" in html
    assert "款项已退回账户余额" in html


def test_a_guest_sees_what_is_owed(own_device, guest_order, olga):
    pay(guest_order)
    line = guest_order.lines.get()
    refund(order_id=guest_order.pk, amounts={line.pk: Decimal("5.00")}, ref="r2", reason="坏卡", actor=olga)
    assert "有 ¥5.00 要退给你" in own_device.see(path(guest_order))


def test_the_list_is_the_members_own_and_turns_by_state(as_member, alice, bob, shelf):
    mine = shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    unpaid = shelf.buy(alice, (shelf.sku(keys=1), 1))
    other = shelf.buy(bob, (shelf.sku(keys=1), 1))
    browser = as_member(alice)
    html = browser.see("/orders/")
    assert mine.public_id in html
    assert unpaid.public_id in html
    assert other.public_id not in html
    html = browser.see("/orders/?state=unpaid")
    assert unpaid.public_id in html
    assert mine.public_id not in html
    assert "这里还没有订单" in browser.see("/orders/?state=closed")
    browser.see("/orders/?state=nonsense")


def test_a_guest_sees_the_orders_of_this_device(own_device, guest_order):
    assert guest_order.public_id in own_device.see("/orders/")
    assert "这台设备上还没有订单" in Visitor(Client()).see("/orders/")


def test_the_list_needs_few_queries(as_member, alice, shelf, django_assert_max_num_queries):
    for _ in range(5):
        shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    browser = as_member(alice)
    browser.see("/orders/")
    with django_assert_max_num_queries(12):
        browser.see("/orders/")


def test_an_order_needs_few_queries(as_member, alice, shelf, django_assert_max_num_queries):
    order = shelf.buy(alice, *[(shelf.sku(keys=1), 1) for _ in range(5)], from_wallet=True)
    browser = as_member(alice)
    relay()
    browser.see(path(order))
    with django_assert_max_num_queries(19):
        browser.see(path(order))
