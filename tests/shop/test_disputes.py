"""Reporting a problem on the shop's pages: who may open a case, what the buyer reads, evidence that nobody else sees."""

import re
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client

from catalog.models import Product
from common import clock
from orders import services
from orders.models import Dispute, DisputePicture, Order
from orders.selectors import delivered_of, link_token, order_secret
from tests.complaints import complain, decide, keys_on, picture
from tests.people import Visitor

pytestmark = pytest.mark.django_db
DEVICE = "d" * 22
TEXT = "兑换时提示已经被使用"


@pytest.fixture
def sku(shelf):
    made = shelf.sku("10.00", keys=200)
    Product.objects.filter(pk=made.product_id).update(warranty_days=7)
    made.product.refresh_from_db()
    return made


@pytest.fixture
def alices(shelf, sku, alice) -> Order:
    return shelf.buy(alice, (sku, 3), from_wallet=True)


@pytest.fixture
def guests(shelf, sku) -> Order:
    order = shelf.buy(None, (sku, 1), buyer={"contact": "g@example.com", "device": DEVICE})
    with transaction.atomic():
        services.receive_payment(order_id=order.pk, amount=order.total, channel="epay", ref="g", at=clock.now())
    return Order.objects.get(pk=order.pk)


def signed_in(user) -> Visitor:
    client = Client()
    client.force_login(user)
    return Visitor(client)


def form_of(order: Order) -> str:
    return f"/orders/{order.public_id}/report/?line={order.lines.first().pk}"


def send(visitor: Visitor, order: Order, **typed):
    line = order.lines.first()
    says = {
        "line": line.pk,
        "piece": [keys_on(line)[0].pk],
        "reason": "used",
        "text": TEXT,
        "wish": "replace",
        "route": "balance",
        **typed,
    }
    return visitor.client.post(f"/orders/{order.public_id}/report/", says)


