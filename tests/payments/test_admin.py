"""The desk of payments: channels whose key nobody sees again, attempts that staff can settle, notifies to read."""

from datetime import timedelta
from decimal import Decimal

import pytest

from audit.models import AuditEntry
from common import clock, crypto
from common.registries import panels_of, timeline_of
from orders.models import Order
from payments.gateways import credentials_label
from payments.models import Channel, NotifyLog, PaymentAttempt
from payments.services import ask_due_attempts
from tests.desk import Act, at_desk, staff
from tests.sandboxes import KEY
from tests.secrets.rings import ring
from tests.shelf import books

pytestmark = pytest.mark.django_db
CHANNELS, ATTEMPTS = "/admin/payments/channel/", "/admin/payments/paymentattempt/"
NOTIFIES, TOP_UPS = "/admin/payments/notifylog/", "/admin/payments/topup/"
State = PaymentAttempt.State


@pytest.fixture
def desk(olga):
    return at_desk(olga)


@pytest.fixture
def sue(db):
    """Looks, and may do nothing."""
    views = ("paymentattempt", "notifylog", "channel", "topup")
    return at_desk(staff("sue", *[f"payments.view_{name}" for name in views]))


FIELDS = {
    "code": "main",
    "name": "易支付",
    "name_en": "Epay",
    "methods": ["alipay", "wxpay"],
    "gateway_url": "https://pay.test/",
    "merchant_id": "1001",
    "key": "a key of 32 characters, or nearly",
    "mode": "api",
    "sign_mode": "key",
    "query": "yes",
    "min_amount": "1.00",
    "max_amount": "5000.00",
    "fee_rate": "0.0060",
    "fee_payer": "shop",
    "open_from": "",
    "open_to": "",
    "is_active": "on",
    "position": "0",
}


def secret_of(channel: Channel) -> str:
    return crypto.unseal_settings(channel.credentials, credentials_label(channel))["key"]


class TestChannels:
    def test_a_channel_is_set_up_and_its_key_is_never_shown_again(self, desk):
        desk.post(f"{CHANNELS}add/?provider=epay", FIELDS)
        channel = Channel.objects.get()
        assert secret_of(channel) == FIELDS["key"]
        assert FIELDS["key"] not in channel.credentials
        assert channel.settings == {"mode": "api", "sign_mode": "key", "query": "yes"}
        page = desk.get(f"{CHANNELS}{channel.pk}/change/").content.decode()
        assert FIELDS["key"] not in page
        assert channel.credentials not in page
        assert "已加密保存" in page
        assert not AuditEntry.objects.filter(detail__icontains=FIELDS["key"]).exists()

    def test_an_empty_key_keeps_the_old_one_and_a_new_one_replaces_it(self, desk):
        desk.post(f"{CHANNELS}add/?provider=epay", FIELDS)
        channel = Channel.objects.get()
        page = f"{CHANNELS}{channel.pk}/change/"
        desk.post(page, FIELDS | {"key": "", "name": "新名"})
        channel.refresh_from_db()
        assert (channel.name, secret_of(channel)) == ("新名", FIELDS["key"])
        desk.post(page, FIELDS | {"key": "another", "code": "moved"})
        channel.refresh_from_db()
        assert (channel.code, secret_of(channel)) == ("main", "another")

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"key": ""}, "key"),
            ({"methods": []}, "methods"),
            ({"gateway_url": "javascript:alert(1)"}, "gateway_url"),
            ({"min_amount": "10", "max_amount": "9"}, "max_amount"),
            ({"fee_rate": "1"}, "fee_rate"),
            ({"min_amount": "0"}, "min_amount"),
            ({"code": "a b"}, "code"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, desk, change, field):
        answer = desk.post(f"{CHANNELS}add/?provider=epay", FIELDS | change)
        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors
        assert not Channel.objects.exists()

    @pytest.mark.parametrize("change", [{"sandbox": "on"}, {"gateway_url": "http://pay.test/"}])
    def test_no_sandbox_and_no_plain_http_in_production(self, desk, settings, change):
        settings.PRODUCTION = True
        settings.KEY_RING = ring("test")
        assert desk.post(f"{CHANNELS}add/?provider=epay", FIELDS | change).status_code == 200
        assert not Channel.objects.exists()
        desk.post(f"{CHANNELS}add/?provider=epay", FIELDS)
        assert Channel.objects.exists()

    def test_a_sealed_key_does_not_open_for_another_channel(self, desk):
        desk.post(f"{CHANNELS}add/?provider=epay", FIELDS)
        channel = Channel.objects.get()
        channel.code = "other"
        with pytest.raises(crypto.DecryptionFailed):
            secret_of(channel)

    def test_lookers_do_not_change_and_nobody_deletes(self, till, channel, desk, sue):
        page = f"{CHANNELS}{channel.pk}/"
        assert sue.get(f"{page}change/").status_code == 200
        assert sue.post(f"{page}change/", FIELDS).status_code == 403
        assert sue.post(f"{CHANNELS}add/?provider=epay", FIELDS).status_code == 403
        for client in (desk, sue):
            assert client.post(f"{page}delete/", {"post": "yes"}).status_code == 403
        assert KEY not in sue.get(f"{page}change/").content.decode()


