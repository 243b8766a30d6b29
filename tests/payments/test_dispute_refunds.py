"""A case's refund by the original route: the desk is told where the money really goes."""

from decimal import Decimal

import pytest
from django.urls import reverse

from orders.models import Dispute, OrderRefund
from tests.complaints import complain
from tests.desk import Act, at_desk, text_of
from tests.payments.test_refunding import gateway, paid  # noqa: F401

# ruff: noqa: F811
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]
LIST = reverse("admin:orders_dispute_changelist")


def told(act: Act) -> str:
    return " ".join(text_of(act.page).split())


def test_the_preview_tells_the_gateway_and_the_money_goes_there(paid, olga):
    case = complain(paid, route=Dispute.Route.ORIGINAL)
    act = Act(at_desk(olga), reverse("admin:orders_dispute_refund_all", args=[case.pk])).fill(reason="核实")
    assert "原路退回 支付宝 · 沙箱 ¥10.00" in told(act)
    assert "alice 的余额" not in told(act)
    act.confirm().done()
    assert OrderRefund.objects.get().target == OrderRefund.Target.ORIGINAL


def test_whoever_wants_balance_gets_balance(paid, olga):
    case = complain(paid)
    act = Act(at_desk(olga), reverse("admin:orders_dispute_refund_all", args=[case.pk])).fill(reason="核实")
    assert "alice 的余额" in told(act) and "原路退回" not in told(act)


def test_many_at_once_are_told_apart(paid, shelf, alice, olga):
    other = shelf.buy(alice, (shelf.sku("3.00", keys=1), 1), from_wallet=True)
    cases = [complain(order, route=Dispute.Route.ORIGINAL) for order in (paid, other)]
    chosen = {"action": "refund_chosen", "_selected_action": [one.pk for one in cases]}
    act = Act(at_desk(olga), LIST, **chosen).fill(reason="同一批次问题，全额退款")
    # The order that was paid from the wallet has no other way back.
    assert "支付宝 · 沙箱 ¥10.00" in told(act) and "余额 ¥3.00" in told(act)
    act.confirm().done()
    assert dict(OrderRefund.objects.values_list("target", "amount")) == {
        "original": Decimal("10.00"),
        "wallet": Decimal("3.00"),
    }