class TestReporting:
    def test_from_the_order_to_the_case(self, alices, alice):
        member = signed_in(alice)
        page = member.see(f"/orders/{alices.public_id}/")
        assert f'href="{form_of(alices)}"' in page
        form = member.see(form_of(alices))
        texts = [one.text for one in delivered_of(alices)]
        assert all(text in form for text in texts)
        assert "24 小时内答复" in form
        answer = send(member, alices, pictures=[picture(), picture()])
        dispute = Dispute.objects.get()
        assert answer["Location"] == f"/disputes/{dispute.public_id}/"
        case = member.see(answer["Location"])
        assert "等卖家答复" in case and TEXT in case and case.count("/pictures/") == 4
        until = dispute.due_at.astimezone(clock.SHANGHAI)
        assert f"{until:%m-%d %H:%M}" in case
        # The order and the library lead there from now on.
        assert f'href="/disputes/{dispute.public_id}/"' in member.see(f"/orders/{alices.public_id}/")
        assert f'href="/disputes/{dispute.public_id}/"' in member.see("/library/")
        assert dispute.number in case and f'href="/disputes/{dispute.public_id}/"' in member.see("/disputes/")

    def test_a_taken_key_cannot_be_chosen_again(self, alices, alice):
        member = signed_in(alice)
        complain(alices, keys_on(alices.lines.get())[0])
        form = member.see(form_of(alices))
        assert "已在售后中" in form and form.count(" disabled") == 1
        answer = send(member, alices)
        assert answer["Location"] == f"/disputes/{Dispute.objects.get().public_id}/"
        assert Dispute.objects.count() == 1

    def test_one_piece_is_chosen_by_itself(self, shelf, sku, alice):
        order = shelf.buy(alice, (sku, 1), from_wallet=True)
        assert 'type="checkbox"' not in signed_in(alice).see(form_of(order))
        send(signed_in(alice), order, piece=[])
        assert Dispute.objects.get().pieces.count() == 1

    def test_of_many_keys_the_bad_ones_are_pasted(self, shelf, sku, alice):
        order = shelf.buy(alice, (sku, 60), from_wallet=True)
        member = signed_in(alice)
        assert 'name="keys"' in member.see(form_of(order))
        texts = [one.text for one in delivered_of(order)]
        answer = send(member, order, piece=[], keys=f"{texts[3]}\nnot a key of mine")
        assert answer.status_code == 200 and not Dispute.objects.exists()
        assert texts[3] in answer.content.decode()
        send(member, order, piece=[], keys=f" {texts[3]} \r\n{texts[40]}\r\n\r\n")
        assert Dispute.objects.get().pieces.count() == 2

    @pytest.mark.parametrize(
        ("typed", "told"),
        [
            ({"piece": []}, "请选择有问题的卡密"),
            ({"piece": ["1"]}, "请选择有问题的卡密"),
            ({"piece": ["abc", "-5", "９"]}, "请选择有问题的卡密"),
            ({"reason": ""}, "请选择问题"),
            ({"reason": "because"}, "because"),
            ({"text": ""}, "请写下发生了什么"),
            ({"text": "短"}, "5 到 1000 个字"),
            ({"wish": ""}, "请选择希望的处理方式"),
            ({"route": "moon"}, "moon"),
        ],
    )
    def test_what_is_missing_is_told_and_what_was_typed_stays(self, alices, alice, typed, told):
        answer = send(signed_in(alice), alices, **typed)
        page = answer.content.decode()
        assert answer.status_code == 200 and told in page
        assert not Dispute.objects.exists()
        if "text" not in typed:
            assert TEXT in page

    def test_a_file_that_is_no_picture(self, alices, alice):
        bad = picture()
        bad.write(b"broken")
        bad.seek(0)
        page = send(signed_in(alice), alices, pictures=[bad]).content.decode()
        assert "请上传 PNG、JPEG 或 WebP 图片" in page and TEXT in page

    @pytest.mark.parametrize("line", ["", "0", "x", "9" * 30, "-1", "１"])
    def test_a_line_that_is_not_there(self, alices, alice, line):
        member = signed_in(alice)
        assert member.get(f"/orders/{alices.public_id}/report/?line={line}").status_code == 404
        assert send(member, alices, line=line).status_code == 404

    def test_after_the_warranty_the_page_says_so(self, alices, alice):
        with clock.travel(clock.now() + timedelta(days=8)):
            member = signed_in(alice)
            assert "报告问题" not in member.see(f"/orders/{alices.public_id}/")
            assert "质保期已过" in member.see(form_of(alices))
            assert "质保期已过" in send(member, alices).content.decode()

    def test_where_nobody_paid_by_a_gateway_there_is_no_other_way_back(self, alices, guests, alice, guest):
        assert 'name="route"' not in signed_in(alice).see(form_of(alices))
        guest.client.cookies["device"] = DEVICE
        assert 'name="route"' in guest.see(form_of(guests))


class TestTheCase:
    def test_what_the_buyer_may_do_in_each_state(self, alices, alice, olga):
        member = signed_in(alice)
        first, second, third = keys_on(alices.lines.get())
        open_, decided = complain(alices, first), complain(alices, second)
        decide(decided, "partial", by=olga, amount=services.refundable_of(decided) / 2, reason="面额标错，退一半")
        page = member.see(f"/disputes/{open_.public_id}/")
        assert "/add/" in page and "/withdraw/" in page and "/appeal/" not in page
        page = member.see(f"/disputes/{decided.public_id}/")
        assert "已退款 ¥5.00" in page and "面额标错，退一半" in page
        assert "/accept/" in page and "/appeal/" in page and "/withdraw/" not in page
        assert third.pk

    def test_a_replaced_key_is_shown_there_and_then(self, alices, alice, olga):
        dispute = decide(complain(alices, keys_on(alices.lines.get())[0]), "replace", by=olga)
        page = signed_in(alice).see(f"/disputes/{dispute.public_id}/")
        fresh = dispute.pieces.get().replacement_id
        assert next(one.text for one in delivered_of(alices) if one.key_id == fresh) in page

    def test_adding_appealing_accepting(self, alices, alice, olga, django_user_model):
        member, dispute = signed_in(alice), complain(alices)
        at = f"/disputes/{dispute.public_id}/"
        services.say_in_dispute(dispute_id=dispute.pk, text="请补完整截图", party="operator", actor=olga)
        assert "客服问你：请补完整截图" in member.see(at)
        member.client.post(f"{at}add/", {"text": "补一张图", "pictures": [picture()]})
        assert "补一张图" in member.see(at) and "客服问你" not in member.see(at)
        decide(dispute, "reject", by=olga)
        answer = member.client.post(f"{at}appeal/", {"text": "短"})
        assert answer.status_code == 200 and "5 到 1000 个字" in answer.content.decode()
        member.client.post(f"{at}appeal/", {"text": "请再看一次截图"})
        assert "申诉中" in member.see(at)
        member.client.post(f"{at}withdraw/")
        assert "没有通过" in member.see(at)

    def test_acts_that_do_not_fit_are_refused_in_words(self, alices, alice):
        member, dispute = signed_in(alice), complain(alices)
        for act in ("accept", "money"):
            answer = member.client.post(f"/disputes/{dispute.public_id}/{act}/", follow=True)
            assert "已经被处理" in answer.content.decode()
        assert Dispute.objects.get().state == "seller"

    def test_waiting_for_stock_the_buyer_takes_the_money(self, shelf, alice, olga):
        order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
        dispute = decide(complain(order), "replace", by=olga, wait=True)
        member = signed_in(alice)
        assert "自动退 ¥10.00" in member.see(f"/disputes/{dispute.public_id}/")
        member.client.post(f"/disputes/{dispute.public_id}/money/")
        assert "已退款 ¥10.00" in member.see(f"/disputes/{dispute.public_id}/")

    def test_in_english(self, alices, alice):
        member, dispute = signed_in(alice), complain(alices, keys_on(alices.lines.get())[0])
        member.client.cookies["lang"] = "en"
        page = member.see(f"/disputes/{dispute.public_id}/")
        assert "Waiting for the seller" in page and "Already used" in page
        form = member.see(form_of(alices))
        said = re.sub("<[^>]+>|测试商品|标准", " ", form[form.index("<main") : form.index("</main")])
        assert "Which ones are bad" in said and not re.search("[一-鿿]", said)


