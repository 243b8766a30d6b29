"""Two at once about one review: one wins, the rating is exact, the news is told once."""

import pytest

from catalog.exceptions import AlreadyReviewed, ReviewMoved
from catalog.models import Review
from catalog.selectors import audit_reviews, rating_of
from catalog.services.reviews import edit_review, withdraw_review
from events.models import Event
from tests.opinions import publish, published, ticket_of, write

pytestmark = pytest.mark.django_db(transaction=True)
EDITORS = 6


def published_events() -> int:
    return Event.objects.filter(kind="review.published").count()


def test_a_double_click_writes_one_review(race, alice):
    ticket = ticket_of(alice)
    results = race.run(*[lambda: write(ticket)] * 6)
    assert len({review.pk for review in results}) == 1 == Review.objects.count()


def test_of_different_texts_one_is_kept(race, alice):
    ticket = ticket_of(alice)
    results = race.run(*[lambda n=n: write(ticket, stars=n) for n in range(1, 6)])
    assert sorted(type(one).__name__ for one in results) == [AlreadyReviewed.__name__] * 4 + ["Review"]
    assert Review.objects.count() == 1


def test_two_of_the_staff_publish_it_once(race, alice, olga):
    review = write(ticket_of(alice))
    assert sorted(race.run(*[lambda: publish(review, actor=olga)] * 4)) == [0, 0, 0, 1]
    assert published_events() == 1


def test_ratings_are_exact_when_many_publish_at_once(race, make_member, shelf):
    sku = shelf.sku("1.00", keys=EDITORS)
    reviews = [write(ticket_of(make_member(balance="10"), sku), stars=1 + n % 5) for n in range(EDITORS)]
    assert race.run(*[lambda r=r: publish(r) for r in reviews]) == [1] * EDITORS
    assert rating_of(type(sku.product).objects.get(pk=sku.product_id)).count == EDITORS
    assert not any(audit_reviews().values())


def test_an_edit_never_slips_past_the_reader(race, alice):
    """Either the old text is published and the edit waits, or the edit comes first and nothing is published."""
    for _round in range(6):
        review = write(ticket_of(alice))
        race.run(
            lambda r=review: publish(r),
            lambda r=review: edit_review(
                review_id=r.public_id, user=alice, stars=1, text="加我微信拿低价卡密", is_anonymous=False
            ),
        )
        review.refresh_from_db()
        assert (review.state, review.version) == ("pending", 2)
    assert not any(audit_reviews().values())


def test_withdrawn_while_it_is_published(race, alice):
    for _round in range(6):
        review = write(ticket_of(alice))
        results = race.run(
            lambda r=review: publish(r), lambda r=review: withdraw_review(review_id=r.public_id, user=alice)
        )
        assert not [one for one in results if isinstance(one, Exception) and not isinstance(one, ReviewMoved)]
        review.refresh_from_db()
        assert (review.state, review.is_counted) == ("withdrawn", False)
    withdrawn = Event.objects.filter(kind="review.withdrawn").count()
    assert withdrawn == published_events(), "what was told as published was told as withdrawn"


def test_withdrawing_twice_tells_it_once(race, alice):
    review = published(alice)
    race.run(*[lambda: withdraw_review(review_id=review.public_id, user=alice)] * 4)
    assert Event.objects.filter(kind="review.withdrawn").count() == 1
