"""What people are told, and what never leaves the shop."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.urls import reverse
from django.utils import translation

from common import clock
from events.contracts import TierChanged
from events.services import emit, relay
from membership.services import recalculate
from notifications import selectors, services
from notifications.models import Mail, Message
from orders import services as orders
from orders.selectors import delivered_of
from tests.membership.club import Club, at_least, on
from tests.opinions import published
from tests.orders.test_buying import pay

pytestmark = pytest.mark.django_db


def test_a_member_reads_of_a_delivery_in_the_inbox(client, shelf, alice):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    relay()
    message = Message.objects.get(user=alice)
    assert order.number in selectors.words(message).title
    client.force_login(alice)
    page = client.get(reverse("notifications:inbox")).content.decode()
    assert order.number in page
    assert reverse("shop:order", args=[order.public_id]) in page
    assert not Mail.objects.exists()


def test_a_guest_gets_a_signed_link_by_mail_and_never_a_key(client, shelf):
    order = shelf.buy(None, (shelf.sku(keys=1), 1))
    pay(order)
    order.refresh_from_db()
    relay()
    assert services.send_due_mails() == 1
    assert services.send_due_mails() == 0
    sent = mail.outbox[0]
    assert sent.to == ["guest@example.com"]
    key = delivered_of(order)[0].text
    assert key not in sent.body + sent.subject
    link = next(word for word in sent.body.split() if word.startswith("http"))
    assert key in client.get(path_of(link), follow=True).content.decode()
    assert Mail.objects.get().order == order
    token = link.partition("key=")[2]
    with connection.cursor() as cursor:
        cursor.execute("SELECT m::text FROM notifications_mail m")
        assert token not in cursor.fetchone()[0], "no database holds a link that opens an order"


def path_of(link: str) -> str:
    return "/" + link.split("/", 3)[3]


def test_the_link_of_a_mail_ends_and_then_contact_and_secret_are_asked_for(client, shelf, settings):
    order = shelf.buy(None, (shelf.sku(keys=1), 1))
    path = path_of(services.signed_link(order))
    settings.ORDER_LINK_DAYS = 0
    answer = client.get(path, follow=True)
    assert answer.redirect_chain == [(reverse("shop:lookup"), 302)]
    page = answer.content.decode()
    assert "链接已过期" in page and order.number not in page
    assert client.get(path.replace("key=", "key=x")).status_code == 404, "a forged link learns nothing"
    settings.ORDER_LINK_DAYS = 90
    client.get(path)
    settings.ORDER_LINK_DAYS = 0
    assert client.get(path).status_code == 302
    assert order.number in client.get(path, follow=True).content.decode(), "this browser has proved the order before"


def test_a_contact_that_is_no_mail_address_gets_none(shelf):
    order = shelf.buy(None, (shelf.sku(keys=1), 1), buyer={"contact": "13800000000"})
    pay(order)
    relay()
    assert not Mail.objects.exists()


def test_an_event_that_comes_twice_is_told_once(shelf, alice):
    at = clock.now()
    for _ in range(2):
        told = TierChanged(
            decision_id=0, user_id=alice.pk, from_rank=0, to_rank=1, to_name="白银", cause="enter", changed_at=at
        )
        emit(told, at=at)
    relay()
    assert [selectors.words(one).title for one in Message.objects.filter(kind="tier_changed")] == [
        "你的会员等级现在是「白银」"
    ]


def messages_of(user, language: str = "zh-hans") -> list[tuple[str, str]]:
    with translation.override(language):
        found = [selectors.words(one) for one in Message.objects.filter(user=user).order_by("pk")]
    return [(one.title, one.body) for one in found]


def test_what_a_tier_takes_next_and_what_keeps_it():
    """Risen, warned, in grace: each message names the figures that decided, in the reader's language."""
    tiers = [{"enter": at_least("spend", "30d", "100.00")}, {"enter": at_least("spend", "30d", "500.00")}]
    club = Club(*tiers)
    member = club.join()
    club.buy(member, "120.00", paid=on("2026-03-01"))
    for day in ("2026-03-01", "2026-03-31", "2026-04-01"):
        with clock.travel(on(day, "12:30")):
            recalculate(everyone=False)
            relay()
    assert messages_of(member.user) == [
        ("你的会员等级现在是「白银」", "下一级是「黄金」：再消费 ¥380.00。打开会员中心看全部权益。"),
        (
            "「白银」的保级条件没有达到",
            "需要再消费 ¥90.00。没有补足就进入宽限期，其间等级和权益不变；宽限期结束仍未达到，降为「普通会员」。",
        ),
        (
            "「白银」进入宽限期，到 2026-04-15 00:00 为止",
            "在那之前再消费 ¥90.00，等级就不变；否则降为「普通会员」。",
        ),
    ]
    assert all("再消费" not in body for _title, body in messages_of(member.user, "en"))


