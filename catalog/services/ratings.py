"""Counting published reviews into the rating of their product. Reviews write here when they are published or taken off, no
sale does."""

from collections.abc import Iterable

from django.db import connection, transaction

from catalog.models import ProductRating, Review
from common import clock
from common.locks import lock

_MAKE = """
INSERT INTO catalog_productrating (product_id, stars_1, stars_2, stars_3, stars_4, stars_5, refreshed_at)
SELECT product_id, 0, 0, 0, 0, 0, %s FROM unnest(%s::bigint[]) AS product_id ORDER BY product_id
ON CONFLICT (product_id) DO NOTHING
"""
_COUNT = """
UPDATE catalog_productrating AS rating SET
    stars_1 = counted.s1, stars_2 = counted.s2, stars_3 = counted.s3, stars_4 = counted.s4, stars_5 = counted.s5,
    refreshed_at = %s
FROM (
    SELECT wanted.product_id,
        count(*) FILTER (WHERE r.stars = 1) AS s1, count(*) FILTER (WHERE r.stars = 2) AS s2,
        count(*) FILTER (WHERE r.stars = 3) AS s3, count(*) FILTER (WHERE r.stars = 4) AS s4,
        count(*) FILTER (WHERE r.stars = 5) AS s5
    FROM unnest(%s::bigint[]) AS wanted(product_id)
    LEFT JOIN catalog_review r ON r.product_id = wanted.product_id AND r.state = 'published'
    GROUP BY wanted.product_id
) AS counted
WHERE rating.product_id = counted.product_id
    AND (rating.stars_1, rating.stars_2, rating.stars_3, rating.stars_4, rating.stars_5)
        IS DISTINCT FROM (counted.s1, counted.s2, counted.s3, counted.s4, counted.s5)
"""


def refresh_ratings(*, product_ids: Iterable[int] | None = None) -> int:
    """Count the published reviews of these products, or of all, again; returns how many ratings changed.

    Locks the ratings before it counts: of two that publish at once, the second sees what the first has committed.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        at = clock.now()
        if product_ids is None:
            product_ids = Review.objects.order_by().values_list("product_id", flat=True).distinct()
        wanted = sorted(set(product_ids))
        cursor.execute(_MAKE, [at, wanted])
        lock(ProductRating.objects.filter(pk__in=wanted))
        cursor.execute(_COUNT, [at, wanted])
        return cursor.rowcount
