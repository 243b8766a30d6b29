"""Gateway money under a number that nobody knows is kept, shown, and assigned or sent back once."""

from datetime import timedelta
from decimal import Decimal

import pytest

from audit.models import AuditEntry
from common import clock
from common.exceptions import ReasonNeeded
from orders.models import Order
from payments.exceptions import AlreadyAssigned, NotReturnable
from payments.models import Channel, Refund
from payments.providers import Outcome, Refunded
from payments.services import (
    assign_to_member,
    assign_to_order,
    push_due_refunds,
    push_refund,
    refunding,
    return_unclaimed,
    settle_refund,
)
from payments.services.applying import book_unclaimed
from tests.desk import Act, at_desk, staff
from tests.shelf import books
from wallet.models import Account, Entry, Transfer
from wallet.selectors import balance_of, credit_of_order
from wallet.services import shop_account

pytestmark = pytest.mark.django_db


class Gateway:
    """What answers refunds: each answer once, then silence."""

    def __init__(self, *answers: Refunded) -> None:
        self.answers, self.told, self.asked = list(answers), [], []

    def refund(self, **told) -> Refunded:
        self.told.append(told)
        return self._next()

    def query_refund(self, **asked) -> Refunded:
        self.asked.append(asked)
        return self._next()

    def _next(self) -> Refunded:
        return self.answers.pop(0) if self.answers else Refunded(outcome=Outcome.UNKNOWN, reason="timeout")


@pytest.fixture
def gateway(monkeypatch):
    def speak(*answers: Refunded) -> Gateway:
        made = Gateway(*answers)
        monkeypatch.setattr(refunding, "provider_of", lambda channel: made)
        return made

    return speak


@pytest.fixture
def unclaimed(db) -> Transfer:
    """¥10.00 under the number P1, as a notify books it."""
    channel = Channel.objects.create(
        code="epay-test", name="易支付", methods=["alipay"], gateway_url="https://pay.test/"
    )
    book_unclaimed(channel=channel, number="P1", provider_txn="T1", amount=Decimal("10.00"))
    return Transfer.objects.get(kind=Transfer.Kind.UNCLAIMED)


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
    assert (logged.actor, logged.detail["member"], logged.detail["reason"]) == ("fay", charlie.pk, "付款截图已核实")
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


def back_of(transfer: Transfer) -> str:
    return f"/admin/payments/notifylog/unclaimed/{transfer.pk}/give-back/"


def held(channel: str = "epay-test") -> Decimal:
    code = shop_account(Account.Purpose.CLEARING, channel).code
    return -sum(Entry.objects.filter(account__code=code).values_list("amount", flat=True))


DONE, NO = Refunded(outcome=Outcome.DONE, provider_refund="B1"), Refunded(outcome=Outcome.REFUSED, reason="closed")


def test_staff_send_it_back_the_way_it_came(unclaimed, gateway, charlie):
    told = gateway(DONE)
    rights = ["wallet.view_transfer", "payments.view_notifylog", "payments.send_back", "payments.view_refund"]
    desk = at_desk(staff("gus", *rights))
    assert back_of(unclaimed) in desk.get(page(unclaimed)).content.decode()
    act = Act(desk, back_of(unclaimed)).fill(reason="付款人来电，误付")
    assert "确认退回 ¥10.00" in act.text and "P1" in act.text and "T1" in act.text
    assert left_over() == Decimal("10.00"), "a preview moves nothing"
    assert "正在原路退回" in act.confirm().done()
    refund = Refund.objects.get()
    assert (left_over(), held(), books()) == (0, Decimal("10.00"), {})
    assert "正在原路退回" in desk.get(page(unclaimed)).content.decode()
    assert push_refund(refund_id=refund.pk) == "done"
    assert told.told == [
        {
            "number": "P1",
            "provider_txn": "T1",
            "refund_number": refund.number,
            "amount": Decimal("10.00"),
            "foreign": None,
        }
    ]
    assert (left_over(), held(), books()) == (0, 0, {})
    text = desk.get(page(unclaimed)).content.decode()
    assert "已原路退回" in text and refund.number in text and back_of(unclaimed) not in text
    shown = desk.get(f"/admin/payments/refund/{refund.pk}/change/").content.decode()
    assert "待认领款项 P1" in shown and "T1" in shown
    for query in ("q=p1", f"channel={refund.channel_id}"):
        assert refund.number in desk.get(f"/admin/payments/refund/?{query}").content.decode()
    csv = b"".join(desk.get("/admin/payments/refund/export-csv/").streaming_content).decode()
    assert "待认领款项 P1" in csv
    logged = AuditEntry.objects.get(action="payments.send_back")
    assert (logged.actor, logged.detail["reason"]) == ("gus", "付款人来电，误付")