def test_a_message_about_a_review_calls_the_product_as_its_reader_does(shelf, alice):
    sku = shelf.sku(keys=1)
    sku.product.name_en = "Test card"
    sku.product.save()
    published(alice, sku)
    relay()
    message = Message.objects.get(user=alice, kind="review_published")
    assert selectors.words(message).title == f"你对「{sku.product.name}」的评价已发布"
    with translation.override("en"):
        assert selectors.words(message).title == "Your review of Test card is published"


def test_a_mail_that_fails_is_tried_again_and_given_up_at_last(shelf, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    at = clock.now()
    services.queue_mail(
        ref="r", recipient="guest@example.com", kind="topped_up", params={"amount": "1"}, language="en", at=at
    )
    for attempt in range(1, services.MAX_ATTEMPTS + 1):
        with clock.travel(at + timedelta(hours=attempt)):
            assert services.send_due_mails(limit=1) == 0
    assert Mail.objects.get().state == Mail.State.FAILED


class OutOfOrder(BaseEmailBackend):
    """A mail system whose library raises what nobody expected, for one recipient."""

    def send_messages(self, email_messages) -> int:
        if email_messages[0].to == ["odd@example.com"]:
            raise ValueError("a header that cannot be written")
        return len(email_messages)


def test_a_mail_that_cannot_be_sent_at_all_is_given_up_and_holds_up_no_other(settings):
    settings.EMAIL_BACKEND = f"{__name__}.OutOfOrder"
    at = clock.now()
    for number, recipient in enumerate(["odd@example.com", "fine@example.com"]):
        services.queue_mail(
            ref=f"r{number}",
            recipient=recipient,
            kind="topped_up",
            params={"amount": "1"},
            language="en",
            at=at + timedelta(seconds=number),
        )
    with clock.travel(at + timedelta(minutes=1)):
        assert services.send_due_mails() == 1
    for attempt in range(1, services.MAX_ATTEMPTS + 1):
        with clock.travel(at + timedelta(hours=attempt)):
            services.send_due_mails()
    bad = Mail.objects.get(recipient="odd@example.com")
    assert (bad.state, bad.last_error, bad.attempts) == (Mail.State.FAILED, "ValueError", services.MAX_ATTEMPTS)


def test_reading_all_leaves_other_peoples_messages_alone(client, shelf, alice, bob):
    for buyer in (alice, bob):
        shelf.buy(buyer, (shelf.sku(keys=1), 1), from_wallet=True)
    relay()
    client.force_login(alice)
    client.post(reverse("notifications:read_all"))
    assert selectors.unread_count(alice) == 0
    assert selectors.unread_count(bob) == 1


def test_a_refund_is_told_with_its_amount(shelf, alice, olga):
    order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
    line = order.lines.get()
    orders.refund(order_id=order.pk, amounts={line.pk: line.cash}, ref="r1", reason="", actor=olga)
    relay()
    told = Message.objects.get(user=alice, kind="order_refunded")
    assert "¥10.00" in selectors.words(told).title
