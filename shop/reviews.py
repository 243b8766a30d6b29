"""Reviews as pages show them: a product's, with filter and pages; and the entry beside what a member bought."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from catalog.models import Product, ProductRating, Review, ReviewTicket
from catalog.selectors import (
    may_write,
    published_reviews,
    rating_of,
    review_of,
    shown_name,
    tickets_of_lines,
)
from common import clock

ON_A_PAGE = 10
TONES = {
    Review.State.PENDING: "warn",
    Review.State.PUBLISHED: "success",
    Review.State.REJECTED: "danger",
    Review.State.WITHDRAWN: "",
    Review.State.REMOVED: "",
}


@dataclass(frozen=True)
class Opinion:
    """One review as strangers see it."""

    review: Review

    @property
    def name(self) -> str:
        return shown_name(self.review)


@dataclass(frozen=True)
class Bar:
    """How many reviews gave so many stars, and which part of all they are."""

    stars: int
    count: int
    percent: int


@dataclass(frozen=True)
class Reviews:
    """The reviews of a product, the chosen page of them; `stars` is the filter, 0 for all."""

    rating: ProductRating | None
    stars: int
    page: Page

    @property
    def bars(self) -> list[Bar]:
        if self.rating is None:
            return []
        total = self.rating.count
        return [Bar(stars, count, round(100 * count / total)) for stars, count in self.rating.by_stars.items()]

    @property
    def opinions(self) -> list[Opinion]:
        return [Opinion(review) for review in self.page.object_list]


class _Counted(Paginator):
    """Pages over reviews whose number is known from the rating."""

    def __init__(self, rows, per_page: int, count: int) -> None:
        super().__init__(rows, per_page)
        self.known = count

    @property
    def count(self) -> int:
        return self.known


def reviews_of(product: Product, query: QueryDict) -> Reviews:
    """What an address asks for: `stars` and `page`; what makes no sense counts as not chosen."""
    rating = rating_of(product)
    by_stars = rating.by_stars if rating else {}
    asked = query.get("stars", "")
    stars = int(asked) if asked in {"1", "2", "3", "4", "5"} else 0
    count = by_stars.get(stars, 0) if stars else sum(by_stars.values())
    pages = _Counted(published_reviews(product, stars=stars), ON_A_PAGE, count)
    return Reviews(rating, stars, pages.get_page(query.get("page")))


@dataclass(frozen=True)
class Entry:
    """A member's right to review one line, at one moment."""

    ticket: ReviewTicket
    at: datetime

    @property
    def review(self) -> Review | None:
        return review_of(self.ticket)

    @property
    def may_write(self) -> bool:
        return may_write(self.ticket, self.ticket.window_days, self.at)

    @property
    def may_withdraw(self) -> bool:
        return self.review is not None and Review.State.WITHDRAWN in Review.MOVES[Review.State(self.review.state)]

    @property
    def is_waiting(self) -> bool:
        """Whether there is something for the member to do."""
        return self.review is None and self.may_write

    @property
    def url(self) -> str:
        return reverse("shop:review", args=[self.ticket.public_id])

    @property
    def label(self) -> str:
        if self.review is None:
            return _("评价")
        return _("已评价") if self.review.state == Review.State.PUBLISHED else str(self.review.get_state_display())

    @property
    def tone(self) -> str:
        return TONES[Review.State(self.review.state)] if self.review else ""

    @property
    def is_shown(self) -> bool:
        return self.review is not None or self.may_write


def entries(tickets: Iterable[ReviewTicket]) -> list[Entry]:
    at = clock.now()
    return [Entry(ticket, at) for ticket in tickets]


def entries_of_lines(user: User | None, line_ids: Iterable[int]) -> dict[int, Entry]:
    """What a member may do or has done about these lines, by line; nothing for guests."""
    tickets = tickets_of_lines(user, line_ids) if user else {}
    if not tickets:
        return {}
    return {entry.ticket.line_id: entry for entry in entries(tickets.values()) if entry.is_shown}
