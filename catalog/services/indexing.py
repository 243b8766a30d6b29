"""Keeping the search index of products."""

from collections.abc import Iterable

from django.db.models import prefetch_related_objects
from django.db.models.expressions import RawSQL

from catalog import words
from catalog.models import Product, Sku


def index_product(product: Product) -> None:
    """Bring one product's lexemes, sort key and trigram text up to date."""
    index_products([product])


def index_products(products: Iterable[Product]) -> int:
    """Bring the index of these products up to date, in the caller's transaction; returns how many."""
    products = list(products)
    fresh = list(Product.objects.filter(pk__in=[one.pk for one in products]).select_related("category"))
    prefetch_related_objects(fresh, "labels", "skus")
    for product in fresh:
        Product.objects.filter(pk=product.pk).update(
            name_pinyin=words.sort_key(product.name),
            search_text=_sound(product),
            search_document=RawSQL("%s::tsvector", [document(product)]),
        )
    return len(fresh)


def _sound(product: Product) -> str:
    return " ".join(filter(None, [words.sound(product.name), words.plain(product.name_en)]))


def document(product: Product) -> str:
    """The tsvector of a product: its names weigh most, then what it is sold as, then its summary."""
    skus = [one for one in product.skus.all() if one.status != Sku.Status.ARCHIVED]
    names = words.words(product.name) + words.words(product.name_en) + words.pinyin_words(product.name)
    around = [product.category.name, product.category.name_en]
    around += [text for label in product.labels.all() for text in (label.name, label.name_en)]
    around += [text for sku in skus for text in (sku.name, sku.name_en, sku.code)]
    summary = words.words(product.summary) + words.words(product.summary_en)
    return words.tsvector(
        [
            ("A", names),
            ("B", [word for text in around for word in words.words(text)] + words.pinyin_words(product.category.name)),
            ("C", summary),
        ]
    )