class TestAttempts:
    def test_the_list_finds_by_number_order_and_transaction(self, till, attempt, desk, django_assert_max_num_queries):
        till.pay(attempt)
        attempt.refresh_from_db()
        for query in (attempt.number, attempt.number.lower(), attempt.order.number, attempt.provider_txn):
            assert list(desk.get(ATTEMPTS, {"q": query}).context["cl"].result_list) == [attempt], query
        assert not desk.get(ATTEMPTS, {"q": "nothing"}).context["cl"].result_list
        with django_assert_max_num_queries(14):
            page = desk.get(ATTEMPTS).content.decode()
        assert "已支付" in page

    def test_staff_asks_the_gateway(self, till, attempt, desk):
        address = f"{ATTEMPTS}{attempt.pk}/ask-now/"
        assert "未支付" in Act(desk, address).confirm().done()
        till.sandbox.act(attempt.number, "pay_silently")
        assert "已入账" in Act(desk, address).confirm().done()
        assert Order.objects.get(pk=attempt.order_id).state == Order.State.DELIVERED

    def test_parked_ones_are_found_and_confirmed_by_hand(self, till, attempt, desk, olga):
        """The gateway answers no questions at all; its console shows the money."""
        till.sandbox.fault("order", "garbage", times=99)
        with clock.travel(clock.now() + timedelta(hours=25)):
            ask_due_attempts()
        assert list(desk.get(ATTEMPTS, {"needs": "parked"}).context["cl"].result_list) == [attempt]
        act = Act(desk, f"{ATTEMPTS}{attempt.pk}/confirm/")
        act.fill(provider_txn="2026112200001", amount="9.50", reason="渠道后台已核对")
        assert "已付的部分转为买家余额" in act.text
        act = Act(desk, f"{ATTEMPTS}{attempt.pk}/confirm/")
        act.fill(provider_txn="2026112200001", amount="10.00", reason="渠道后台已核对")
        assert PaymentAttempt.objects.get().state == State.UNKNOWN
        assert "已确认到账" in act.confirm().done()
        attempt.refresh_from_db()
        assert (attempt.state, attempt.paid_amount, attempt.outcome) == (State.PAID, Decimal("10.00"), "paid")
        entry = AuditEntry.objects.get(action="payments.confirm")
        assert (entry.actor, entry.detail["reason"]) == ("olga", "渠道后台已核对")
        assert "confirm/" not in desk.get(f"{ATTEMPTS}{attempt.pk}/change/").content.decode().split("<main")[-1]
        assert books() == {}

    def test_a_transaction_confirms_only_one(self, till, attempt, desk, shelf, bob):
        till.pay(attempt)
        attempt.refresh_from_db()
        other = till.start(shelf.buy(bob, (shelf.sku(keys=1), 1)), attempt.channel)
        act = Act(desk, f"{ATTEMPTS}{other.pk}/confirm/")
        act.fill(provider_txn=attempt.provider_txn, amount="10.00", reason="x").confirm()
        assert "已用于另一笔支付" in act.text
        other.refresh_from_db()
        assert other.state == State.PENDING

    @pytest.mark.parametrize("act", ["ask-now", "confirm"])
    def test_lookers_do_neither(self, attempt, sue, act):
        assert sue.get(f"{ATTEMPTS}{attempt.pk}/change/").status_code == 200
        assert sue.post(f"{ATTEMPTS}{attempt.pk}/{act}/").status_code == 403

    def test_the_page_of_an_attempt_shows_its_notifies(self, till, attempt, desk):
        till.send(attempt.channel, till.fields(attempt))
        page = desk.get(f"{ATTEMPTS}{attempt.pk}/change/").content.decode()
        assert "渠道查询为未支付" in page
        assert attempt.order.number in page

    def test_export(self, till, attempt, desk):
        text = b"".join(desk.get(f"{ATTEMPTS}export-csv/").streaming_content).decode()
        assert attempt.number in text


