"""Members who bought something and have an opinion of it, made the way the shop makes them."""

from accounts.models import User
from catalog.models import Review, ReviewTicket, Sku
from catalog.services.moderation import publish_reviews
from catalog.services.reviews import write_review
from events.services import relay
from tests.shelf import Shelf

GOOD = "秒到账，第二次买了，靠谱"


def ticket_of(user: User, sku: Sku | None = None) -> ReviewTicket:
    """The member buys a piece; the news of the delivery opens the right to review it."""
    shelf = Shelf()
    order = shelf.buy(user, (sku or shelf.sku(keys=1), 1), from_wallet=True)
    relay()
    return ReviewTicket.objects.get(line_id=order.lines.get().pk)


def write(ticket: ReviewTicket, stars: int = 5, text: str = GOOD, is_anonymous: bool = False) -> Review:
    return write_review(ticket_id=ticket.public_id, user=ticket.user, stars=stars, text=text, is_anonymous=is_anonymous)


def publish(*reviews: Review, actor: User | None = None) -> int:
    return publish_reviews(seen={review.pk: review.version for review in reviews}, actor=actor)


def published(user: User, sku: Sku | None = None, stars: int = 5, text: str = GOOD, **more) -> Review:
    """A review that everybody sees."""
    review = write(ticket_of(user, sku), stars, text, **more)
    assert publish(review) == 1
    review.refresh_from_db()
    return review
