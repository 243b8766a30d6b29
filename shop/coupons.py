"""The coupon at a checkout: the best one proposed, another or none chosen."""

from dataclasses import dataclass

from django.http import HttpRequest

from common.exceptions import DomainError
from marketing.exceptions import CouponGone, CouponUnusable
from marketing.selectors import Offer
from orders.services import AUTO, Quote, coupon_offers, with_offer


@dataclass(frozen=True)
class Chosen:
    """`quote` has the coupon in it. `sent` is what the form sends along; `refusal` says why a choice was not kept."""

    quote: Quote
    offers: list[Offer]
    refusal: DomainError | None = None

    @property
    def sent(self) -> str:
        return self.quote.coupon.public_id if self.quote.coupon else ""

    @property
    def usable(self) -> int:
        """How many coupons work for this order."""
        return sum(offer.works for offer in self.offers)


def choose(request: HttpRequest, plain: Quote, wish: str) -> Chosen:
    """`wish` is a coupon's public id, AUTO for the best, "" for none. What does not work gives way to the best, and is told."""
    offers = coupon_offers(plain, storefront=request.storefront, user_id=request.user.pk)
    best = next((offer for offer in offers if offer.works), None)
    if wish == AUTO or (wish and not request.user.is_authenticated):
        return Chosen(with_offer(plain, best) if best else plain, offers)
    if not wish:
        return Chosen(plain, offers)
    wanted = next((offer for offer in offers if offer.coupon.public_id == wish), None)
    if wanted is not None and wanted.works:
        return Chosen(with_offer(plain, wanted), offers)
    refusal = CouponUnusable(reason=wanted.discount.reason) if wanted is not None else CouponGone()
    return Chosen(with_offer(plain, best) if best else plain, offers, refusal)
