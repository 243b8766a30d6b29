"""Products as a page shows them: prices for this visitor, stock in words, badges in one fixed order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.models import Product, ProductRating, QuantityBreak, Sku
from catalog.selectors import ENOUGH, PLENTY, listed_with_skus, rating_of, shown_stock, with_skus
from common.texts import foreign, in_language
from membership.selectors import HigherPrice, Holding, Ladder, perks_of_tier, price_ladder, prices_of
from tenancy.models import Storefront

BADGES_ON_A_CARD = 2


@dataclass(frozen=True)
class Stock:
    """`level` is plenty, low or out; `left` counts pieces and is exact unless plenty."""

    left: int

    @property
    def level(self) -> str:
        return "plenty" if self.left >= PLENTY else "low" if self.left else "out"


@dataclass(frozen=True)
class Badge:
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Offer:
    """One SKU for this visitor. Prices in yuan per piece; `why` explains a price below the list price, `higher` is what
    the next tier pays less."""

    sku: Sku
    price: Decimal
    why: str
    stock: Stock
    breaks: Sequence[QuantityBreak] = ()
    higher: HigherPrice | None = None
    most: int = 0

    @property
    def list_price(self) -> Decimal:
        return self.sku.list_price

    @property
    def is_my_price(self) -> bool:
        return self.price < self.sku.list_price


@dataclass(frozen=True)
class Card:
    product: Product
    offers: tuple[Offer, ...]

    @property
    def url(self) -> str:
        return reverse("shop:product", args=[self.product.slug])

    @property
    def name(self) -> str:
        return str(self.product)

    @property
    def name_lang(self) -> str:
        return foreign(self.product.name_en)

    @property
    def cover(self) -> str:
        return self.product.cover.url if self.product.cover else ""

    @property
    def cheapest(self) -> Offer:
        """The cheapest offer that can be bought now; the cheapest of all when none can."""
        there = [offer for offer in self.offers if offer.stock.left] or self.offers
        return min(there, key=lambda offer: offer.price)

    @property
    def price(self) -> Decimal:
        return self.cheapest.price

    @property
    def price_from(self) -> bool:
        """Whether other SKUs cost more than the price shown."""
        return any(offer.price > self.price for offer in self.offers)

    @property
    def is_my_price(self) -> bool:
        return self.cheapest.is_my_price

    @property
    def stock(self) -> Stock:
        return Stock(min(PLENTY, sum(offer.stock.left for offer in self.offers)))

    @property
    def sold(self) -> int:
        return sum(offer.sku.figure.sold for offer in self.offers if hasattr(offer.sku, "figure"))

    @property
    def rating(self) -> ProductRating | None:
        """What buyers gave it, once there are enough of them to mean something."""
        rating = rating_of(self.product)
        return rating if rating is not None and rating.count >= ENOUGH else None

    @property
    def delivery(self) -> str:
        """ "自动发货 · 约3秒": how the goods come, and how soon."""
        promise = in_language(self.product.delivery_promise, self.product.delivery_promise_en)
        return " · ".join(filter(None, [delivery_word(self.product), promise or default_promise(self.product)]))

    @property
    def badges(self) -> list[Badge]:
        return self.all_badges[:BADGES_ON_A_CARD]

    @property
    def all_badges(self) -> list[Badge]:
        """Labels in their own order, then quantity prices."""
        badges = [Badge(str(label), label.tone) for label in self.product.labels.all()]
        if any(offer.sku.has_breaks for offer in self.offers):
            badges.append(Badge(_("批发价")))
        return badges


def delivery_word(product: Product) -> str:
    if product.kind == Product.Kind.TOP_UP:
        return _("直充")
    if product.kind == Product.Kind.PRESALE:
        return _("预售")
    return _("人工发货") if product.kind == Product.Kind.MANUAL else _("自动发货")


def default_promise(product: Product) -> str:
    return _("约3秒") if product.kind in {Product.Kind.KEY, Product.Kind.REUSABLE, Product.Kind.BUNDLE} else ""


def cards(products: Iterable[Product], held: Holding | None) -> list[Card]:
    """Cards in the given order, for the member who holds a tier (None: a guest). A product without a SKU on sale is left
    out. For lists: the offers tell nothing of quantity prices but that there are some."""

    def prices(skus: Sequence[Sku]) -> Ladder:
        return Ladder(prices_of(held, skus) if held is not None else {}, {})

    return _cards(listed_with_skus(products), prices, {})


def product_card(product: Product, *, storefront: Storefront, user_id: int | None) -> Card:
    """The card of one product on sale, with what higher tiers pay."""
    products = with_skus([product])
    breaks = {sku.pk: tuple(sku.breaks.all()) for sku in products[0].active_skus}

    def prices(skus: Sequence[Sku]) -> Ladder:
        return price_ladder(user_id=user_id, storefront_id=storefront.pk, skus=skus)

    return _cards(products, prices, breaks)[0]


def _cards(
    products: Sequence[Product],
    prices: Callable[[Sequence[Sku]], Ladder],
    breaks: Mapping[int, Sequence[QuantityBreak]],
) -> list[Card]:
    skus = [sku for product in products for sku in product.active_skus]
    ladder, left = prices(skus), shown_stock(skus)
    made = (
        Card(
            product,
            tuple(_offer(sku, ladder, left[sku.pk], breaks.get(sku.pk, ())) for sku in product.active_skus),
        )
        for product in products
    )
    return [card for card in made if card.offers]


def _offer(sku: Sku, ladder: Ladder, left: int, breaks: Sequence[QuantityBreak]) -> Offer:
    mine = ladder.own.get(sku.pk)
    return Offer(
        sku=sku,
        price=mine.unit_price if mine else sku.list_price,
        why=mine.why if mine else "",
        stock=Stock(left),
        breaks=breaks,
        higher=ladder.higher.get(sku.pk),
        most=perks_of_tier(ladder.tier).most_of(sku.max_quantity),
    )
