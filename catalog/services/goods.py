"""Writing products and SKUs. Nothing that was ever for sale is deleted: it is archived."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.services import record
from catalog import words
from catalog.buyer_fields import check_buyer_fields
from catalog.exceptions import BundleRefused
from catalog.models import BundleItem, Category, Label, PriceHistory, Product, QuantityBreak, Sku
from catalog.services.indexing import index_product, index_products
from catalog.services.keys import put_in_order
from common import clock
from common.locks import lock_one

# Changes of these are written to the audit log with their old and new values.
PRODUCT_AUDITED = ("name", "status", "kind", "category_id", "warranty_days")
SKU_AUDITED = ("name", "status", "list_price", "cost", "min_quantity", "max_quantity")
CATEGORY_AUDITED = ("name", "code", "parent_id", "is_active")
LABEL_AUDITED = ("name", "code")

BREAKS_RISE = _("批发价须低于售价，且数量越多单价越低")


def save_product(*, product: Product, actor: User | None = None) -> Product:
    """Store a new or changed product and put it in the search index. Raises django's ValidationError."""
    with transaction.atomic():
        at = clock.now()
        before = _values(Product, product.pk, PRODUCT_AUDITED)
        product.created_at = product.created_at or at
        product.updated_at = at
        product.slug = product.slug or free_slug(product.name)
        product.full_clean()
        check_buyer_fields(product.buyer_fields)
        product.save()
        index_product(product)
        _record_changes("product.save", product, before, PRODUCT_AUDITED, at, actor)
    return product


def free_slug(name: str) -> str:
    """An address for a product out of the pinyin of its name, with a number where it is taken."""
    wanted = slugify("-".join(words.syllables(name)))[:70].strip("-") or "product"
    taken = set(Product.objects.filter(slug__startswith=wanted).values_list("slug", flat=True))
    numbered = (f"{wanted}-{number}" for number in itertools.count(2))
    return next(slug for slug in itertools.chain([wanted], numbered) if slug not in taken)


def archive_product(*, product_id: int, actor: User | None = None) -> Product:
    """Take a product and its SKUs off sale for good; orders and prices keep pointing at it. Locks the product."""
    with transaction.atomic():
        at = clock.now()
        product = lock_one(Product.objects.filter(pk=product_id))
        product.status, product.updated_at = Product.Status.ARCHIVED, at
        product.save(update_fields=["status", "updated_at"])
        Sku.objects.filter(product=product).update(status=Sku.Status.ARCHIVED)
        record(action="product.archive", at=at, actor=actor, target=product)
    return product


def set_labels(*, product: Product, labels: Iterable[Label], actor: User | None = None) -> None:
    """Give a product exactly these labels."""
    with transaction.atomic():
        product.labels.set(labels)
        index_product(product)
        names = [label.code for label in product.labels.all()]
        record(action="product.labels", at=clock.now(), actor=actor, target=product, detail={"labels": names})


def save_sku(*, sku: Sku, actor: User | None = None) -> Sku:
    """Store a new or changed SKU; a price that moved goes to the history and to the audit log.

    Locks the SKU. Raises django's ValidationError.
    """
    with transaction.atomic():
        at = clock.now()
        before = lock_one(Sku.objects.filter(pk=sku.pk)) if sku.pk else None
        sku.full_clean(validate_constraints=True)
        sku.save()
        if before is not None and before.sale_order != sku.sale_order:
            put_in_order(sku)
        if before is None or before.list_price != sku.list_price:
            PriceHistory.objects.create(sku=sku, price=sku.list_price, at=at)
        old = {name: getattr(before, name) for name in SKU_AUDITED} if before else None
        _record_changes("sku.save", sku, old, SKU_AUDITED, at, actor)
        index_product(sku.product)
    return sku


def archive_sku(*, sku_id: int, actor: User | None = None) -> Sku:
    """Take a SKU off sale for good. Locks the SKU."""
    with transaction.atomic():
        sku = lock_one(Sku.objects.filter(pk=sku_id))
        sku.status = Sku.Status.ARCHIVED
        sku.save(update_fields=["status"])
        record(action="sku.archive", at=clock.now(), actor=actor, target=sku)
    return sku


