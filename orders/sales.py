"""What was sold, for rooms that weigh prices against it and know nothing of orders."""

from datetime import datetime

from django.db import connection

from common.registries import set_sales_collector

# Paid and not wholly refunded; a line that was paid back in part still told its price.
_COLLECT = """
INSERT INTO {table} (user_id, storefront_id, sku_id, product_id, quantity, list_price, cash)
SELECT o.buyer_id, o.storefront_id, line.sku_id, line.product_id, line.quantity, line.list_price,
    line.cash - line.refunded
FROM orders_order AS o JOIN orders_orderline AS line ON line.order_id = o.id
WHERE o.paid_at >= %s AND o.paid_at < %s AND o.buyer_id IS NOT NULL AND line.state NOT IN ('closed', 'refunded')
"""


def collect_sales(*, table: str, since: datetime, until: datetime) -> None:
    """See common.registries.collect_sales. `table` is the caller's own name for its temporary table."""
    if not table.isidentifier():
        raise ValueError(f"not a table: {table!r}")
    with connection.cursor() as cursor:
        cursor.execute(_COLLECT.format(table=table), [since, until])


set_sales_collector(collect_sales)
