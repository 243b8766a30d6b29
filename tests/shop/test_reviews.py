"""Reviews on the shop's pages: where members find them, the form, what strangers see, what the author is told."""

import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from catalog.models import Product, Review, ReviewTicket
from catalog.services import moderation
from catalog.services.reviews import LIMIT
from common import clock
from events.services import relay
from orders.services import refund
from tests.opinions import GOOD, publish, published, ticket_of, write
from tests.people import form_fields

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>\"'{{ 7*7 }}{% now %} & </script>"


def form(ticket: ReviewTicket) -> str:
    return f"/reviews/{ticket.public_id}/"


def page_of(review: Review) -> str:
    return f"/p/{review.product.slug}/"


class TestTheForm:
    def test_from_the_order_to_the_waiting_review(self, alice, as_member):
        ticket, browser = ticket_of(alice), as_member(alice)
        order = alice.orders.get()
        for path in (f"/orders/{order.public_id}/", "/library/", "/orders/", "/reviews/?tab=todo"):
            assert form(ticket) in browser.see(path), path
        assert "1 件待评价" in browser.see("/account/")
        assert "stars" not in form_fields(browser.see(form(ticket))), "no star is chosen for anybody"
        answer = browser.client.post(form(ticket), {"stars": "4", "text": "挺好用的，客服也耐心"}, follow=True)
        assert "评价已提交，审核后就会显示" in answer.content.decode()
        review = Review.objects.get()
        assert (review.stars, review.text, review.state) == (4, "挺好用的，客服也耐心", "pending")
        text = browser.see("/reviews/")
        assert "挺好用的，客服也耐心" in text and "待审核" in text
        assert "件待评价" not in browser.see("/account/")
        assert "待审核" in browser.see(f"/orders/{order.public_id}/")
        assert "挺好用的" not in browser.see(page_of(review))

    @pytest.mark.parametrize(
        ("typed", "complaint"),
        [
            ({"stars": "5"}, "请写下你的评价"),
            ({"text": GOOD}, "请选择 1 到 5 星"),
            ({"stars": "6", "text": GOOD}, "errorlist"),
            ({"stars": "x", "text": GOOD}, "errorlist"),
            ({"stars": "5", "text": "好"}, "评价至少写 5 个字"),
            ({"stars": "5", "text": "好" * 501}, "评价最多 500 个字"),
            ({"stars": "5", "text": "　 \u200b \u200b  \u200b"}, "errorlist"),
            ({"stars": "5", "text": "有\0空字符的评价"}, "errorlist"),
        ],
    )
    def test_what_is_wrong_is_said_and_what_was_typed_stays(self, alice, as_member, typed, complaint):
        ticket = ticket_of(alice)
        answer = as_member(alice).client.post(form(ticket), typed)
        text = answer.content.decode()
        assert answer.status_code == 200 and complaint in text
        if len(typed.get("text", "")) == 501:
            assert "好" * 501 in text
        if typed.get("stars") == "5":
            assert re.search(r'value="5" required checked', text)
        assert not Review.objects.exists()

    def test_five_hundred_characters_with_line_breaks_of_windows(self, alice, as_member):
        text = ("好" * 9 + "\r\n") * 49 + "好" * 9
        assert as_member(alice).client.post(form(ticket_of(alice)), {"stars": "5", "text": text}).status_code == 302
        assert len(Review.objects.get().text) == 499

    def test_changing_it(self, alice, as_member):
        review, browser = published(alice), as_member(alice)
        fields = form_fields(browser.see(form(review.ticket)))
        assert fields["stars"] == ["5"] and "修改后要重新审核" in browser.see(form(review.ticket))
        browser.client.post(form(review.ticket), {"stars": "2", "text": "用了一个月就掉了", "anonymous": "on"})
        review.refresh_from_db()
        assert (review.stars, review.state, review.is_anonymous) == (2, "pending", True)
        assert GOOD not in browser.see(page_of(review))

    def test_taking_it_back(self, alice, as_member):
        review, browser = published(alice), as_member(alice)
        path = form(review.ticket)
        assert browser.client.get(f"{path}withdraw/").status_code == 405
        answer = browser.client.post(f"{path}withdraw/", follow=True)
        assert "评价已撤回" in answer.content.decode()
        text = browser.see(path)
        assert GOOD in text and "<textarea" not in text and "withdraw/" not in text
        assert "已撤回" in browser.see("/reviews/")
        assert "没有" not in browser.client.post(path, {"stars": "5", "text": "再写一条看看行不行"}).content.decode()
        assert Review.objects.get().state == "withdrawn"

    def test_why_it_was_turned_down(self, alice, as_member, olga):
        review = write(ticket_of(alice))
        moderation.reject_reviews(seen={review.pk: 1}, reason="private", note="请去掉卡号", actor=olga)
        browser = as_member(alice)
        for path in ("/reviews/", form(review.ticket)):
            text = browser.see(path)
            assert "含有卡密、账号等隐私内容" in text and "请去掉卡号" in text
        assert "<textarea" in browser.see(form(review.ticket)), "it can be mended"

    def test_too_late(self, alice, as_member):
        ticket, browser = ticket_of(alice), as_member(alice)
        order = alice.orders.get()
        with clock.travel(ticket.delivered_at + timedelta(days=181)):
            assert "评价期已过" in browser.see(form(ticket))
            answer = browser.client.post(form(ticket), {"stars": "5", "text": GOOD})
            assert "不能再评价" in answer.content.decode()
            for path in (f"/orders/{order.public_id}/", "/orders/", "/reviews/?tab=todo"):
                assert form(ticket) not in browser.see(path)
        assert not Review.objects.exists()

    def test_a_refunded_line_offers_none(self, alice, as_member, olga):
        ticket = ticket_of(alice)
        line = alice.orders.get().lines.get()
        refund(order_id=line.order_id, amounts={line.pk: line.cash}, ref="r", reason="", actor=olga)
        relay()
        assert as_member(alice).client.get(form(ticket)).status_code == 404
        assert form(ticket) not in as_member(alice).see(f"/orders/{line.order.public_id}/")

    def test_only_so_often(self, alice, as_member):
        ticket, browser = ticket_of(alice), as_member(alice)
        for number in range(LIMIT.burst):
            browser.client.post(form(ticket), {"stars": "5", "text": f"第{number}次修改我的评价"})
        answer = browser.client.post(form(ticket), {"stars": "5", "text": "又一次修改我的评价"})
        assert "操作太频繁" in answer.content.decode()


