"""Gateway money under a number that nobody knows is kept, shown, and assigned once."""

from decimal import Decimal

import pytest
from django.db import transaction

from audit.models import AuditEntry
from common import clock
from common.exceptions import ReasonNeeded
from orders.models import Order
from payments.exceptions import AlreadyAssigned
from payments.models import Channel
from payments.services import assign_to_member, assign_to_order
from payments.services.applying import ledger_ref
from tests.desk import Act, at_desk, staff
from tests.shelf import books
from wallet.models import Account, Entry, Transfer
from wallet.selectors import balance_of, credit_of_order
from wallet.services import receive_from_channel, shop_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def unclaimed(db) -> Transfer:
    """¥10.00 under the number P1, as a notify books it."""
    channel = Channel.objects.create(
        code="epay-test", name="易支付", methods=["alipay"], gateway_url="https://pay.test/"
    )
    with transaction.atomic():
        return receive_from_channel(
            channel=channel.code,
            to=shop_account(Account.Purpose.UNCLAIMED),
            amount=Decimal("10.00"),
            kind=Transfer.Kind.UNCLAIMED,
            ref=ledger_ref(channel.pk, "T1"),
            at=clock.now(),
            memo="P1",
        )[0]


@pytest.fixture
def desk(db):
    return at_desk(staff("fay", "wallet.view_transfer", "payments.view_notifylog", "payments.assign_unclaimed"))


def left_over() -> Decimal:
    return sum(Entry.objects.filter(account__purpose="unclaimed").values_list("amount", flat=True))


def page(transfer: Transfer) -> str:
    return f"/admin/wallet/transfer/{transfer.pk}/change/"


def act_of(transfer: Transfer) -> str:
    return f"/admin/payments/notifylog/unclaimed/{transfer.pk}/assign/"


def test_staff_assign_it_to_a_member_once(unclaimed, desk, charlie):
    text = desk.get(page(unclaimed)).content.decode()
    assert "等待认领" in text and act_of(unclaimed) in text
    act = Act(desk, act_of(unclaimed))
    assert "二者填一" in act.fill(member="", order="", reason="来电").text
    assert "没有这个会员" in act.fill(member="nobody", order="", reason="来电").text
    act.fill(member="charlie", order="", reason="付款截图已核实")
    assert "确认认领 ¥10.00" in act.text and "charlie" in act.text
    assert balance_of(charlie) == 0
    again = act._hidden()
    assert "已转入 charlie 的余额" in act.confirm().done()
    assert desk.post(act.address, again).status_code == 200
    assert (balance_of(charlie), left_over()) == (Decimal("10.00"), 0)
    text = desk.get(page(unclaimed)).content.decode()
    assert "已认领" in text and act_of(unclaimed) not in text
    logged = AuditEntry.objects.get(action="payments.assign")
    assert (logged.actor, logged.detail["member"], logged.detail["reason"]) == ("fay", "charlie", "付款截图已核实")
    assert books() == {}


def test_staff_assign_it_to_the_order_that_it_was_meant_for(unclaimed, desk, shelf):
    order = shelf.buy(None, (shelf.sku("9.90", keys=1), 1))
    act = Act(desk, act_of(unclaimed))
    assert "没有找到这个订单" in act.fill(member="", order="K0", reason="对账").text
    act.fill(member="", order=order.number.lower(), reason="对账")
    assert order.number in act.text and "¥9.90" in act.text
    assert f"订单 {order.number} 已付款" in act.confirm().done()
    order.refresh_from_db()
    assert (order.state, order.paid_with) == (Order.State.DELIVERED, "epay-test")
    assert (credit_of_order(order.pk), left_over()) == (Decimal("0.10"), 0)
    assert books() == {}


def test_an_order_that_it_cannot_pay_owes_it(unclaimed, desk, shelf):
    order = shelf.buy(None, (shelf.sku("30.00", keys=1), 1))
    act = Act(desk, act_of(unclaimed)).fill(member="", order=order.number, reason="对账")
    assert "已转为买家余额或订单待退款" in act.confirm().done()
    assert credit_of_order(order.pk) == Decimal("10.00")
    assert books() == {}


def test_it_finds_one_owner_only(unclaimed, shelf, alice, bob, olga):
    order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1))
    with pytest.raises(ReasonNeeded):
        assign_to_member(transfer_id=unclaimed.pk, user_id=bob.pk, reason=" ", actor=olga)
    assign_to_member(transfer_id=unclaimed.pk, user_id=bob.pk, reason="核实", actor=olga)
    with pytest.raises(AlreadyAssigned):
        assign_to_member(transfer_id=unclaimed.pk, user_id=alice.pk, reason="核实", actor=olga)
    with pytest.raises(AlreadyAssigned):
        assign_to_order(transfer_id=unclaimed.pk, order_id=order.pk, reason="核实", actor=olga)
    assert balance_of(alice) == Decimal("1000.00")
    assert left_over() == 0


def test_looking_permits_no_assigning(unclaimed, charlie):
    desk = at_desk(staff("lars", "wallet.view_transfer", "payments.view_notifylog"))
    assert act_of(unclaimed) not in desk.get(page(unclaimed)).content.decode()
    posted = {"_step": "run", "member": "charlie", "order": "", "reason": "x"}
    assert desk.post(act_of(unclaimed), posted).status_code == 403
    assert balance_of(charlie) == 0
