"""Filling the shelves of the demo shop: goods, covers, keys. Every step can be repeated and then does nothing."""

import io
import random
from collections.abc import Callable

from django.core.files.base import ContentFile

from accounts.models import User
from catalog.models import Category, KeyBatch, Label, Product, QuantityBreak, ReusableSecret, Sku
from catalog.services import covers as cover_services
from catalog.services import goods, importing, keys
from shop.demo import content
from shop.demo.covers import cover, short_sizes
from shop.demo.keys import FILES, make_keys

LABELS = {
    "hot": Label(code="hot", name="热门", name_en="Popular", tone=Label.Tone.PRIMARY, position=1),
    "deal": Label(code="deal", name="低价", name_en="Deal", tone=Label.Tone.WARN, position=2),
    "new": Label(code="new", name="新品", name_en="New", tone=Label.Tone.SUCCESS, position=3),
}


def stock_shop(*, actor: User, told: Callable[[], None]) -> None:
    """Put everything on sale; `told` is called after each SKU."""
    labels = {code: _label(label, actor) for code, label in LABELS.items()}
    for place, wanted in enumerate(content.categories()):
        category = _category(wanted, place, actor)
        for number, product in enumerate(wanted.products):
            _product(product, category, number, wanted.motif, labels, actor)
            for sku_number, sku in enumerate(product.skus):
                _sku(sku, product, sku_number, actor)
                told()


def sku_count() -> int:
    return sum(len(product.skus) for product in content.products())


def _label(label: Label, actor: User) -> Label:
    return Label.objects.filter(code=label.code).first() or goods.save_label(label=label, actor=actor)


def _category(wanted: content.DemoCategory, place: int, actor: User) -> Category:
    found = Category.objects.filter(slug=wanted.slug).first()
    if found is not None:
        return found
    category = Category(
        slug=wanted.slug, code=wanted.code, name=wanted.name, name_en=wanted.name_en, icon=wanted.icon, position=place
    )
    return goods.save_category(category=category, actor=actor)


def _product(
    wanted: content.DemoProduct, category: Category, place: int, motif: str, labels: dict[str, Label], actor: User
) -> Product:
    found = Product.objects.filter(slug=wanted.slug).first()
    if found is not None:
        return found
    texts = (
        "slug",
        "kind",
        "name",
        "name_en",
        "summary",
        "summary_en",
        "description",
        "description_en",
        "guide",
        "guide_en",
        "warranty_days",
        "delivery_promise",
        "delivery_promise_en",
    )
    product = Product(
        **{name: getattr(wanted, name) for name in texts},
        category=category,
        status=Product.Status.ON_SALE,
        buyer_fields=list(wanted.fields),
        position=place,
    )
    goods.save_product(product=product, actor=actor)
    goods.set_labels(product=product, labels=[labels[code] for code in wanted.labels], actor=actor)
    picture = cover(motif=motif, place=place, **wanted.cover, sizes=short_sizes([sku.name for sku in wanted.skus]))
    cover_services.set_cover(product=product, file=ContentFile(picture.encode(), name="cover.svg"), actor=actor)
    return product


def _sku(wanted: content.DemoSku, product: content.DemoProduct, place: int, actor: User) -> Sku:
    owner = Product.objects.get(slug=product.slug)
    sku = Sku.objects.select_related("product").filter(code=wanted.code).first()
    if sku is None:
        sku = Sku(
            product=owner,
            code=wanted.code,
            name=wanted.name,
            name_en=wanted.name_en,
            list_price=wanted.price,
            cost=wanted.cost,
            position=place,
        )
        goods.save_sku(sku=sku, actor=actor)
    if wanted.breaks and not QuantityBreak.objects.filter(sku=sku).exists():
        goods.set_breaks(sku=sku, breaks=wanted.breaks, actor=actor)
    if wanted.items and not sku.bundle_items.exists():
        parts = dict(Sku.objects.filter(code__in=wanted.items).values_list("code", "pk"))
        goods.set_bundle(sku=sku, items={parts[code]: count for code, count in wanted.items.items()}, actor=actor)
    if product.secret and not ReusableSecret.objects.filter(sku=sku).exists():
        keys.set_reusable(sku=sku, text=product.secret, actor=actor)
    if wanted.stock:
        fill(sku, product, wanted.stock, delivery=1, actor=actor)
    return sku


def fill(sku: Sku, product: content.DemoProduct, count: int, *, delivery: int, actor: User) -> KeyBatch:
    """Import delivery number `delivery` of a SKU, once: the file of the same number is always the same file."""
    # Play keys, which have to come out the same at every run.
    rng = random.Random(f"{sku.code}:{delivery}")
    filename, file = FILES[product.file](make_keys(product.key, count, rng), product.name)
    note = f"demo {delivery}"
    batch = KeyBatch.objects.filter(sku=sku, note=note).exclude(state=KeyBatch.State.CANCELLED).first()
    if batch is None:
        batch = importing.receive_file(sku=sku, file=io.BytesIO(file), filename=filename, actor=actor, note=note)
    batch = importing.check_batch(batch_id=batch.pk)
    if batch.state == KeyBatch.State.READY:
        batch = importing.confirm_batch(batch_id=batch.pk, actor=actor)
    return importing.import_batch(batch_id=batch.pk)