class TestNotifies:
    def test_list_page_and_another_try(self, till, attempt, desk):
        till.sandbox.act(attempt.number, "pay_silently")
        till.sandbox.fault("order", "garbage")
        till.send(attempt.channel, till.fields(attempt))
        log = NotifyLog.objects.get()
        assert list(desk.get(NOTIFIES, {"q": attempt.number}).context["cl"].result_list) == [log]
        page = desk.get(f"{NOTIFIES}{log.pk}/change/").content.decode()
        assert attempt.number in page
        assert "已处理" in Act(desk, f"{NOTIFIES}{log.pk}/take-up/").confirm().done()
        attempt.refresh_from_db()
        assert attempt.state == State.PAID

    def test_what_a_stranger_sent_is_shown_as_text(self, till, channel, desk):
        till.send(channel, {"name": "<script>alert(1)</script>"})
        client_raw = NotifyLog.objects.get()
        NotifyLog.objects.update(raw="<script>alert(1)</script>")
        page = desk.get(f"{NOTIFIES}{client_raw.pk}/change/").content.decode()
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;alert(1)" in page

    def test_lookers_take_nothing_up(self, till, channel, sue):
        till.send(channel, {"pid": "1"})
        log = NotifyLog.objects.get()
        assert sue.post(f"{NOTIFIES}{log.pk}/take-up/").status_code == 403


def test_an_orders_page_tells_of_its_payments(till, attempt, olga):
    desk = at_desk(staff("kim", "orders.view_order", "payments.view_paymentattempt", "payments.view_notifylog"))
    till.send(attempt.channel, till.fields(attempt))
    till.pay(attempt)
    page = desk.get(f"/admin/orders/order/{attempt.order_id}/change/").content.decode()
    assert attempt.number in page
    titles = [str(entry.title) for entry in timeline_of(attempt.order, olga)]
    assert {"下单", "发起支付", "渠道支付到账"} <= set(titles)
    assert "支付通知：已拒绝" in titles
    looker = staff("lou", "orders.view_order")
    assert not [panel for panel in panels_of(attempt.order, looker) if panel.title == "支付单"]


def test_top_ups_are_read(till, desk, alice, channel, client):
    client.force_login(alice)
    client.post("/wallet/topup/", {"preset": "50", "method": "alipay", "token": "t"})
    top_up = alice.top_ups.get()
    till.pay(top_up.attempts.get())
    assert list(desk.get(TOP_UPS, {"q": "ali"}).context["cl"].result_list) == [top_up]
    page = desk.get(f"{TOP_UPS}{top_up.pk}/change/").content.decode()
    assert "¥50.00" in page
    assert top_up.attempts.get().number in page
