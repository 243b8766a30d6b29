"""Money that an order owes its guest finds its way out: into a wallet, or paid by hand; never twice, never unseen."""

from decimal import Decimal

import pytest
from django.test import Client

from audit.models import AuditEntry
from common.exceptions import OwnMatter, ReasonNeeded
from orders import services
from orders.exceptions import CreditTooSmall, IllegalMove, OrderNotFound
from orders.models import Order
from orders.selectors import order_secret
from tests.desk import Act, at_desk, staff
from tests.orders.test_buying import pay
from tests.people import Visitor
from tests.shelf import books
from wallet.models import Account, Entry
from wallet.selectors import balance_of, credit_of_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def owing(shelf) -> Order:
    """A guest's order that was paid ¥10.40 too much in all."""
    order = shelf.buy(None, (shelf.sku("10.00", keys=1), 1))
    pay(order, "10.40", ref="first")
    pay(order, "10.00", ref="second")
    assert credit_of_order(order.pk) == Decimal("10.40")
    return Order.objects.get(pk=order.pk)


@pytest.fixture
def own_device(owing) -> Visitor:
    client = Client()
    client.cookies["device"] = "d" * 22
    Order.objects.filter(pk=owing.pk).update(device="d" * 22)
    return Visitor(client)


def path(order: Order, act: str = "") -> str:
    return f"/orders/{order.public_id}/{act}"


def test_the_guest_signs_in_and_takes_what_is_owed(own_device, owing, charlie):
    html = own_device.see(path(owing))
    assert "有 ¥10.40 要退给你" in html
    assert f'href="/account/login/?next={path(owing)}"' in html
    assert f'href="/account/signup/?next={path(owing)}"' in html
    answer = own_device.client.post(path(owing, "claim/"))
    assert answer["Location"] == f"/account/login/?next={path(owing)}"
    own_device.client.force_login(charlie)
    assert "转入我的余额 ¥10.40" in own_device.see(path(owing))
    for _ in range(2):
        html = own_device.client.post(path(owing, "claim/"), follow=True).content.decode()
    assert "要退给你" not in html
    assert balance_of(charlie) == Decimal("10.40")
    assert "订单待退款转入余额" in own_device.see("/wallet/")
    assert books() == {}


def test_another_device_proves_the_order_by_contact_and_secret(owing, charlie):
    browser = Visitor(Client())
    browser.client.force_login(charlie)
    assert browser.client.post(path(owing, "claim/")).status_code == 404
    browser.client.post("/orders/find/", {"contact": owing.contact, "secret": order_secret(owing)})
    assert "¥10.40 已转入你的余额" in browser.client.post(path(owing, "claim/"), follow=True).content.decode()
    assert balance_of(charlie) == Decimal("10.40")


def test_strangers_take_nothing(owing, own_device, alice, charlie):
    stranger = Visitor(Client())
    stranger.client.force_login(charlie)
    assert stranger.get(path(owing)).status_code == 404
    assert stranger.client.post(path(owing, "claim/")).status_code == 404
    assert own_device.client.get(path(owing, "claim/")).status_code == 405
    assert credit_of_order(owing.pk) == Decimal("10.40")


def test_what_is_owed_again_is_claimed_again(owing, charlie, olga):
    assert services.claim_credit(order_id=owing.pk, user=charlie) == Decimal("10.40")
    assert services.claim_credit(order_id=owing.pk, user=charlie) == 0
    services.refund(
        order_id=owing.pk, amounts={owing.lines.get().pk: Decimal("10.00")}, ref="r", reason="坏卡", actor=olga
    )
    assert services.claim_credit(order_id=owing.pk, user=charlie) == Decimal("10.00")
    assert balance_of(charlie) == Decimal("20.40")
    assert books() == {}


def test_a_members_order_has_no_credit_to_claim(shelf, alice, bob):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    with pytest.raises(IllegalMove):
        services.claim_credit(order_id=order.pk, user=bob)
    with pytest.raises(OrderNotFound):
        services.claim_credit(order_id=10**9, user=bob)


@pytest.fixture
def desk(db):
    return at_desk(staff("fay", "orders.view_order", "orders.settle_credit"))


def page(order: Order, act: str = "change") -> str:
    return f"/admin/orders/order/{order.pk}/{act}/"


def test_staff_give_it_to_the_member_whom_they_know(desk, owing, charlie):
    assert page(owing, "give-credit") in desk.get(page(owing)).content.decode()
    act = Act(desk, page(owing, "give-credit"))
    assert "没有这个会员" in act.fill(member="nobody", amount="4.00", reason="来电核实").text
    act.fill(member="charlie", amount="4.00", reason="来电核实")
    assert "charlie" in act.text and "确认转出 ¥4.00" in act.text and "¥6.40" in act.text
    assert balance_of(charlie) == 0, "a preview moves nothing"
    again = act._hidden()
    assert "已将 ¥4.00 转入 charlie 的余额" in act.confirm().done()
    desk.post(act.address, again)
    assert (balance_of(charlie), credit_of_order(owing.pk)) == (Decimal("4.00"), Decimal("6.40"))
    logged = AuditEntry.objects.get(action="order.credit_given")
    assert (logged.actor, logged.detail) == ("fay", {"amount": "4.00", "reason": "来电核实", "member": charlie.pk})
    assert f"¥4.00 → #{charlie.pk}：来电核实" in desk.get(page(owing)).content.decode()
    assert books() == {}


def test_staff_note_what_they_paid_by_hand(desk, owing):
    act = Act(desk, page(owing, "pay-out"))
    assert 'value="10.40"' in act.text, "the whole is proposed"
    assert "确认转出" not in act.fill(amount="10.41", reason="支付宝 2088").text
    act.fill(amount="10.40", reason="支付宝 2088")
    assert "已登记打款 ¥10.40" in act.confirm().done()
    assert credit_of_order(owing.pk) == 0
    assert Entry.objects.get(account__purpose=Account.Purpose.PAYOUT).amount == Decimal("10.40")
    assert "支付宝 2088" in desk.get(page(owing)).content.decode()
    assert page(owing, "pay-out") not in desk.get(page(owing)).content.decode()
    assert books() == {}


def test_orders_that_owe_are_listed(desk, owing, shelf, alice):
    shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    answer = desk.get("/admin/orders/order/?money=owed")
    assert list(answer.context["cl"].result_list) == [owing]


def test_more_than_is_owed_and_no_reason_are_refused(owing, charlie, olga):
    wish = {"order_id": owing.pk, "ref": "credit:1", "actor": olga}
    with pytest.raises(CreditTooSmall):
        services.pay_out_credit(amount=Decimal("10.41"), reason="x", **wish)
    with pytest.raises(CreditTooSmall):
        services.give_credit(amount=Decimal("-1.00"), user_id=charlie.pk, reason="x", **wish)
    with pytest.raises(ReasonNeeded):
        services.pay_out_credit(amount=Decimal("1.00"), reason="  ", **wish)
    with pytest.raises(OwnMatter):
        services.give_credit(amount=Decimal("1.00"), user_id=olga.pk, reason="x", **wish)
    assert credit_of_order(owing.pk) == Decimal("10.40")