class TestWhoMayOpenIt:
    ACTS = ("add", "appeal", "accept", "withdraw", "money")

    def shut(self, visitor: Visitor, order: Order, dispute: Dispute) -> None:
        at = f"/disputes/{dispute.public_id}/"
        shot = DisputePicture.objects.get(move__dispute=dispute).public_id
        for path in (form_of(order), at, f"{at}pictures/{shot}/"):
            assert visitor.get(path).status_code == 404, path
        assert send(visitor, order).status_code == 404
        for act in self.ACTS:
            assert visitor.client.post(f"{at}{act}/", {"text": TEXT}).status_code == 404
        assert f'href="{at}"' not in visitor.see("/disputes/")
        assert Dispute.objects.count() == 1 and Dispute.objects.get().state == "seller"

    def test_another_members(self, alices, bob, guest, olga):
        dispute = complain(alices, pictures=[picture()])
        for stranger in (signed_in(bob), guest, signed_in(olga)):
            self.shut(stranger, alices, dispute)

    def test_a_guests_order_by_device_link_and_look_up(self, guests, guest, bob):
        by_device, by_link, by_look_up = (Visitor(Client()) for _ in range(3))
        by_device.client.cookies["device"] = DEVICE
        send(by_device, guests, pictures=[picture()])
        dispute = Dispute.objects.get()
        at = f"/disputes/{dispute.public_id}/"
        assert TEXT in by_device.see(at) and f'href="{at}"' in by_device.see("/disputes/")
        by_link.see(f"/orders/{guests.public_id}/?key={link_token(guests)}")
        assert TEXT in by_link.see(at)
        by_look_up.client.post("/orders/find/", {"contact": "g@example.com", "secret": order_secret(guests)})
        assert TEXT in by_look_up.see(at)
        for stranger in (guest, signed_in(bob)):
            self.shut(stranger, guests, dispute)

    def test_pictures_are_private_and_are_what_they_say(self, alices, alice):
        dispute = complain(alices, pictures=[picture()])
        shot = DisputePicture.objects.get().public_id
        answer = signed_in(alice).get(f"/disputes/{dispute.public_id}/pictures/{shot}/")
        assert answer["Content-Type"] == "image/webp" and "no-store" in answer["Cache-Control"]
        assert answer["X-Content-Type-Options"] == "nosniff"
        other = complain_again(alices)
        assert signed_in(alice).get(f"/disputes/{other.public_id}/pictures/{shot}/").status_code == 404


def complain_again(order: Order) -> Dispute:
    services.withdraw_dispute(dispute_id=Dispute.objects.get().pk)
    return complain(order)