def test_what_the_gateway_does_not_answer_is_asked_and_not_sent_twice(unclaimed, gateway, olga):
    refund = return_unclaimed(transfer_id=unclaimed.pk, reason="误付", actor=olga)
    told = gateway()
    assert push_refund(refund_id=refund.pk) == "unknown"
    told.answers = [DONE]
    with clock.travel(clock.now() + timedelta(minutes=2)):
        assert push_due_refunds() == 1
    assert (len(told.told), len(told.asked)) == (1, 1)
    assert told.asked[0]["refund_number"] == told.told[0]["refund_number"] == refund.number
    assert (held(), books()) == (0, {})


def test_what_the_gateway_refuses_waits_for_its_owner_again(unclaimed, gateway, olga, charlie):
    first = return_unclaimed(transfer_id=unclaimed.pk, reason="误付", actor=olga)
    gateway(NO, DONE)
    assert push_refund(refund_id=first.pk) == "refused"
    assert (left_over(), books()) == (Decimal("10.00"), {})
    second = return_unclaimed(transfer_id=unclaimed.pk, reason="再试", actor=olga)
    assert second.number != first.number
    assert push_refund(refund_id=second.pk) == "done"
    with pytest.raises(AlreadyAssigned):
        assign_to_member(transfer_id=unclaimed.pk, user_id=charlie.pk, reason="x", actor=olga)
    assert (left_over(), balance_of(charlie), books()) == (0, 0, {})


def test_it_goes_one_way_only(unclaimed, olga, charlie, shelf):
    order = shelf.buy(None, (shelf.sku("9.90", keys=1), 1))
    with pytest.raises(ReasonNeeded):
        return_unclaimed(transfer_id=unclaimed.pk, reason=" ", actor=olga)
    refund = return_unclaimed(transfer_id=unclaimed.pk, reason="误付", actor=olga)
    for again in (
        lambda: return_unclaimed(transfer_id=unclaimed.pk, reason="x", actor=olga),
        lambda: assign_to_member(transfer_id=unclaimed.pk, user_id=charlie.pk, reason="x", actor=olga),
        lambda: assign_to_order(transfer_id=unclaimed.pk, order_id=order.pk, reason="x", actor=olga),
    ):
        with pytest.raises(AlreadyAssigned):
            again()
    settle_refund(refund_id=refund.pk, done=False, reason="没有发送", actor=olga)
    assign_to_member(transfer_id=unclaimed.pk, user_id=charlie.pk, reason="核实", actor=olga)
    with pytest.raises(AlreadyAssigned):
        return_unclaimed(transfer_id=unclaimed.pk, reason="x", actor=olga)
    assert (balance_of(charlie), left_over(), books()) == (Decimal("10.00"), 0, {})


def test_a_gateway_that_takes_nothing_back_is_not_offered(unclaimed, olga):
    Channel.objects.update(provider="bepusdt")
    with pytest.raises(NotReturnable):
        return_unclaimed(transfer_id=unclaimed.pk, reason="误付", actor=olga)
    desk = at_desk(staff("gus", "wallet.view_transfer", "payments.send_back"))
    act = Act(desk, back_of(unclaimed)).fill(reason="x")
    assert "不支持原路退回" in act.text and "确认退回" not in act.text


def test_assigning_permits_no_sending_back(unclaimed, desk):
    assert back_of(unclaimed) not in desk.get(page(unclaimed)).content.decode()
    assert desk.post(back_of(unclaimed), {"_step": "run", "reason": "x"}).status_code == 403
