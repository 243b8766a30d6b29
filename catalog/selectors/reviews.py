"""Reading reviews: those that everybody sees, one's own, and whether ratings are what they should be."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import QuerySet, Subquery

from accounts.models import User
from catalog import wording
from catalog.exceptions import ReviewNotFound
from catalog.models import Product, ProductRating, Review, ReviewRules, ReviewTicket
from common.findings import Findings, find

# Below this many reviews a card shows no stars: one opinion is no rating.
ENOUGH = 3


def published_reviews(product: Product, *, stars: int = 0) -> QuerySet[Review]:
    """What everybody sees, newest first; only those with so many stars where `stars` is not 0."""
    found = Review.objects.filter(product=product, state=Review.State.PUBLISHED)
    if stars:
        found = found.filter(stars=stars)
    return found.select_related("user", "ticket__sku").order_by("-published_at", "-pk")


def shown_name(review: Review) -> str:
    """The author as strangers may know them: the name that they chose, else the beginning of it. Sign-in names are theirs."""
    user = review.user
    if review.is_anonymous or not user.display_name:
        return wording.masked(user.display_name or user.username)
    return user.display_name


def rating_of(product: Product) -> ProductRating | None:
    """The product's rating, None without published reviews. `rating` should be selected or prefetched."""
    rating = getattr(product, "rating", None)
    return rating if rating is not None and rating.count else None


def review_rules() -> ReviewRules:
    return ReviewRules.objects.get()


def open_until(ticket: ReviewTicket, window_days: int) -> datetime | None:
    """Until when the line may be reviewed under rules that give so many days; None where it may not at all."""
    if ticket.delivered_at is None or ticket.closed_at is not None:
        return None
    return ticket.delivered_at + timedelta(days=window_days)


def is_open(ticket: ReviewTicket, window_days: int, at: datetime) -> bool:
    """Whether the line's review may be written or edited now, as far as time and refunds go."""
    until = open_until(ticket, window_days)
    return until is not None and at < until


def review_of(ticket: ReviewTicket) -> Review | None:
    """What was written with the ticket; `review` should be selected."""
    return getattr(ticket, "review", None)


def may_write(ticket: ReviewTicket, window_days: int, at: datetime) -> bool:
    """Whether its owner may write the review now, or change the one that is there."""
    review = review_of(ticket)
    movable = review is None or Review.State.PENDING in Review.MOVES[Review.State(review.state)]
    return movable and is_open(ticket, window_days, at)


def tickets_of(user: User) -> QuerySet[ReviewTicket]:
    """The member's delivered lines with their reviews, latest delivery first; refunded ones only where reviewed.

    Each carries `window_days`, what the rules give now.
    """
    found = ReviewTicket.objects.filter(user=user, delivered_at__isnull=False)
    found = found.exclude(closed_at__isnull=False, review=None)
    found = found.annotate(window_days=Subquery(ReviewRules.objects.values("window_days")[:1]))
    return found.select_related("product", "sku", "review").order_by("-delivered_at", "-pk")


def unwritten_of(user: User, at: datetime) -> QuerySet[ReviewTicket]:
    """Lines that the member may still review and has not."""
    since = at - timedelta(days=review_rules().window_days)
    return tickets_of(user).filter(review=None, delivered_at__gt=since)


def written_of(user: User) -> QuerySet[ReviewTicket]:
    """Lines that the member has reviewed, latest review first."""
    return tickets_of(user).filter(review__isnull=False).order_by("-review__pk")


def ticket_of(user: User, public_id: str) -> ReviewTicket:
    """One of the member's tickets. Raises ReviewNotFound."""
    found = tickets_of(user).filter(public_id=public_id).first()
    if found is None:
        raise ReviewNotFound
    return found


def tickets_of_lines(user: User, line_ids: Iterable[int]) -> dict[int, ReviewTicket]:
    """The member's tickets by order line."""
    return {one.line_id: one for one in tickets_of(user).filter(line_id__in=list(line_ids))}


def pending_reviews() -> QuerySet[Review]:
    """The queue of staff, longest waiting first."""
    return Review.objects.filter(state=Review.State.PENDING).order_by("waiting_since", "pk")


def audit_reviews() -> dict[str, Findings]:
    """What is wrong between reviews, tickets and ratings; empty findings where nothing is."""
    return {
        "ratings_unlike_reviews": find(
            "SELECT p.id, p.stars, p.count, COALESCE(r.count, 0) FROM ("
            " SELECT product_id AS id, stars, CASE stars WHEN 1 THEN stars_1 WHEN 2 THEN stars_2 WHEN 3 THEN stars_3"
            "  WHEN 4 THEN stars_4 ELSE stars_5 END AS count"
            " FROM catalog_productrating, generate_series(1, 5) AS stars) p"
            " FULL JOIN (SELECT product_id, stars, count(*) AS count FROM catalog_review WHERE state = 'published'"
            "  GROUP BY product_id, stars) r ON r.product_id = p.id AND r.stars = p.stars"
            " WHERE COALESCE(p.count, 0) <> COALESCE(r.count, 0)"
        ),
        "reviews_of_other_lines": find(
            "SELECT r.id, t.line_id FROM catalog_review r JOIN catalog_reviewticket t ON t.id = r.ticket_id"
            " WHERE (r.user_id, r.product_id) <> (t.user_id, t.product_id) OR t.delivered_at IS NULL"
        ),
    }
