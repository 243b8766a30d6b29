"""Pages of coupons, told as people; everything without scripts."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from common import clock
from marketing.models import Coupon
from marketing.services import revoke_coupon
from membership.selectors import birthday_of, points_balance
from membership.services import grant_points
from orders.models import Order
from orders.services import cancel
from tests.marketing.coupons import give, template
from tests.membership.perks import hold, publish
from tests.people import Visitor, form_fields
from tests.shelf import books

pytestmark = pytest.mark.django_db


@pytest.fixture
def member(client, alice):
    client.force_login(alice)
    return Visitor(client)


def checkout(member, sku, **typed):
    return member.checkout(f"sku={sku.public_id}&quantity=1", **typed)


class TestCheckout:
    def test_the_best_is_proposed_and_used(self, member, shelf, alice):
        sku = shelf.sku("100.00", keys=3)
        give(alice, off="3.00")
        best = give(alice, template("8.00", name="满减八元"))
        page = member.see(f"/checkout/?sku={sku.public_id}")
        assert "已减 ¥8.00" in page and "优惠券 · 满减八元" in page and "确认支付 ¥92.00" in page
        order = member.buy(sku)
        assert (order.total, order.coupon) == (Decimal("92.00"), best)
        assert "优惠券 · 满减八元" in member.see(reverse("shop:order", args=[order.public_id]))
        assert books() == {}

    def test_another_is_chosen_by_a_button_and_what_was_typed_stays(self, member, shelf, alice):
        field = {"name": "account", "label": "账号", "regex": r"\d{5,12}"}
        sku = shelf.sku("100.00", kind="manual", buyer_fields=[field])
        small, _best = give(alice, off="3.00"), give(alice, off="8.00")
        fields = member.open_checkout(f"sku={sku.public_id}&quantity=1")
        again = member.client.post(
            "/checkout/", {**fields, "coupon": small.public_id, "line0-account": "12", "reprice": "1"}
        ).content.decode()
        assert "确认支付 ¥97.00" in again and 'value="12"' in again
        assert "请正确填写" not in again
        assert not Order.objects.exists()
        sent = form_fields(again)
        assert sent["coupon"] == [small.public_id]
        member.client.post("/checkout/", {**sent, "line0-account": "123456"})
        assert Order.objects.get().total == Decimal("97.00")

    def test_none_may_be_chosen(self, member, shelf, alice):
        give(alice)
        answer = checkout(member, shelf.sku("100.00", keys=1), coupon="", expected="100.00")
        assert answer.status_code == 302
        assert Order.objects.get().total == Decimal("100.00")

    def test_a_choice_without_the_button_is_asked_back_with_its_price(self, member, shelf, alice):
        sku = shelf.sku("100.00", keys=1)
        give(alice, off="3.00")
        other = give(alice, off="2.00")
        answer = checkout(member, sku, coupon=other.public_id)
        page = answer.content.decode()
        assert "价格已变为 ¥98.00" in page and "确认支付 ¥98.00" in page

    def test_a_repeated_click_reaches_its_order(self, member, shelf, alice):
        sku = shelf.sku("100.00", keys=3)
        give(alice)
        fields = member.open_checkout(f"sku={sku.public_id}&quantity=1")
        answers = [member.client.post("/checkout/", fields)["Location"] for _ in range(2)]
        assert answers[0] == answers[1]
        assert Order.objects.count() == 1

    def test_one_that_went_meanwhile_is_told_and_gives_way(self, member, shelf, alice, olga):
        sku = shelf.sku("100.00", keys=3)
        give(alice, off="2.00")
        gone = give(alice, off="9.00")
        fields = member.open_checkout(f"sku={sku.public_id}&quantity=1")
        revoke_coupon(coupon_id=gone.pk, reason="误发", actor=olga)
        page = member.client.post("/checkout/", fields).content.decode()
        assert "已使用或已失效" in page and "确认支付 ¥98.00" in page

    @pytest.mark.parametrize("made_up", ["x" * 22, "auto ", "<script>alert(1)</script>", "1" * 5000, "券"])
    def test_made_up_choices(self, member, shelf, alice, made_up):
        give(alice, off="2.00")
        answer = checkout(member, shelf.sku("100.00", keys=3), coupon=made_up)
        assert answer.status_code in {200, 404}
        assert not Order.objects.exists()
        assert "<script>alert" not in answer.content.decode()

    def test_what_does_not_fit_says_why(self, member, shelf, alice):
        give(alice, off="5.00", min_spend=Decimal(500))
        page = member.see(f"/checkout/?sku={shelf.sku('100.00', keys=1).public_id}")
        assert "还差 ¥400.00 可用" in page and "暂无可用" in page

    def test_guests_are_not_asked(self, client, shelf):
        page = Visitor(client).see(f"/checkout/?sku={shelf.sku('100.00', keys=1).public_id}")
        assert 'name="coupon"' not in page

    def test_in_the_sheet(self, member, shelf, alice):
        give(alice, off="5.00")
        answer = member.get(f"/checkout/?sku={shelf.sku('100.00', keys=1).public_id}", headers={"Sheet": "1"})
        assert answer["Sheet"] == "1" and "已减 ¥5.00" in answer.content.decode()


class TestMyCoupons:
    def test_claimed_used_and_given_back(self, member, shelf, alice):
        made = template("5.00", name="新人券", min_spend=Decimal(20))
        page = member.see("/coupons/")
        assert "可领取" in page and "满 ¥20.00 减 ¥5.00" in page and "全场可用" in page
        answer = member.client.post(reverse("shop:coupon_claim", args=[made.public_id]), form_fields(page), follow=True)
        assert "领取成功" in answer.content.decode()
        assert "去使用" in member.see("/coupons/")
        order = shelf.buy(alice, (shelf.sku("100.00", keys=1), 1), coupon=Coupon.objects.get().public_id)
        used = member.see("/coupons/?tab=used")
        assert "已锁定在待付款订单" in used and order.public_id in used
        cancel(order_id=order.pk, actor=alice)
        assert "新人券" in member.see("/coupons/")

    def test_claiming_twice_with_one_form_is_claiming_once(self, member):
        made = template(per_member=5)
        fields = form_fields(member.see("/coupons/"))
        for _ in range(2):
            member.client.post(reverse("shop:coupon_claim", args=[made.public_id]), fields)
        assert Coupon.objects.count() == 1

    def test_what_is_full_says_so(self, member, bob):
        made = template(total_limit=1)
        give(bob, made)
        member.client.post(reverse("shop:coupon_claim", args=[made.public_id]), {"token": "t"})
        assert "优惠券已被领完" in member.see("/coupons/")
        assert Coupon.objects.count() == 1

    def test_strangers_coupons_are_not_shown(self, member, bob):
        give(bob, template(name="鲍勃的券", source="gift"))
        assert "鲍勃的券" not in member.see("/coupons/")

    @pytest.mark.parametrize("query", ["?tab=nonsense", "?tab=used&page=abc", "?tab=%00", "?page=-1"])
    def test_odd_addresses(self, member, query):
        assert member.get(f"/coupons/{query}").status_code in {200, 400}

    def test_many_coupons_cost_few_queries(self, member, alice, shelf, django_assert_max_num_queries):
        for _ in range(12):
            give(alice, template("3.00", categories=[shelf.category], source="gift"))
        member.see("/coupons/")
        with django_assert_max_num_queries(20):
            member.see("/coupons/")


class TestPointsShop:
    def test_points_become_a_coupon(self, member, alice):
        made = template("10.00", source="points", points_price=60)
        assert "还差 60 积分" in member.see("/points/")
        grant_points(user_id=alice.pk, amount=100, cause="gift", ref="g", at=clock.now())
        page = member.see("/points/")
        assert "60 积分" in page and "兑换" in page
        for _ in range(2):
            member.client.post(reverse("shop:points_buy", args=[made.public_id]), form_fields(page))
        assert points_balance(user_id=alice.pk, at=clock.now()) == 40
        assert "已兑满" in member.see("/points/")
        assert books() == {}

    def test_a_forged_purchase_costs_nothing(self, member, alice):
        made = template("10.00", source="points", points_price=60)
        answer = member.client.post(reverse("shop:points_buy", args=[made.public_id]), {"token": "t"}, follow=True)
        assert "积分不足" in answer.content.decode()
        assert not Coupon.objects.exists()

    def test_limited_events_show_to_who_is_asked(self, member, alice):
        template("10.00", name="酒会券", source="points", points_price=60, event_code="gala")
        publish([], [{"kind": "limited_event", "text": "酒会", "code": "gala"}])
        assert "酒会券" not in member.see("/points/")
        hold(alice, 1)
        assert "酒会券" in member.see("/points/")


class TestBirthday:
    def test_it_is_told_once(self, member, alice):
        publish([{"kind": "birthday_gift", "value": Decimal(88)}])
        hold(alice, 0)
        assert "88 积分" in member.see("/member/birthday/")
        member.client.post("/member/birthday/", {"day": "1995-06-01"})
        assert birthday_of(alice.pk).day == date(1995, 6, 1)
        member.client.post("/member/birthday/", {"day": "1996-06-01"})
        assert birthday_of(alice.pk).day == date(1995, 6, 1)
        assert "06-01" in member.see("/account/")

    @pytest.mark.parametrize("day", ["", "2090-01-01", "1800-01-01", "31/12/1990", "' OR 1=1", "1995-02-30"])
    def test_no_birthday(self, member, alice, day):
        answer = member.client.post("/member/birthday/", {"day": day})
        assert answer.status_code == 200
        assert birthday_of(alice.pk) is None
