"""Words about an order: what its buyer can redeem does not stand in them."""

from common.concealing import conceal
from orders.models import OrderLine


def conceal_of_order(text: str, order_id: int) -> str:
    """The text with the keys of the order, those in stock of the same goods, and codes of cards masked."""
    lines = dict(OrderLine.objects.filter(order_id=order_id).values_list("pk", "product_id"))
    return conceal(text, lines=list(lines), products=set(lines.values()))
