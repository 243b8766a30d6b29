"""What members do with reviews. Staff's part is in `moderation`.

A ticket is opened by the delivery of a line; the review hangs on the ticket, so there is one a line at most.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.services import Limit, record
from catalog import wording
from catalog.exceptions import AlreadyReviewed, BadReview, ReviewClosed, ReviewMoved, ReviewNotFound
from catalog.models import Review, ReviewRules, ReviewTicket
from catalog.models.reviews import MAX_TEXT, MIN_TEXT
from catalog.selectors.reviews import is_open
from catalog.services.ratings import refresh_ratings
from common import clock
from common.concealing import conceal
from common.ids import public_id
from common.locks import lock_one
from common.sql import run
from events.contracts import Line, OrderDelivered, RefundedLine, ReviewWithdrawn
from events.services import emit

State = Review.State
# What one member may hand in, through pages and API together: each text is read by a person.
LIMIT = Limit("review", burst=20, every=timedelta(minutes=10))

_TOLD = """
INSERT INTO catalog_reviewticket (public_id, line_id, product_id, sku_id, user_id, storefront_id, delivered_at, closed_at)
SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[],
    %s::timestamptz[])
ON CONFLICT (line_id) DO UPDATE SET
    sku_id = coalesce(catalog_reviewticket.sku_id, excluded.sku_id),
    delivered_at = coalesce(catalog_reviewticket.delivered_at, excluded.delivered_at),
    closed_at = coalesce(catalog_reviewticket.closed_at, excluded.closed_at)
