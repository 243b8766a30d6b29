"""Finding keys by what they say."""

from collections.abc import Iterable

from django.db import connection

from catalog.keyfiles import clean, normal_form
from catalog.models import Key, Product
from catalog.services.sealing import fingerprint


def find_keys(text: str) -> list[Key]:
    """The stored keys that say `text`, in whatever product: at most one each. With `sku__product` and `batch`."""
    normal = normal_form(clean(text))
    products = list(Product.objects.filter(kind=Product.Kind.KEY).values_list("pk", flat=True))
    if not normal or not products:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.id FROM unnest(%s::bigint[], %s::bytea[]) AS wanted (product_id, fingerprint)"
            " JOIN catalog_key k ON k.product_id = wanted.product_id AND k.fingerprint = wanted.fingerprint",
            [products, [fingerprint(normal, product_id=pk) for pk in products]],
        )
        found = [row[0] for row in cursor.fetchall()]
    return list(Key.objects.filter(pk__in=found).select_related("sku__product", "batch").order_by("pk"))


def keys_of_line_by_text(line_id: int, texts: Iterable[str]) -> dict[str, int]:
    """Ids of the line's sold keys by the texts that say them; a text that says none is left out. Nothing is decrypted."""
    held = Key.objects.filter(line_id=line_id, state=Key.State.SOLD)
    products = list(held.values_list("product_id", flat=True).distinct())
    wanted = {
        fingerprint(normal_form(clean(text)), product_id=product_id): text for text in texts for product_id in products
    }
    found = held.filter(fingerprint__in=list(wanted)).values_list("fingerprint", "pk")
    return {wanted[bytes(mark)]: pk for mark, pk in found}
