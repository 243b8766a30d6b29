"""What staff do with reviews: publish, reject, take off, reply, and set the rules."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.services import record
from catalog import wording
from catalog.exceptions import BadReview, ReviewMoved
from catalog.models import Review, ReviewRules
from catalog.models.reviews import MAX_TEXT
from catalog.services.ratings import refresh_ratings
from catalog.services.reviews import stop_counting
from common import clock
from common.concealing import conceal
from common.locks import lock, lock_one
from events.contracts import ReviewPublished, ReviewRejected
from events.services import emit

State = Review.State
WINDOW = range(1, 3651)
MAX_WORDS = 500


def publish_reviews(*, seen: Mapping[int, int], actor: User | None) -> int:
    """Publish the reviews that wait, as staff have read them; returns how many.

    `seen` holds the version that was read by review id: one that its author edited since is left in the queue. Locks the
    reviews, then the ratings of their products.
    """

    def publish(review: Review, at: datetime) -> None:
        review.state, review.is_counted = State.PUBLISHED, True
        review.published_at = review.published_at or at
        review.reason = review.reason_note = ""
        told = ReviewPublished(
            review_id=review.pk,
            user_id=review.user_id,
            storefront_id=review.ticket.storefront_id,
            product_id=review.product_id,
            line_id=review.ticket.line_id,
            stars=review.stars,
            published_at=review.published_at,
            occurred_at=at,
        )
        emit(told, at=at)

    return _decide(seen, publish, to=State.PUBLISHED, action="review.publish", actor=actor)


def reject_reviews(*, seen: Mapping[int, int], reason: str, note: str = "", actor: User | None) -> int:
    """Turn down reviews that wait, for a reason (Review.Reason) that their authors read; returns how many.

    `seen` and locks as in `publish_reviews`. Raises BadReview for "other" without a note.
    """
    reason, note = _told_reason(reason, note)

    def reject(review: Review, at: datetime) -> None:
        review.state, review.reason, review.reason_note = State.REJECTED, reason, _concealed(note, review)
        stop_counting(review, at=at, cause="rejected")
        told = ReviewRejected(
            review_id=review.pk,
            user_id=review.user_id,
            storefront_id=review.ticket.storefront_id,
            product_id=review.product_id,
            line_id=review.ticket.line_id,
            occurred_at=at,
        )
        emit(told, at=at)

    return _decide(seen, reject, to=State.REJECTED, action="review.reject", actor=actor)


def remove_reviews(*, review_ids: Iterable[int], reason: str, note: str = "", actor: User | None) -> int:
    """Take published reviews off for good, for a reason that their authors read; returns how many.

    Locks and errors as above.
    """
    reason, note = _told_reason(reason, note)

    def remove(review: Review, at: datetime) -> None:
        review.state, review.reason, review.reason_note = State.REMOVED, reason, _concealed(note, review)
        stop_counting(review, at=at, cause="removed")

    return _decide(dict.fromkeys(review_ids), remove, to=State.REMOVED, action="review.remove", actor=actor)


def _told_reason(reason: str, note: str) -> tuple[Review.Reason, str]:
    """What the author reads: "other" alone says nothing. Raises BadReview."""
    if reason not in Review.Reason.values:
        raise BadReview("bad_reason", _("请选择原因"))
    note = wording.tidy(note)[:200]
    if reason == Review.Reason.OTHER and not note:
        raise BadReview("bad_reason", _("请写明原因，作者会看到"))
    return Review.Reason(reason), note


def _concealed(text: str, review: Review, *, most: int = 200) -> str:
    return conceal(text, lines=[review.ticket.line_id], products=[review.product_id])[:most]


def _decide(
    seen: Mapping[int, int | None],
    change: Callable[[Review, datetime], None],
    *,
    to: str,
    action: str,
    actor: User | None,
) -> int:
    """Do `change` to those that may move there and are as they were seen (None: in any version)."""
    with transaction.atomic():
        at = clock.now()
        found = lock(Review.objects.filter(pk__in=list(seen)).select_related("ticket"))
        # An edit leads from waiting to waiting; a decision is made once.
        fit = [one for one in found if to in Review.MOVES[State(one.state)] and seen[one.pk] in {None, one.version}]
        for review in fit:
            change(review, at)
            review.decided_at, review.decided_by_id = at, actor.pk if actor else None
            review.save()
            facts = {"version": review.version, "stars": review.stars, "reason": review.reason}
            detail = {"facts": facts, "note": review.reason_note}
            record(action=action, at=at, actor=actor, target=review, detail=detail)
        refresh_ratings(product_ids=[one.product_id for one in fit])
    return len(fit)


def reply_to_review(*, review_id: int, text: str, actor: User | None) -> Review:
    """Answer a review in public; an empty text takes the answer back. Locks the review. Raises BadReview, ReviewMoved."""
    text = wording.tidy(text)
    if len(text) > MAX_TEXT:
        raise BadReview("reply_too_long", _("回复最多 %(most)s 个字"), most=MAX_TEXT)
    with transaction.atomic():
        at = clock.now()
        review = lock_one(Review.objects.filter(pk=review_id))
        if review.state in {State.WITHDRAWN, State.REMOVED}:
            raise ReviewMoved
        text = _concealed(text, review, most=MAX_TEXT)
        if review.reply == text:
            return review
        record(action="review.reply", at=at, actor=actor, target=review, detail={"was": review.reply, "reply": text})
        review.reply, review.replied_at = text, at if text else None
        review.save(update_fields=["reply", "replied_at"])
    return review


def set_review_rules(*, window_days: int, words: Iterable[str], actor: User | None) -> ReviewRules:
    """Set for how long after delivery reviews may be written, and which words are pointed out to staff from now on.

    Locks the rules. Raises BadReview.
    """
    words = list(dict.fromkeys(word.strip() for word in words if wording.bare(word)))
    if window_days not in WINDOW:
        raise BadReview("bad_window", _("评价期限须为 1 到 3650 天"))
    if len(words) > MAX_WORDS:
        raise BadReview("too_many_words", _("敏感词最多 %(most)s 个"), most=MAX_WORDS)
    with transaction.atomic():
        at = clock.now()
        rules = lock_one(ReviewRules.objects.all())
        before = {"window_days": rules.window_days, "words": rules.words.splitlines()}
        after = {"window_days": window_days, "words": words}
        if before != after:
            rules.window_days, rules.words = window_days, "\n".join(words)
            rules.save()
            changed = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
            record(action="review.rules", at=at, actor=actor, target=rules, detail=changed)
    return rules
