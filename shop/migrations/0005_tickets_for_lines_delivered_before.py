"""Lines that were delivered to members before there were reviews may be reviewed too.

It stands here because `catalog` does not know order lines; from now on the news of a delivery opens the ticket.
"""

import secrets

from django.db import migrations

CHUNK = 2000


def open_tickets(apps, schema_editor):
    OrderLine, Ticket = apps.get_model("orders", "OrderLine"), apps.get_model("catalog", "ReviewTicket")
    delivered = OrderLine.objects.filter(state="delivered", delivered_at__isnull=False, order__buyer__isnull=False)
    rows = delivered.order_by("pk").values_list(
        "pk", "order__buyer_id", "order__storefront_id", "product_id", "sku_id", "delivered_at"
    )
    chunk = []
    for line, user, storefront, product, sku, at in rows.iterator(chunk_size=CHUNK):
        chunk.append(
            Ticket(
                public_id=secrets.token_urlsafe(16),
                line_id=line,
                user_id=user,
                storefront_id=storefront,
                product_id=product,
                sku_id=sku,
                delivered_at=at,
            )
        )
        if len(chunk) == CHUNK:
            Ticket.objects.bulk_create(chunk, ignore_conflicts=True)
            chunk = []
    Ticket.objects.bulk_create(chunk, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0004_staff_read_reviews"),
        ("catalog", "0006_first_review_rules"),
        ("orders", "0002_staff_permissions"),
    ]

    operations = [migrations.RunPython(open_tickets, migrations.RunPython.noop)]