"""


def open_tickets(*, user_id: int, storefront_id: int, lines: Sequence[Line], delivered_at: datetime) -> None:
    """Give the buyer the right to review these lines, which were delivered. Told again, it changes nothing."""
    _tell([(line.id, line.product_id, line.sku_id, user_id, storefront_id, delivered_at, None) for line in lines])


def open_many_tickets(*, deliveries: Sequence[OrderDelivered]) -> None:
    """The same for many deliveries at once. Locks the tickets by line."""
    _tell(
        [
            (line.id, line.product_id, line.sku_id, one.user_id, one.storefront_id, one.delivered_at, None)
            for one in deliveries
            for line in one.lines
        ]
    )


def close_tickets(*, user_id: int, storefront_id: int, lines: Sequence[RefundedLine], at: datetime) -> None:
    """Lines that were refunded in whole can be reviewed no more. What was written before stays: it is true."""
    _tell([(line.id, line.product_id, None, user_id, storefront_id, None, at) for line in lines if line.complete])


def _tell(told: Iterable[tuple]) -> None:
    """Write what is known of lines, as the columns after the public id, into their tickets, whichever news came first.

    In the order of lines, each once: of one line the first that is given.
    """
    rows: dict[int, tuple] = {}
    for row in sorted(told, key=lambda row: row[0]):
        rows.setdefault(row[0], row)
    if rows:
        columns = [list(column) for column in zip(*rows.values(), strict=True)]
        run(_TOLD, [[public_id() for _row in rows], *columns])


def write_review(*, ticket_id: str, user: User, stars: int, text: str, is_anonymous: bool) -> Review:
    """Submit the review of a delivered line (`ticket_id` is the ticket's public id); it waits for staff.

    The same content again gives the same review. Locks the ticket. Raises ReviewNotFound, BadReview, ReviewClosed,
    AlreadyReviewed.
    """
    text = checked(stars, text)
    with transaction.atomic():
        at, rules = clock.now(), ReviewRules.objects.get()
        try:
            ticket = lock_one(ReviewTicket.objects.filter(public_id=ticket_id, user=user))
        except ReviewTicket.DoesNotExist as error:
            raise ReviewNotFound from error
        text = _concealed(text, ticket)
        known = Review.objects.filter(ticket=ticket).first()
        if known is not None:
            if (known.stars, known.text, known.is_anonymous) == (stars, text, is_anonymous):
                return known
            raise AlreadyReviewed
        _check_open(ticket, rules.window_days, at)
        flags = wording.flags_of(text, rules.words.splitlines())
        review = Review.objects.create(
            ticket=ticket,
            product_id=ticket.product_id,
            user=user,
            stars=stars,
            text=text,
            is_anonymous=is_anonymous,
            flags=flags,
            is_flagged=bool(flags),
            written_at=at,
            waiting_since=at,
        )
        record(action="review.write", at=at, actor=user, target=review, detail={"facts": _facts(review)})
    return review


def edit_review(*, review_id: str, user: User, stars: int, text: str, is_anonymous: bool) -> Review:
    """Change a review (by public id); it goes back to the queue and is not shown until staff have read it again.

    Locks the review, then its product's rating. Raises ReviewNotFound, BadReview, ReviewClosed, ReviewMoved.
    """
    text = checked(stars, text)
    with transaction.atomic():
        at, rules = clock.now(), ReviewRules.objects.get()
        review = _own(review_id, user)
        text = _concealed(text, review.ticket)
        if (review.stars, review.text, review.is_anonymous) == (stars, text, is_anonymous):
            return review
        move(review, State.PENDING)
        _check_open(review.ticket, rules.window_days, at)
        was_shown = review.state == State.PUBLISHED
        # The words themselves go when their author goes, and nothing can be taken out of the log.
        detail = {"was": "★" * review.stars, "before": len(review.text), "length": len(text)}
        flags = wording.flags_of(text, rules.words.splitlines())
        review.state, review.stars, review.text, review.is_anonymous = State.PENDING, stars, text, is_anonymous
        review.flags, review.is_flagged = flags, bool(flags)
        review.version += 1
        review.edited_at = review.waiting_since = at
        review.reason = review.reason_note = ""
        review.save()
        record(action="review.edit", at=at, actor=user, target=review, detail={**detail, "facts": _facts(review)})
        if was_shown:
            refresh_ratings(product_ids=[review.product_id])
    return review


def withdraw_review(*, review_id: str, user: User) -> Review:
    """The author takes the review back for good; told again, it changes nothing. Locks the review, then the rating.

    Raises ReviewNotFound, ReviewMoved for one that staff took off.
    """
    with transaction.atomic():
        at = clock.now()
        review = _own(review_id, user)
        if review.state == State.WITHDRAWN:
            return review
        move(review, State.WITHDRAWN)
        was_shown = review.state == State.PUBLISHED
        review.state = State.WITHDRAWN
        stop_counting(review, at=at, cause="author")
        review.save(update_fields=["state", "is_counted"])
        record(action="review.withdraw", at=at, actor=user, target=review)
        if was_shown:
            refresh_ratings(product_ids=[review.product_id])
    return review


def checked(stars: int, text: str) -> str:
    """The text as it will be kept. Raises BadReview with the code bad_stars, review_too_short or review_too_long."""
    if isinstance(stars, bool) or stars not in range(1, 6):
        raise BadReview("bad_stars", _("请选择 1 到 5 星"))
    text = wording.tidy(text)
    if not wording.says_something(text, at_least=MIN_TEXT):
        raise BadReview("review_too_short", _("评价至少写 %(least)s 个字"), least=MIN_TEXT)
    if len(text) > MAX_TEXT:
        raise BadReview("review_too_long", _("评价最多 %(most)s 个字"), most=MAX_TEXT)
    return text


def move(review: Review, to: str) -> None:
    """Raises ReviewMoved unless the locked review may move there."""
    if to not in Review.MOVES[State(review.state)]:
        raise ReviewMoved


def stop_counting(review: Review, *, at: datetime, cause: str) -> None:
    """Tell the other rooms that a review they count is no longer published; the caller saves `is_counted`."""
    if not review.is_counted:
        return
    review.is_counted = False
    told = ReviewWithdrawn(
        review_id=review.pk,
        user_id=review.user_id,
        storefront_id=review.ticket.storefront_id,
        product_id=review.product_id,
        line_id=review.ticket.line_id,
        stars=review.stars,
        published_at=review.published_at,
        occurred_at=at,
        cause=cause,
    )
    emit(told, at=at)


def _concealed(text: str, ticket: ReviewTicket) -> str:
    return conceal(text, lines=[ticket.line_id], products=[ticket.product_id])[:MAX_TEXT]


def _facts(review: Review) -> dict:
    return {"stars": review.stars, "version": review.version, "flags": review.flags}


def _own(review_id: str, user: User) -> Review:
    """The author's review, locked."""
    try:
        return lock_one(Review.objects.filter(public_id=review_id, user=user).select_related("ticket"))
    except Review.DoesNotExist as error:
        raise ReviewNotFound from error


def _check_open(ticket: ReviewTicket, window_days: int, at: datetime) -> None:
    if not is_open(ticket, window_days, at):
        raise ReviewClosed
