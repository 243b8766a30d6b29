"""Refunds at the desk and on the buyer's page: which way, how much, what came of it."""

from decimal import Decimal

import pytest
from django.test import Client

from common.registries import timeline_of
from events.services import relay
from orders.models import Order, OrderRefund
from payments import services
from payments.models import PaymentAttempt, Refund
from payments.providers import Outcome, Refunded
from tests.desk import Act, at_desk, staff, text_of
from tests.payments.test_refunding import State, begun, fresh, gateway, give_back, paid  # noqa: F401
from tests.people import Visitor
from wallet.selectors import balance_of

# ruff: noqa: F811
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]
LIST, ATTEMPTS = "/admin/payments/refund/", "/admin/payments/paymentattempt/"


@pytest.fixture
def desk(olga):
    return at_desk(olga)


def act_on(client: Client, order: Order) -> Act:
    return Act(client, f"/admin/orders/order/{order.pk}/refund/")


class TestChoosingTheRoute:
    def test_the_preview_tells_route_and_amount_and_the_act_follows_it(self, paid, desk, alice):
        act = act_on(desk, paid)
        assert "原支付方式" in act.text
        act.fill(**{f"line_{paid.lines.get().pk}": "4.00", "route": "original", "reason": "买错"})
        page = " ".join(text_of(act.page).split())
        assert "原路退回 支付宝 · 沙箱 ¥4.00" in page
        assert "alice 的余额" not in page
        assert "正在原路退回" in act.confirm().done()
        refund = OrderRefund.objects.get()
        assert (refund.target, refund.amount, refund.state) == ("original", Decimal("4.00"), "pending")
        assert balance_of(alice) == Decimal("1000.00")

    def test_what_the_gateway_cannot_give_is_told_beside_it(self, paid, desk, olga):
        """Half of it was sent back by hand before."""
        give_back(paid, "5.00", to=None)
        attempt = fresh(paid).attempts.get()
        services.return_payment(attempt_id=attempt.pk, amount=Decimal("5"), reason="x", ref="s", actor=olga)
        PaymentAttempt.objects.filter(pk=attempt.pk).update(fee=Decimal("2.00"), amount=Decimal("10.00"))
        act = act_on(desk, paid)
        act.fill(**{f"line_{paid.lines.get().pk}": "5.00", "route": "original", "reason": "买错"})
        page = " ".join(text_of(act.page).split())
        assert "原路退回 支付宝 · 沙箱 ¥3.00" in page
        assert "alice 的余额" in page
        PaymentAttempt.objects.filter(pk=attempt.pk).update(fee=0)

    def test_the_shop_stays_the_first_choice(self, paid, desk, alice):
        act = act_on(desk, paid)
        act.fill(**{f"line_{paid.lines.get().pk}": "4.00", "route": "wallet", "reason": "买错"}).confirm().done()
        assert balance_of(alice) == Decimal("1004.00")

    def test_a_wallet_order_offers_no_other_way(self, shelf, alice, desk):
        order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
        act = act_on(desk, order)
        assert "原支付方式" not in act.text
        act.fill(**{f"line_{order.lines.get().pk}": "10.00", "reason": "x"}).confirm().done()
        assert balance_of(alice) == Decimal("1000.00")


