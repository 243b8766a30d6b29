"""What the catalogue does when others tell news."""

from datetime import datetime

from catalog.services.figures import count_sales
from events.contracts import OrderPaid
from events.registry import subscribe


@subscribe(OrderPaid, "catalog.count_sales")
def on_order_paid(event: OrderPaid, *, at: datetime) -> None:
    count_sales(lines=event.lines)
