"""Orders stay, with what was bought and paid; who bought, from where, and what they told us for delivery goes."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.privacy import belongs, hinders, nobodys
from orders.models import Dispute, Order
from orders.selectors import of_person

belongs("orders.Cart", of="user", remove=True)
belongs("orders.CartItem", of="cart__user", remove=True)
belongs(
    "orders.Order",
    of=of_person(),
    keep=["public_id", "number", "language", "paid_with"],
    blank={"contact": "", "device": "", "address": None, "counted_address": "", "staff_note": ""},
    # Of a guest's order only, and no way back to contact and secret.
    secret=["lookup", "staff_note"],
)
belongs(
    "orders.OrderLine",
    of=of_person("order__"),
    keep=[
        "category_code",
        "hold_reason",
        "product_name",
        "product_name_en",
        "sku_name",
        "sku_name_en",
        "guide",
        "guide_en",
    ],
    blank={"fields": {}},
)
belongs("orders.PriceStep", of=of_person("line__order__"), keep=["why", "why_en"])
belongs("orders.OrderMove", of=of_person("order__"), keep=["from_state", "cause"], blank={"note": ""})
# Goods, sealed like keys; their owner reads them on the order's page.
belongs("orders.LineSecret", of=of_person("line__order__"), secret=["sealed"])
belongs("orders.OrderRefund", of=of_person("order__"), keep=["ref", "lines"], blank={"reason": ""})
nobodys("what the operator sets", "orders.DisputeRules", "orders.DeliveryRules")
belongs("orders.Dispute", of=of_person("order__"), keep=["public_id", "number"], blank={"text": "–", "verdict": ""})
belongs("orders.DisputePiece", of=of_person("line__order__"))
belongs("orders.DisputeMove", of=of_person("dispute__order__"), keep=["from_state", "cause"], blank={"text": ""})
# Evidence goes; its owner sees it on the page of the case.
belongs("orders.DisputePicture", of=of_person("move__dispute__order__"), secret=["sealed"], remove=True)


@hinders
def open_orders(user: Any) -> Iterable[str]:
    """Nobody leaves while something is still to be paid or delivered."""
    count = Order.objects.filter(of_person()(user), state__in=[Order.State.UNPAID, Order.State.PAID]).count()
    if count:
        yield ngettext(
            "有 %(count)s 个订单还没有付款或发完货，请等它完成或取消",
            "有 %(count)s 个订单还没有付款或发完货，请等它们完成或取消",
            count,
        ) % {"count": count}


@hinders
def open_cases(user: Any) -> Iterable[str]:
    if Dispute.objects.filter(of_person("order__")(user), state__in=Dispute.OPEN).exists():
        yield _("有售后单还在处理，请等它结束或撤回")
