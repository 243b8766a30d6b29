"""Search: as typed, then by sound, then by likeness. The first stage that finds something answers."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db import connection, transaction
from django.db.models import BooleanField, Case, F, FloatField, Func, IntegerField, QuerySet, Value, When
from django.db.models.functions import Cast, Greatest, Ln

from catalog import words
from catalog.models import Product
from catalog.selectors.shelves import Filters, filtered, on_sale
from tenancy.models import Storefront

# Below this likeness a guess is more of a nuisance than a help.
LIKE_ENOUGH = 0.3
MAX_LIKE = 100


@dataclass(frozen=True)
class Found:
    """`how` says what the products have in common with the words: typed, sound or like; empty when nothing was asked."""

    products: QuerySet[Product]
    how: str


def search(*, storefront: Storefront, text: str, filters: Filters, until: datetime | None = None) -> Found:
    """Products for what somebody typed: Chinese, pinyin, initials or Latin words, with typos forgiven.

    Sorted by relevance unless `filters.sort` says otherwise. Without a letter or digit in `text` it is the plain list.
    `until` as in `on_sale`. The likeness stage returns at most MAX_LIKE products.
    """
    pool = filtered(on_sale(storefront=storefront, until=until), filters)
    query = words.tsquery(text)
    if not query:
        return Found(pool, "")
    for how, expression in (("typed", query), ("sound", words.homophone_query(text))):
        hits = pool.filter(matches(expression))
        if hits.exists():
            return Found(hits if filters.sort else _ranked(hits, expression), how)
    return Found(_alike(pool, text, filters.sort), "like")


def matches(query: str) -> Func:
    """A condition on Product: its lexemes fit this tsquery literal."""
    return Func(
        F("search_document"),
        Value(query),
        template="(%(expressions)s::tsquery)",
        arg_joiner=" @@ ",
        output_field=BooleanField(),
    )


def _ranked(hits: QuerySet[Product], query: str) -> QuerySet[Product]:
    """By how well the words fit; the operator's weight and what sells decide between equals."""
    rank = Func(
        F("search_document"),
        Value(query),
        template="ts_rank(%(expressions)s::tsquery)",
        output_field=FloatField(),
    )
    weight = Cast(F("search_weight"), FloatField()) * 0.05
    popular = Ln(Cast(F("sold"), FloatField()) + 1.0) * 0.01
    return hits.annotate(relevance=rank + weight + popular).order_by("-relevance", "position", "-pk")


def _alike(pool: QuerySet[Product], text: str, sort: str) -> QuerySet[Product]:
    """Products whose name or its sound shares trigrams with the words; the index finds them, so ids come first."""
    wanted = words.plain(text[: words.MAX_QUERY])
    sound = "".join(words.syllables(wanted))
    likeness = Greatest(TrigramWordSimilarity(wanted, "search_text"), TrigramWordSimilarity(sound, "search_text"))
    near = Product.objects.filter(search_text__trigram_word_similar=wanted)
    near |= Product.objects.filter(search_text__trigram_word_similar=sound)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pg_trgm.word_similarity_threshold', %s, true)", [str(LIKE_ENOUGH)])
        ranked = near.annotate(likeness=likeness).order_by("-likeness", "-pk")
        pks = list(ranked.values_list("pk", flat=True)[:MAX_LIKE])
    hits = pool.filter(pk__in=pks)
    if sort or not pks:
        return hits
    places = [When(pk=pk, then=Value(place)) for place, pk in enumerate(pks)]
    return hits.order_by(Case(*places, default=Value(MAX_LIKE), output_field=IntegerField()))