def set_breaks(*, sku: Sku, breaks: Mapping[int, Decimal], actor: User | None = None) -> list[QuantityBreak]:
    """Replace the quantity breaks of a SKU: unit price in yuan from how many pieces on. Raises ValidationError.

    Each must be below the list price, and more pieces must not cost more each.
    """
    rows = [QuantityBreak(sku=sku, min_quantity=count, unit_price=price) for count, price in sorted(breaks.items())]
    check_breaks(sku.list_price, [(row.min_quantity, row.unit_price) for row in rows])
    with transaction.atomic():
        QuantityBreak.objects.filter(sku=sku).delete()
        for row in rows:
            row.full_clean()
        QuantityBreak.objects.bulk_create(rows)
        detail = {"breaks": {str(row.min_quantity): str(row.unit_price) for row in rows}}
        record(action="sku.breaks", at=clock.now(), actor=actor, target=sku, detail=detail)
    return rows


def check_breaks(list_price: Decimal, breaks: Sequence[tuple[int, Decimal]]) -> None:
    """Raises ValidationError unless prices fall as quantities rise, from below the list price."""
    last = list_price
    for _count, price in sorted(breaks):
        if price >= last:
            raise ValidationError(BREAKS_RISE)
        last = price


def set_bundle(*, sku: Sku, items: Mapping[int, int], actor: User | None = None) -> list[BundleItem]:
    """Replace what a bundle holds: pieces by the id of the component SKU. Raises BundleRefused.

    Components are key SKUs: a bundle inside a bundle would make the order in which stock is locked unclear.
    """
    components = {one.pk: one for one in Sku.objects.filter(pk__in=items).select_related("product")}
    if sku.product.kind != Product.Kind.BUNDLE or len(components) != len(items) or not items:
        raise BundleRefused
    if any(one.product.kind != Product.Kind.KEY for one in components.values()) or min(items.values()) < 1:
        raise BundleRefused
    with transaction.atomic():
        BundleItem.objects.filter(sku=sku).delete()
        rows = BundleItem.objects.bulk_create(
            BundleItem(sku=sku, component=components[pk], quantity=count) for pk, count in sorted(items.items())
        )
        detail = {"items": {components[pk].code: count for pk, count in items.items()}}
        record(action="sku.bundle", at=clock.now(), actor=actor, target=sku, detail=detail)
    return rows


def save_category(*, category: Category, actor: User | None = None) -> Category:
    """Store a category; its products are found by its name, so they are indexed again. Raises ValidationError."""
    with transaction.atomic():
        before = _values(Category, category.pk, CATEGORY_AUDITED)
        category.full_clean()
        category.save()
        index_products(category.products.all())
        _record_changes("category.save", category, before, CATEGORY_AUDITED, clock.now(), actor)
    return category


def save_label(*, label: Label, actor: User | None = None) -> Label:
    """Store a label and index the products that carry it again. Raises ValidationError."""
    with transaction.atomic():
        before = _values(Label, label.pk, LABEL_AUDITED)
        label.full_clean()
        label.save()
        index_products(label.products.all())
        _record_changes("label.save", label, before, LABEL_AUDITED, clock.now(), actor)
    return label


def _values(model, pk: int | None, names: Sequence[str]) -> dict | None:
    return model.objects.filter(pk=pk).values(*names).first() if pk else None


def _record_changes(action: str, target, before: dict | None, names: Sequence[str], at, actor: User | None) -> None:
    """One audit entry with old and new values of what changed; none when nothing did."""
    after = {name: getattr(target, name) for name in names}
    changed = {
        name: [str(before[name]) if before else None, str(value)]
        for name, value in after.items()
        if before is None or before[name] != value
    }
    if changed:
        record(action=action, at=at, actor=actor, target=target, detail=changed)