class TestTheList:
    def test_it_filters_finds_exports_and_tells_the_history(self, paid, desk, gateway):
        gateway(told=[Refunded(outcome=Outcome.UNKNOWN, reason="ReadTimeout")])
        part = begun(paid)
        services.push_refund(refund_id=part.pk)
        for query, found in (
            ("", 1),
            ("?state__exact=unknown", 1),
            ("?state__exact=done", 0),
            ("?needs=parked", 0),
            (f"?channel={part.attempt.channel_id}", 1),
            (f"?channel={part.attempt.channel_id + 1}", 0),
            ("?channel=x", 0),
            (f"?q={part.number}", 1),
            (f"?q={paid.number}", 1),
            (f"?q={part.attempt.number}", 1),
            ("?q=nothing", 0),
        ):
            assert len(desk.get(f"{LIST}{query}").context["cl"].result_list) == found, query
        text = b"".join(desk.get(f"{LIST}export-csv/").streaming_content).decode()
        assert part.number in text
        assert paid.number in text
        page = desk.get(f"{LIST}{part.pk}/change/").content.decode()
        assert "ReadTimeout" in page
        assert part.attempt.provider_txn in page
        titles = [entry.title for entry in timeline_of(part, desk.get("/admin/").wsgi_request.user)]
        assert titles == ["待发送", "发送中", "等待渠道结果"]
        order_page = desk.get(f"/admin/orders/order/{paid.pk}/change/").content.decode()
        assert part.number in order_page

    def test_asking_again(self, paid, desk, gateway):
        gateway(told=[Refunded(outcome=Outcome.UNKNOWN)], asked=[Refunded(outcome=Outcome.DONE, provider_refund="R9")])
        part = begun(paid)
        services.push_refund(refund_id=part.pk)
        assert "已退回" in Act(desk, f"{LIST}{part.pk}/ask-now/").confirm(_step="run").done()
        assert fresh(part).state == State.DONE
        assert "ask-now" not in desk.get(f"{LIST}{part.pk}/change/").content.decode()

    def test_the_result_by_hand(self, paid, desk, gateway, alice):
        gateway(told=[Refunded(outcome=Outcome.UNKNOWN)])
        part = begun(paid)
        services.push_refund(refund_id=part.pk)
        act = Act(desk, f"{LIST}{part.pk}/settle/").fill(result="refused", reason="后台没有")
        assert "会付两次" in act.text
        assert "已登记" in act.confirm().done()
        assert balance_of(alice) == Decimal("1010.00")

    def test_who_looks_may_not_act(self, paid, olga):
        part = begun(paid)
        sue = at_desk(staff("sue", "payments.view_refund", "payments.view_paymentattempt"))
        assert sue.get(LIST).status_code == 200
        for address in (
            f"{LIST}{part.pk}/settle/",
            f"{LIST}{part.pk}/ask-now/",
            f"{ATTEMPTS}{part.attempt_id}/send-back/",
        ):
            assert sue.get(address).status_code == 403
        stranger = at_desk(staff("gina", "catalog.view_product"))
        assert stranger.get(LIST).status_code == 403
        assert stranger.get(f"{LIST}{part.pk}/change/").status_code == 403


def test_sending_back_what_was_paid_too_much(till, attempt, desk, alice):
    till.sandbox.act(attempt.number, "wrong_amount", money="13.50")
    till.send(attempt.channel, till.fields(attempt))
    page = f"{ATTEMPTS}{attempt.pk}/"
    assert "send-back" in desk.get(f"{page}change/").content.decode()
    act = Act(desk, f"{page}send-back/")
    assert "¥3.50" in act.text
    refused = Act(desk, f"{page}send-back/").fill(amount="3.51", reason="x")
    assert refused.page.context["form"].errors
    act.fill(amount="3.50", reason="多付")
    assert "正在原路退回" in act.confirm().done()
    assert balance_of(alice) == Decimal("1000.00")
    assert "send-back" not in desk.get(f"{page}change/").content.decode()


class TestTheBuyersPage:
    def test_it_tells_where_the_money_is_and_looks_again_by_itself(self, paid, client, alice):
        client.force_login(alice)
        buyer = Visitor(client)
        address = f"/orders/{paid.public_id}/"
        refund = give_back(paid)
        html = buyer.see(address)
        assert "款项正在原路退回" in html
        assert "原路退回中，等待渠道确认" in html
        assert "poll-status" in html
        before = client.get(f"{address}status/").json()["state"]
        relay()
        services.push_due_refunds()
        assert fresh(refund).state == "done"
        assert client.get(f"{address}status/").json()["state"] != before
        html = buyer.see(address)
        assert "款项已原路退回付款账户" in html
        assert "已原路退回" in html
        assert "poll-status" not in html

    def test_a_guest_reads_that_it_is_on_the_order(self, shelf, till, channel, gateway, client):
        order = shelf.buy(None, (shelf.sku("10.00", keys=1), 1), buyer={"device": "d" * 22})
        till.pay(till.start(order, channel))
        gateway(told=[Refunded(outcome=Outcome.REFUSED)])
        services.push_refund(refund_id=begun(fresh(order)).pk)
        client.cookies["device"] = "d" * 22
        html = Visitor(client).see(f"/orders/{order.public_id}/")
        assert "渠道没有受理，已转入订单名下" in html
        assert "有 ¥10.00 要退给你" in html
        assert not Refund.objects.exclude(state=State.REFUSED).exists()
