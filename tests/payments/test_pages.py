"""The payment page and the top-up, as people meet them."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from common import clock
from orders.services import cancel, pay_from_wallet
from payments.models import PaymentAttempt, TopUp
from payments.services import close_due_top_ups
from tests.payments.conftest import DESKTOP, PHONE, WECHAT
from tests.shelf import books
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db
State = PaymentAttempt.State


def page(attempt: PaymentAttempt, agent: str = DESKTOP) -> str:
    reply = Client(HTTP_USER_AGENT=agent).get(f"/pay/{attempt.public_id}/")
    assert reply.status_code == 200
    assert reply["Cache-Control"] == "no-store, private"
    return reply.content.decode()


def test_a_desktop_sees_a_code_the_amount_and_the_time_left(attempt):
    html = page(attempt)
    assert "¥10.00" in html
    assert 'src="data:image/png;base64,' in html
    assert "支付宝扫一扫" in html
    seconds = int(re.search(r'count-down data-seconds="(\d+)"', html)[1])
    assert 890 <= seconds <= 900
    assert "我已支付" in html


def test_a_phone_gets_a_link(till, channel, order):
    attempt = till.start(order, channel, agent=PHONE)
    assert f'href="{attempt.payload}"' in page(attempt, PHONE)
    assert "打开支付宝付款" in page(attempt, PHONE)


def test_wechats_own_code_is_no_link_in_a_browser(attempt):
    PaymentAttempt.objects.update(method="wxpay", payload="weixin://wxpay/bizpayurl?pr=1")
    attempt.refresh_from_db()
    for agent, hint in ((DESKTOP, "微信支付扫一扫"), (PHONE, "从相册选取"), (WECHAT, "长按二维码")):
        html = page(attempt, agent)
        assert hint in html
        assert 'href="weixin' not in html


def test_a_code_is_never_a_link_to_something_that_runs(attempt):
    PaymentAttempt.objects.update(payload="javascript:alert(1)")
    assert "javascript:" not in page(attempt, PHONE)


def test_page_mode_posts_a_form_to_the_gateway_and_the_policy_lets_it(till, order, client):
    attempt = till.start(order, till.channel(settings={"mode": "page"}))
    reply = client.get(f"/pay/{attempt.public_id}/")
    html = reply.content.decode()
    assert f'action="{till.sandbox.url}/submit.php"' in html
    assert f'name="out_trade_no" value="{attempt.number}"' in html
    policy = reply["Content-Security-Policy"]
    form_action = re.search(r"form-action ([^;]*)", policy)[1].split()
    assert {"'self'", till.sandbox.url, "https:"} <= set(form_action)
    assert (
        "https:" not in re.search(r"form-action ([^;]*)", client.get("/account/login/")["Content-Security-Policy"])[1]
    )


def test_nobody_elses_page_and_no_guessing(client, attempt):
    for public_id in ("x" * 22, attempt.number, str(attempt.pk), attempt.order.public_id):
        assert client.get(f"/pay/{public_id}/").status_code == 404
        assert client.get(f"/pay/{public_id}/status/").status_code == 404


def test_the_page_tells_nothing_of_the_buyer(till, channel, shelf):
    order = shelf.buy(None, (shelf.sku(keys=1), 1))
    html = page(till.start(order, channel))
    assert order.contact not in html
    assert order.number not in html


def test_the_page_moves_on_by_itself(till, attempt, client):
    def state() -> dict:
        return client.get(f"/pay/{attempt.public_id}/status/").json()

    before = state()
    assert f'data-state="{before["state"]}"' in page(attempt)
    till.pay(attempt)
    after = state()
    assert after["state"] != before["state"]
    assert after["next"] == f"/orders/{attempt.order.public_id}/"
    reply = client.get(f"/pay/{attempt.public_id}/")
    assert (reply.status_code, reply["Location"]) == (302, after["next"])


def test_i_have_paid(till, attempt, client):
    early = client.post(f"/pay/{attempt.public_id}/recheck/", follow=True)
    assert "还没有收到这笔付款" in early.content.decode()
    till.sandbox.act(attempt.number, "pay_silently")
    with clock.travel(clock.now() + timedelta(seconds=4)):
        paid = client.post(f"/pay/{attempt.public_id}/recheck/")
    assert paid["Location"] == f"/orders/{attempt.order.public_id}/"


def test_the_return_address_pays_nothing_whatever_it_says(till, attempt, client):
    """48: the browser brings back a genuine, signed success of a payment that never happened."""
    reply = client.get(f"/pay/return/{attempt.public_id}", till.fields(attempt))
    assert (reply.status_code, reply["Location"]) == (302, f"/pay/{attempt.public_id}/")
    attempt.refresh_from_db()
    attempt.order.refresh_from_db()
    assert (attempt.state, attempt.order.state) == (State.PENDING, "unpaid")


def test_switching_the_method_on_the_page(till, attempt, client):
    html = page(attempt)
    wechat = f"{attempt.channel.code}:wxpay"
    assert f'value="{wechat}"' in html
    assert f'value="{attempt.channel.code}:alipay"' not in html
    reply = client.post(f"/pay/{attempt.public_id}/switch/", {"pay": wechat})
    other = PaymentAttempt.objects.get(method="wxpay")
    assert reply["Location"] == f"/pay/{other.public_id}/"
    assert "不可用" in page(attempt)
    for nonsense in ("", "x:y", f"{attempt.channel.code}:cash"):
        reply = client.post(f"/pay/{attempt.public_id}/switch/", {"pay": nonsense}, follow=True)
        assert "请选择支付方式" in reply.content.decode()


def test_a_silent_gateway_offers_another_try(till, attempt, client):
    PaymentAttempt.objects.update(state=State.UNKNOWN, show="", payload="")
    html = page(attempt)
    assert "没有响应" in html
    till.sandbox.fault("mapi", "status500")
    reply = client.post(f"/pay/{attempt.public_id}/switch/", {"pay": f"{attempt.channel.code}:alipay"}, follow=True)
    assert "没有响应" in reply.content.decode()
    client.post(f"/pay/{attempt.public_id}/switch/", {"pay": f"{attempt.channel.code}:alipay"})
    attempt.refresh_from_db()
    assert attempt.state == State.PENDING


def test_closed_and_late(attempt, alice, client):
    with clock.travel(attempt.expires_at):
        assert "已过付款时间" in page(attempt)
        assert client.get(f"/pay/{attempt.public_id}/status/").json()["state"].startswith("closed")
    cancel(order_id=attempt.order_id, actor=alice)
    html = page(attempt)
    assert "已过付款时间" in html
    assert "data:image/png" not in html


def test_paid_another_way(attempt, alice, client):
    pay_from_wallet(order_id=attempt.order_id, user=alice)
    assert client.get(f"/pay/{attempt.public_id}/").status_code == 302


def test_buttons_need_a_post_and_a_token(attempt):
    strict = Client(enforce_csrf_checks=True)
    for act in ("recheck", "switch"):
        assert strict.get(f"/pay/{attempt.public_id}/{act}/").status_code == 405
        assert strict.post(f"/pay/{attempt.public_id}/{act}/").status_code == 403


class TestTopUp:
    @pytest.fixture
    def charlie_at_the_till(self, charlie, client, channel):
        client.force_login(charlie)
        return client

    def ask(self, client, **fields) -> TopUp:
        reply = client.post("/wallet/topup/", {"preset": "50", "method": "alipay", "token": "t1", **fields})
        assert reply.status_code == 302, reply.content.decode()
        return PaymentAttempt.objects.get(public_id=reply["Location"].split("/")[2]).top_up

    def test_from_amount_to_balance(self, till, charlie, charlie_at_the_till):
        html = charlie_at_the_till.get("/wallet/topup/").content.decode()
        assert "支付宝" in html
        assert "¥0.00" in html
        top_up = self.ask(charlie_at_the_till)
        attempt = top_up.attempts.get()
        assert till.sandbox.order(attempt.number)["name"] == "余额充值"
        assert till.pay(attempt) == "success"
        assert balance_of(charlie) == Decimal("50.00")
        done = charlie_at_the_till.get(f"/pay/{attempt.public_id}/", follow=True)
        assert "充值成功" in done.content.decode()
        assert "¥50.00" in done.content.decode()
        assert books() == {}

    def test_a_double_click_is_one_top_up(self, charlie_at_the_till):
        assert self.ask(charlie_at_the_till) == self.ask(charlie_at_the_till)
        assert PaymentAttempt.objects.count() == 1

    def test_a_typed_amount_wins(self, charlie_at_the_till):
        assert self.ask(charlie_at_the_till, amount="33.5").amount == Decimal("33.50")

    @pytest.mark.parametrize(
        "amount", ["0", "0.99", "50000.01", "-5", "NaN", "１００", "1e3", "1_000", "abc", "10.001"]
    )
    def test_amounts_that_are_none(self, charlie_at_the_till, amount):
        reply = charlie_at_the_till.post("/wallet/topup/", {"amount": amount, "method": "alipay", "token": "t1"})
        assert reply.status_code == 200
        assert re.search("请输入正确的金额|充值金额须在", reply.content.decode())
        assert not TopUp.objects.exists()

    def test_a_method_that_does_not_take_the_amount(self, charlie_at_the_till, channel):
        channel.max_amount = 100
        channel.save()
        reply = charlie_at_the_till.post("/wallet/topup/", {"amount": "101", "method": "alipay", "token": "t1"})
        assert "不支持该金额" in reply.content.decode()
        assert not TopUp.objects.exists()

    def test_no_method_at_all(self, charlie_at_the_till, channel):
        channel.is_active = False
        channel.save()
        assert "没有可用的支付方式" in charlie_at_the_till.get("/wallet/topup/").content.decode()

    def test_unpaid_ones_are_capped(self, charlie_at_the_till):
        for number in range(5):
            self.ask(charlie_at_the_till, token=f"t{number}")
        reply = charlie_at_the_till.post("/wallet/topup/", {"preset": "50", "method": "alipay", "token": "t9"})
        assert "待支付的充值太多" in reply.content.decode()
        assert TopUp.objects.count() == 5

    def test_strangers_do_not_see_it(self, charlie_at_the_till, alice):
        top_up = self.ask(charlie_at_the_till)
        stranger = Client()
        assert "/login/" in stranger.get(f"/wallet/topup/{top_up.public_id}/")["Location"]
        stranger.force_login(alice)
        assert stranger.get(f"/wallet/topup/{top_up.public_id}/").status_code == 404

    def test_a_late_one_still_counts(self, till, charlie, charlie_at_the_till):
        top_up = self.ask(charlie_at_the_till)
        with clock.travel(top_up.pay_deadline):
            assert close_due_top_ups() == 1
        html = charlie_at_the_till.get(f"/wallet/topup/{top_up.public_id}/", follow=True).content.decode()
        assert "充值未完成" in html
        assert till.pay(top_up.attempts.get()) == "success"
        assert balance_of(charlie) == Decimal("50.00")
        assert books() == {}

    def test_another_amount_and_twice(self, till, charlie, charlie_at_the_till):
        top_up = self.ask(charlie_at_the_till)
        first = top_up.attempts.get()
        second = till.start(top_up, first.channel, "wxpay")
        till.sandbox.act(first.number, "wrong_amount", money="20.00")
        assert till.send(first.channel, till.fields(first)) == "success"
        assert till.pay(second) == "success"
        assert balance_of(charlie) == Decimal("70.00")
        html = charlie_at_the_till.get(f"/wallet/topup/{top_up.public_id}/").content.decode()
        assert "¥70.00" in html
        assert "实际到账金额" in html
        assert books() == {}
