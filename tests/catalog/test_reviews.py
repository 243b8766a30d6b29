"""Reviews: who may write one, the way to publication and back, and what other rooms are told."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from audit.models import AuditEntry
from catalog.exceptions import AlreadyReviewed, BadReview, ReviewClosed, ReviewMoved, ReviewNotFound
from catalog.models import ProductRating, Review, ReviewRules, ReviewTicket
from catalog.selectors import audit_reviews, published_reviews, rating_of, shown_name, tickets_of, tickets_of_lines
from catalog.services.moderation import reject_reviews, remove_reviews, reply_to_review, set_review_rules
from catalog.services.ratings import refresh_ratings
from catalog.services.reviews import close_tickets, edit_review, open_tickets, withdraw_review, write_review
from common import clock
from events.contracts import Line, RefundedLine
from events.models import Event
from events.services import relay
from orders.services import receive_payment, refund
from tests.opinions import GOOD, publish, published, ticket_of, write

pytestmark = pytest.mark.django_db
ADVERT = "加我微信拿更低价，量大从优"


def told(kind: str) -> list[dict]:
    return list(Event.objects.filter(kind=kind).order_by("pk").values_list("payload", flat=True))


def edit(review: Review, stars: int = 4, text: str = "改过的评价，还是不错", **more) -> Review:
    return edit_review(review_id=review.public_id, user=review.user, stars=stars, text=text, is_anonymous=False, **more)


def withdraw(review: Review) -> Review:
    return withdraw_review(review_id=review.public_id, user=review.user)


def rating(product) -> ProductRating | None:
    return rating_of(type(product).objects.get(pk=product.pk))


class TestTheRight:
    def test_a_delivered_line_of_a_member_opens_it(self, alice, shelf):
        sku = shelf.sku(keys=2)
        order = shelf.buy(alice, (sku, 2), from_wallet=True)
        assert not ReviewTicket.objects.exists()
        relay()
        ticket = ReviewTicket.objects.get()
        assert (ticket.line_id, ticket.user, ticket.product, ticket.sku) == (
            order.lines.get().pk,
            alice,
            sku.product,
            sku,
        )
        assert tickets_of_lines(alice, [ticket.line_id]) == {ticket.line_id: ticket}

    def test_guests_and_unpaid_orders_open_none(self, alice, shelf, olga):
        sku = shelf.sku(keys=2)
        shelf.buy(alice, (sku, 1))
        shelf.buy(None, (sku, 1))
        relay()
        assert not ReviewTicket.objects.exists()

    def test_a_guest_order_that_was_delivered_opens_none(self, shelf):
        order = shelf.buy(None, (shelf.sku(keys=1), 1))
        with transaction.atomic():
            receive_payment(order_id=order.pk, amount=order.total, channel="epay", ref="g", at=clock.now())
        relay()
        assert Event.objects.filter(kind="order.delivered").exists()
        assert not ReviewTicket.objects.exists()

    def test_a_full_refund_closes_it_and_a_partial_one_does_not(self, alice, shelf, olga):
        for amount, may in (("10.00", False), ("4.00", True)):
            order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
            line = order.lines.get()
            relay()
            amounts = {line.pk: Decimal(amount)}
            refund(order_id=order.pk, amounts=amounts, ref=f"r{amount}", reason="", actor=olga)
            relay()
            ticket = ReviewTicket.objects.get(line_id=line.pk)
            if may:
                write(ticket)
            else:
                with pytest.raises(ReviewClosed):
                    write(ticket)
                assert ticket not in tickets_of(alice)

    def test_what_was_written_before_the_refund_stays(self, alice, olga):
        review = published(alice)
        facts = {"user_id": alice.pk, "storefront_id": review.ticket.storefront_id}
        close_tickets(**facts, lines=[self.refunded(review.ticket)], at=clock.now())
        assert list(published_reviews(review.product)) == [review]
        assert review.ticket in tickets_of(alice)

    @staticmethod
    def refunded(ticket: ReviewTicket) -> RefundedLine:
        money = Decimal("10.00")
        return RefundedLine(
            id=ticket.line_id,
            product_id=ticket.product_id,
            category="x",
            amount=money,
            cash=money,
            quantity=1,
            complete=True,
        )

    @pytest.mark.parametrize("order", ["delivered first", "refunded first", "both twice"])
    def test_the_news_may_come_in_any_order(self, alice, order):
        ticket = ticket_of(alice)
        line = Line(
            id=ticket.line_id,
            product_id=ticket.product_id,
            sku_id=ticket.sku_id,
            category_id=1,
            category="x",
            seller_id=None,
            quantity=1,
            list=Decimal(10),
            cash=Decimal(10),
            points_paid=Decimal(0),
            discount=Decimal(0),
        )
        facts = {"user_id": alice.pk, "storefront_id": ticket.storefront_id}
        ticket.delete()
        at, back = clock.now(), self.refunded(ticket)
        steps = [
            lambda: open_tickets(**facts, lines=[line], delivered_at=at),
            lambda: close_tickets(**facts, lines=[back], at=at + timedelta(hours=1)),
        ]
        if order == "refunded first":
            steps.reverse()
        for step in steps * (2 if order == "both twice" else 1):
            step()
        found = ReviewTicket.objects.get()
        assert (found.delivered_at, found.closed_at, found.sku_id) == (at, at + timedelta(hours=1), line.sku_id)

    def test_the_window_is_the_operators(self, alice, olga):
        ticket = ticket_of(alice)
        set_review_rules(window_days=10, words=[], actor=olga)
        with clock.travel(ticket.delivered_at + timedelta(days=10)), pytest.raises(ReviewClosed):
            write(ticket)
        with clock.travel(ticket.delivered_at + timedelta(days=10, seconds=-1)):
            review = write(ticket)
        with clock.travel(ticket.delivered_at + timedelta(days=11)):
            with pytest.raises(ReviewClosed):
                edit(review)
            withdraw(review)

    def test_charlie_is_refused(self, alice, charlie):
        review = published(alice)
        for ticket_id in (review.ticket.public_id, "x" * 22, ""):
            with pytest.raises(ReviewNotFound):
                write_review(ticket_id=ticket_id, user=charlie, stars=1, text=GOOD, is_anonymous=False)
        with pytest.raises(ReviewNotFound):
            edit_review(review_id=review.public_id, user=charlie, stars=1, text=GOOD, is_anonymous=False)
        with pytest.raises(ReviewNotFound):
            withdraw_review(review_id=review.public_id, user=charlie)


class TestWriting:
    def test_it_waits_for_staff_and_nobody_sees_it(self, alice):
        review = write(ticket_of(alice), stars=3)
        assert (review.state, review.stars, review.flags) == ("pending", 3, {})
        assert not published_reviews(review.product).exists()
        assert rating(review.product) is None
        assert told("review.published") == []
        assert AuditEntry.objects.get(action="review.write").actor_id == alice.pk

    def test_one_a_line(self, alice):
        ticket = ticket_of(alice)
        review = write(ticket)
        assert write(ticket).pk == review.pk, "the same again is the same review"
        with pytest.raises(AlreadyReviewed):
            write(ticket, stars=1)
        withdraw(review)
        with pytest.raises(AlreadyReviewed):
            write(ticket, stars=1)
        assert Review.objects.count() == 1 == AuditEntry.objects.filter(action="review.write").count()

    @pytest.mark.parametrize("stars", [0, 6, -1, True, None, "5", 4.5])
    def test_stars_out_of_range(self, alice, stars):
        with pytest.raises(BadReview) as refusal:
            write(ticket_of(alice), stars=stars)
        assert refusal.value.code == "bad_stars"

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("", "review_too_short"),
            ("好", "review_too_short"),
            ("好 好 好 好", "review_too_short"),
            ("　　　　　　　", "review_too_short"),
            ("\u200b" * 40, "review_too_short"),
            ("\u202e" * 40 + "好", "review_too_short"),
            ("好" * 501, "review_too_long"),
            ("\0\0\0\0\0\0", "review_too_short"),
        ],
    )
    def test_texts_that_are_none(self, alice, text, code):
        with pytest.raises(BadReview) as refusal:
            write(ticket_of(alice), text=text)
        assert refusal.value.code == code
        assert str(refusal.value), "there is a sentence for people"

    @pytest.mark.parametrize("text", ["好" * 5, "好" * 500, " \n很好用的卡\n\n\n\n下次再来 \0", "👨‍👩‍👧‍👦🇨🇳用得很开心"])
    def test_texts_that_are_kept(self, alice, text):
        review = write(ticket_of(alice), text=text)
        review.refresh_from_db()
        assert 5 <= len(review.text) <= 500 and "\0" not in review.text and "\n\n\n" not in review.text

    def test_the_database_holds_the_limits_too(self, alice):
        review = write(ticket_of(alice))
        for change in ({"stars": 6}, {"text": "好"}, {"state": "published"}):
            with pytest.raises(IntegrityError), transaction.atomic():
                Review.objects.filter(pk=review.pk).update(**change)

    def test_words_of_the_list_are_pointed_out_and_decide_nothing(self, alice, olga):
        set_review_rules(window_days=180, words=["加微信", "  ", "加微信", "Ｖ信"], actor=olga)
        assert ReviewRules.objects.get().words.splitlines() == ["加微信", "Ｖ信"]
        review = write(ticket_of(alice), text="要便宜的 加-微 信 ，或者v 信联系 13800138000")
        assert review.flags == {"words": ["加微信", "Ｖ信"], "kinds": ["contact"]}
        assert review.is_flagged and review.state == "pending"


class TestNames:
    def test_who_is_shown(self, make_member):
        named = published(make_member("longname", "100", display_name="小满"))
        hidden = published(make_member("second", "100", display_name="小满"), is_anonymous=True)
        nameless = published(make_member("secretlogin", "100"))
        assert [shown_name(one) for one in (named, hidden, nameless)] == ["小满", "小***", "s***"]


class TestDeciding:
    def test_published_once_whatever_is_clicked(self, alice, olga):
        review = write(ticket_of(alice))
        assert publish(review, actor=olga) == 1
        assert publish(review, actor=olga) == 0
        review.refresh_from_db()
        (payload,) = told("review.published")
        assert payload == {
            "review_id": review.pk,
            "user_id": alice.pk,
            "storefront_id": review.ticket.storefront_id,
            "product_id": review.product_id,
            "line_id": review.ticket.line_id,
            "stars": 5,
            "published_at": review.published_at.isoformat(),
            "occurred_at": review.published_at.isoformat(),
        }
        assert list(published_reviews(review.product)) == [review]
        assert list(published_reviews(review.product, stars=4)) == []
        assert AuditEntry.objects.get(action="review.publish").actor == "olga"

    def test_a_text_that_changed_under_their_eyes_is_not_published(self, alice, olga):
        review = write(ticket_of(alice))
        edit(review, text=ADVERT)
        assert publish(review, actor=olga) == 0, "staff have read version 1"
        review.refresh_from_db()
        assert review.state == "pending"
        assert publish(review, actor=olga) == 1

    def test_an_edit_hides_it_and_stays_counted(self, alice, olga):
        review = published(alice)
        first = review.published_at
        with clock.travel(first + timedelta(days=1)):
            edit(review, stars=2)
        review.refresh_from_db()
        assert (review.state, review.version) == ("pending", 2)
        assert rating(review.product) is None
        assert told("review.withdrawn") == []
        with clock.travel(first + timedelta(days=2)):
            publish(review)
        review.refresh_from_db()
        later = (first + timedelta(days=2)).isoformat()
        assert review.published_at == first, "the day on which it counts does not move"
        assert [(one["stars"], one["occurred_at"]) for one in told("review.published")] == [
            (5, first.isoformat()),
            (2, later),
        ]
        assert {one["published_at"] for one in told("review.published")} == {first.isoformat()}

    def test_an_edit_that_is_rejected_counts_no_more(self, alice, olga):
        review = edit(published(alice))
        assert reject_reviews(seen={review.pk: 2}, reason="advert", actor=olga) == 1
        (gone,) = told("review.withdrawn")
        assert (gone["review_id"], gone["cause"]) == (review.pk, "rejected")
        assert len(told("review.rejected")) == 1
        edit(review, text="这次好好写，卡没有问题")
        review.refresh_from_db()
        assert (review.state, review.reason) == ("pending", "")
        assert publish(review) == 1
        assert len(told("review.published")) == 2

    def test_rejecting_says_why(self, alice, olga):
        review = write(ticket_of(alice), text=ADVERT)
        for reason, note in (("", ""), ("nonsense", "x"), ("other", " ")):
            with pytest.raises(BadReview):
                reject_reviews(seen={review.pk: 1}, reason=reason, note=note, actor=olga)
        assert reject_reviews(seen={review.pk: 1}, reason="advert", note="请删除微信号", actor=olga) == 1
        review.refresh_from_db()
        assert (review.state, review.get_reason_display(), review.reason_note) == (
            "rejected",
            "含有广告或联系方式",
            "请删除微信号",
        )
        assert told("review.withdrawn") == [], "it was never published"
        assert publish(review) == 0

    @pytest.mark.parametrize("who", ["author", "staff"])
    def test_taken_off_for_good(self, alice, olga, who):
        review = published(alice)
        if who == "author":
            withdraw(review)
            withdraw(review)
        else:
            assert remove_reviews(review_ids=[review.pk], reason="private", actor=olga) == 1
            assert remove_reviews(review_ids=[review.pk], reason="private", actor=olga) == 0
        (gone,) = told("review.withdrawn")
        assert gone["cause"] == {"author": "author", "staff": "removed"}[who]
        assert gone["published_at"] == review.published_at.isoformat()
        assert rating(review.product) is None
        assert not published_reviews(review.product).exists()
        for step in (lambda: edit(review), lambda: reply_to_review(review_id=review.pk, text="谢谢", actor=olga)):
            with pytest.raises(ReviewMoved):
                step()
        assert publish(review) == 0
        if who == "staff":
            with pytest.raises(ReviewMoved):
                withdraw(review)

    def test_a_reply_in_public(self, alice, olga):
        review = published(alice)
        reply_to_review(review_id=review.pk, text=" 感谢支持 ", actor=olga)
        review.refresh_from_db()
        assert (review.reply, review.state) == ("感谢支持", "published")
        assert review.replied_at is not None
        reply_to_review(review_id=review.pk, text="", actor=olga)
        review.refresh_from_db()
        assert (review.reply, review.replied_at) == ("", None)
        assert AuditEntry.objects.filter(action="review.reply").count() == 2
        with pytest.raises(BadReview):
            reply_to_review(review_id=review.pk, text="谢" * 501, actor=olga)

    @pytest.mark.parametrize("days", [0, -1, 3651])
    def test_rules_out_of_range(self, olga, days):
        with pytest.raises(BadReview):
            set_review_rules(window_days=days, words=[], actor=olga)
        with pytest.raises(BadReview):
            set_review_rules(window_days=1, words=[f"词{n}" for n in range(501)], actor=olga)

    def test_what_changed_in_the_rules_is_in_the_audit_log(self, olga):
        set_review_rules(window_days=90, words=["坏词"], actor=olga)
        set_review_rules(window_days=90, words=["坏词"], actor=olga)
        detail = AuditEntry.objects.get(action="review.rules").detail
        assert detail["window_days"] == [180, 90] and detail["words"][1] == ["坏词"]


class TestRating:
    def test_it_counts_what_everybody_sees(self, alice, bob, shelf):
        sku = shelf.sku("1.00", keys=5)
        kept = [published(alice, sku, stars=stars) for stars in (5, 5, 4, 1)]
        write(ticket_of(bob, sku), stars=1)
        found = rating(sku.product)
        assert found.by_stars == {5: 2, 4: 1, 3: 0, 2: 0, 1: 1}
        assert (found.count, found.mean) == (4, 3.75)
        withdraw(kept[3])
        assert rating(sku.product).mean == pytest.approx(14 / 3)
        assert not any(audit_reviews().values())

    def test_counting_again_mends_what_is_off(self, alice):
        review = published(alice)
        ProductRating.objects.update(stars_5=7, stars_1=2)
        assert audit_reviews()["ratings_unlike_reviews"].count == 2
        assert refresh_ratings() == 1
        assert refresh_ratings() == 0
        assert rating(review.product).by_stars[5] == 1
