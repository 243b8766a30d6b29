"""Nobody works on their own order where it comes to money."""

from orders.exceptions import OwnOrder
from orders.models import Order


def refuse_own(order: Order, actor_id: int | None) -> None:
    """Raises OwnOrder when the member of staff is the order's buyer."""
    if actor_id is not None and actor_id == order.buyer_id:
        raise OwnOrder
