"""Where money goes that is given back, as previews tell it: one wording for every act that gives some."""

from decimal import Decimal

from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import Fact, money
from common.money import ZERO
from common.registries import WayBack, ways_back
from orders.models import Order, OrderRefund
from orders.services.refunding import target_of
from wallet.selectors import balance_of

BY_GATEWAY = _("款项立即离开销售收入，由渠道退回付款账户；渠道拒绝的部分会转入买家账户并通知买家。")


def destination(order: Order, amount: Decimal, wanted: str | None) -> tuple[list[Fact], list]:
    """The facts and warnings that say where `amount` (yuan) of the order would go by the route `wanted`."""
    ways, rest = split(order, amount, wanted)
    facts = [Fact(_("原路退回"), format_html("{} {}", way.label, money(way.amount)), strong=True) for way in ways]
    if rest:
        facts += _into_the_shop(order, rest)
    return facts, [BY_GATEWAY] if target_of(order, wanted) == OrderRefund.Target.ORIGINAL else []


def split(order: Order, amount: Decimal, wanted: str | None) -> tuple[list[WayBack], Decimal]:
    """What of `amount` goes back by which gateway, and what stays with the buyer in the shop."""
    original = target_of(order, wanted) == OrderRefund.Target.ORIGINAL
    ways = ways_back(order, amount) if original else []
    return ways, amount - sum((way.amount for way in ways), ZERO)


def _into_the_shop(order: Order, amount: Decimal) -> list[Fact]:
    if order.buyer is None:
        return [Fact(_("退至"), format_html("{} {}", _("订单待退款账户，买家在订单页领取"), money(amount)))]
    balance = balance_of(order.buyer)
    return [
        Fact(_("退至"), gettext("会员 %(name)s 的余额") % {"name": order.buyer.get_username()}),
        Fact(_("余额"), money(balance + amount), was=money(balance)),
    ]