class TestOthers:
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_charlie_and_strangers(self, alice, charlie, guest, as_member, method):
        review = published(alice)
        posted = {"stars": "1", "text": "我来改别人的评价"} if method == "post" else {}
        for path in (form(review.ticket), f"{form(review.ticket)}withdraw/"):
            assert getattr(as_member(charlie).client, method)(path, posted).status_code in {404, 405}
            answer = getattr(guest.client, method)(path, posted)
            assert answer.status_code == 302 and "/login/" in answer["Location"]
        review.refresh_from_db()
        assert (review.state, review.text) == ("published", GOOD)

    def test_no_page_of_ones_own_is_kept(self, alice, as_member):
        ticket = ticket_of(alice)
        for path in (form(ticket), "/reviews/"):
            assert "no-store" in as_member(alice).client.get(path)["Cache-Control"]

    def test_the_form_token_is_needed(self, alice):
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        assert client.post(form(ticket_of(alice)), {"stars": "5", "text": GOOD}).status_code == 403


class TestTheProductPage:
    def test_without_reviews(self, guest, shelf):
        text = guest.see(f"/p/{shelf.sku(keys=1).product.slug}/")
        assert "还没有评价" in text and "aggregateRating" not in text

    def test_what_strangers_see(self, guest, make_member, olga):
        author = make_member("secretlogin", "100", display_name="小满")
        review = published(author, text=HOSTILE, is_anonymous=True)
        moderation.reply_to_review(review_id=review.pk, text="谢谢 <b>惠顾</b>", actor=olga)
        text = guest.see(page_of(review))
        assert "<script>alert(1)" not in text and "&lt;script&gt;alert(1)" in text and "{{ 7*7 }}" in text
        assert "小***" in text and "小满" not in text and "secretlogin" not in text
        assert "商家回复" in text and "谢谢 &lt;b&gt;惠顾" in text

    def test_mean_bars_filter_and_pages(self, guest, make_member, shelf):
        sku = shelf.sku("1.00", keys=30)
        buyer = make_member(balance="100")
        for number in range(12):
            published(buyer, sku, stars=5 if number else 2, text=f"第{number:02d}条评价内容")
        path = f"/p/{sku.product.slug}/"
        text = guest.see(path)
        assert '<span class="rating-big">4.8</span>' in text
        assert text.count('class="opinion-head"') == 10 and "第11条" in text and "第00条" not in text
        assert "?page=2#reviews" in text and "?stars=2#reviews" in text and "?stars=3#reviews" not in text
        assert "第00条" in guest.see(f"{path}?page=2") and "第11条" not in guest.see(f"{path}?page=2")
        only = guest.see(f"{path}?stars=2")
        assert only.count('class="opinion-head"') == 1 and "第00条" in only
        assert "没有这个星级的评价" in guest.see(f"{path}?stars=3")
        for query in ("stars=9", "stars=x", "stars=", "stars=%EF%BC%95", "page=-1", "page=99999999999", "page=%27"):
            assert "第" in guest.see(f"{path}?{query}"), query

    def test_ten_reviews_take_as_many_queries_as_one(self, as_member, alice, make_member, shelf):
        sku = shelf.sku("1.00", keys=12)
        browser, path = as_member(alice), f"/p/{sku.product.slug}/"

        def asked() -> list[str]:
            browser.see(path)  # what a process keeps for seconds is fresh
            with CaptureQueriesContext(connection) as found:
                browser.see(path)
            return [query["sql"] for query in found.captured_queries]

        published(make_member(balance="10"), sku)
        one = asked()
        for _number in range(9):
            published(make_member(balance="10"), sku)
        assert len(asked()) == len(one)
        assert sum("catalog_review" in sql for sql in one) == 1

    def test_what_search_engines_read(self, guest, alice):
        review = published(alice, stars=4)
        Product.objects.filter(pk=review.product_id).update(name="</script><b>卡", summary="1 < 2 & 3")
        block = re.search(r'<script type="application/ld\+json">(.*?)</script>', guest.see(page_of(review)), re.S)
        data = json.loads(block.group(1))
        assert data["name"] == "</script><b>卡" and "<" not in block.group(1)
        assert data["aggregateRating"] == {
            "@type": "AggregateRating",
            "ratingValue": "4.0",
            "reviewCount": 1,
            "bestRating": 5,
            "worstRating": 1,
        }
        assert (data["offers"]["lowPrice"], data["offers"]["priceCurrency"]) == ("10.00", "CNY")

    def test_cards_wait_for_three(self, guest, alice, shelf):
        sku = shelf.sku("1.00", keys=5)
        published(alice, sku)
        published(alice, sku)
        assert "条评价" not in guest.see("/c/test-cards/")
        published(alice, sku, stars=4)
        text = guest.see("/c/test-cards/")
        assert "3 条评价" in text and '<span class="rating-mean">4.7</span>' in text


class TestMessages:
    def titles(self, browser) -> list[str]:
        return re.findall(r'<a class="row" href="/reviews/">([^<]+)</a>', browser.see("/messages/"))

    def test_the_author_is_told_what_became_of_it(self, alice, as_member, olga):
        review, browser = write(ticket_of(alice)), as_member(alice)
        moderation.reject_reviews(seen={review.pk: 1}, reason="empty", actor=olga)
        relay()
        (title,) = self.titles(browser)
        assert title == f"你对「{review.product}」的评价没有通过审核"
        browser.client.post(form(review.ticket), {"stars": "5", "text": "这一次写得详细一些"})
        review.refresh_from_db()
        publish(review)
        relay()
        assert "已发布" in self.titles(browser)[0]
        moderation.remove_reviews(review_ids=[review.pk], reason="abuse", actor=olga)
        relay()
        assert "已被撤下" in self.titles(browser)[0]
        assert len(self.titles(browser)) == 3

    def test_what_one_takes_back_oneself_is_no_news(self, alice, as_member):
        review, browser = published(alice), as_member(alice)
        browser.client.post(f"{form(review.ticket)}withdraw/")
        relay()
        assert len(self.titles(browser)) == 1
