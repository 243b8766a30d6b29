"""Writing templates. What members hold keeps its terms; windows, limits and names may change."""

from collections.abc import Collection

from django.db import connection, transaction

from accounts.models import User
from audit.services import record
from catalog.models import Category, Product
from common import clock
from common.locks import lock_one
from marketing.exceptions import LimitBelowIssued, TermsAreFixed
from marketing.models import Coupon, CouponTemplate

TERMS = (
    "storefront_id",
    "kind",
    "amount_off",
    "rate",
    "max_off",
    "min_spend",
    "with_member_price",
    "with_quantity_price",
)
# A place for everybody who holds one already, then free ones up to the limit.
_ADD_HELD = """
INSERT INTO marketing_couponslot (template_id, coupon_id)
SELECT template_id, id FROM marketing_coupon
WHERE template_id = %s AND state <> 'revoked' AND id NOT IN
    (SELECT coupon_id FROM marketing_couponslot WHERE template_id = %s AND coupon_id IS NOT NULL)
"""
_ADD_FREE = "INSERT INTO marketing_couponslot (template_id) SELECT %s FROM generate_series(1, %s)"
_DROP_FREE = """
DELETE FROM marketing_couponslot WHERE id IN
    (SELECT id FROM marketing_couponslot WHERE template_id = %s AND coupon_id IS NULL ORDER BY id DESC LIMIT %s)
"""


def save_template(
    *,
    template: CouponTemplate,
    categories: Collection[Category] = (),
    products: Collection[Product] = (),
    actor: User | None,
) -> CouponTemplate:
    """Save a new or changed template with its scope and its slots. Locks the template, so that no claim goes on beside it.

    Raises TermsAreFixed when somebody holds one and its terms would change, LimitBelowIssued.
    """
    with transaction.atomic():
        if template.pk is None:
            template.created_at = clock.now()
        else:
            before = lock_one(CouponTemplate.objects.filter(pk=template.pk))
            check_terms(before, template, categories, products)
        template.save()
        template.categories.set(categories)
        template.products.set(products)
        _fit_slots(template)
        record(action="marketing.template.save", at=clock.now(), actor=actor, target=template)
    return template


def check_terms(
    before: CouponTemplate, after: CouponTemplate, categories: Collection[Category], products: Collection[Product]
) -> None:
    """Raises TermsAreFixed when somebody holds a coupon of `before` and `after` promises something else."""
    if not Coupon.objects.filter(template=before).exists():
        return
    same = all(getattr(before, name) == getattr(after, name) for name in (*TERMS, "code"))
    scope = (set(before.categories.all()), set(before.products.all()))
    if not same or scope != (set(categories), set(products)):
        raise TermsAreFixed


def check_limit(template: CouponTemplate) -> None:
    """Raises LimitBelowIssued when more are out than the template's limit allows."""
    issued = Coupon.objects.filter(template=template.pk).exclude(state=Coupon.State.REVOKED).count()
    if template.total_limit is not None and issued > template.total_limit:
        raise LimitBelowIssued(issued=issued)


def _fit_slots(template: CouponTemplate) -> None:
    limit = template.total_limit
    with connection.cursor() as cursor:
        if limit is None:
            cursor.execute(_DROP_FREE, [template.pk, None])
            return
        cursor.execute(_ADD_HELD, [template.pk, template.pk])
        cursor.execute(
            "SELECT count(coupon_id), count(*) FROM marketing_couponslot WHERE template_id = %s", [template.pk]
        )
        taken, slots = cursor.fetchone()
        if taken > limit:
            raise LimitBelowIssued(issued=taken)
        cursor.execute(_ADD_FREE if slots < limit else _DROP_FREE, [template.pk, abs(limit - slots)])
