"""Nudges: what is said after an order, about goods that were left lying, and before a streak breaks. Scenarios 21 and 22."""

import re
from contextlib import contextmanager
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.db import IntegrityError, transaction

from catalog.models import Product
from common import clock
from common.clock import SHANGHAI
from events.services import relay
from membership.models import CheckIn, Dwell, MemberTier, Nudge, Program, SkuTierPrice
from membership.rules.evaluate import gaps
from membership.rules.traces import load_tier_trace
from membership.selectors import nudge_effects
from membership.services import (
    choose_nudges,
    draft_rule_set,
    ensure_member,
    flag_activity,
    forget_old_nudges,
    note_order_effect,
    publish_rule_set,
)
from orders.services import refund
from tenancy.models import MAIN_ID
from tests.membership.club import at_least
from tests.membership.perks import hold, publish

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 12, 1, 12, tzinfo=SHANGHAI)


@contextmanager
def at(moment: datetime):
    with clock.travel(moment):
        yield


def text_of(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


@pytest.fixture
def diamond_pays_nine_tenths(db):
    """Only the highest tier pays less: 9 折."""
    publish([], [], [], [], [{"kind": "price_rate", "value": "0.9"}])


class Shopper:
    """Somebody with a cart open in a tab: `ask` is what the page does by itself."""

    def __init__(self, visitor, sku):
        self.visitor = visitor
        self.visitor.add_to_cart(sku)

    def open(self) -> str:
        return self.visitor.see("/cart/")

    def ask(self):
        return self.visitor.client.post("/nudges/waiting/?from=cart")


class TestCart:
    @pytest.fixture
    def shopper(self, as_member, alice, shelf, diamond_pays_nine_tenths):
        with at(NOON):
            return Shopper(as_member(hold(alice, 1)), shelf.sku("100.00", keys=5))

    def test_21_the_true_saving_after_two_minutes_and_once(self, shopper, alice):
        with at(NOON):
            html = shopper.open()
            assert "额外9折" not in html
            assert 'data-seconds="120"' in html
        with at(NOON + timedelta(seconds=119)):
            early = shopper.ask()
            assert (early.status_code, early.content, early["Retry-After"]) == (204, b"", "1")
            assert not Nudge.objects.exists()
        with at(NOON + timedelta(seconds=120)):
            told = shopper.ask()
            assert told.status_code == 200
            assert "成为钻石会员，这一单额外9折" in told.content.decode()
            assert "¥100.00 → ¥90.00，省 ¥10.00" in told.content.decode()
            again = shopper.ask()
            assert (again.status_code, "Retry-After" in again) == (204, False)
        nudge = Nudge.objects.get()
        assert (nudge.user, nudge.kind, nudge.detail) == (
            alice,
            "cart",
            {"rank": 4, "now": "100.00", "then": "90.00"},
        )

    def test_21_never_to_the_top_tier(self, as_member, bob, shelf, diamond_pays_nine_tenths):
        with at(NOON):
            top = Shopper(as_member(hold(bob, 4)), shelf.sku("100.00", keys=5))
            top.open()
        with at(NOON + timedelta(seconds=500)):
            assert top.ask().status_code == 204
        assert not Nudge.objects.exists()

    def test_21_without_scripts_a_second_look_shows_it(self, shopper):
        with at(NOON):
            shopper.open()
        with at(NOON + timedelta(seconds=119)):
            assert "额外9折" not in shopper.open()
        with at(NOON + timedelta(seconds=121)):
            assert "额外9折" in shopper.open()
        with at(NOON + timedelta(seconds=122)):
            assert "额外9折" not in shopper.open()

    def test_a_page_cannot_say_how_long_it_was_open(self, shopper):
        with at(NOON + timedelta(seconds=5)):
            assert shopper.ask()["Retry-After"] == "120"

    def test_other_goods_begin_anew(self, shopper, shelf):
        with at(NOON):
            shopper.open()
        with at(NOON + timedelta(seconds=100)):
            shopper.visitor.add_to_cart(shelf.sku("10.00", keys=1))
            shopper.open()
        with at(NOON + timedelta(seconds=130)):
            assert shopper.ask()["Retry-After"] == "90"

    def test_who_comes_back_after_half_an_hour_begins_anew(self, shopper):
        with at(NOON):
            shopper.open()
        with at(NOON + timedelta(minutes=31)):
            assert shopper.ask()["Retry-After"] == "120"

    def test_never_again_within_a_day_and_on_the_next_one_again(self, shopper):
        evening = NOON.replace(hour=23, minute=50)
        with at(evening):
            shopper.open()
        with at(evening + timedelta(minutes=3)):
            assert shopper.ask().status_code == 200
        # Another Shanghai day, but not a day later.
        with at(evening + timedelta(hours=8)):
            shopper.open()
        with at(evening + timedelta(hours=8, minutes=3)):
            assert shopper.ask().status_code == 204
        with at(evening + timedelta(hours=25)):
            shopper.open()
        with at(evening + timedelta(hours=25, minutes=3)):
            assert shopper.ask().status_code == 200

    def test_the_checkout_of_one_thing_too(self, as_member, alice, shelf, diamond_pays_nine_tenths):
        sku = shelf.sku("100.00", keys=5)
        browser = as_member(hold(alice, 1))
        with at(NOON):
            html = browser.see(f"/checkout/?sku={sku.public_id}&quantity=2")
            [address] = re.findall(r'<late-nudge[^>]* data-url="([^"]+)"', html)
        with at(NOON + timedelta(seconds=120)):
            told = browser.client.post(unescape(address)).content.decode()
        assert "¥200.00 → ¥180.00" in told

    def test_nothing_for_guests_nor_from_another_site(self, guest, shelf, shopper):
        guest.add_to_cart(shelf.sku("100.00", keys=5))
        assert "late-nudge" not in guest.see("/cart/")
        assert guest.client.post("/nudges/waiting/?from=cart").status_code == 204
        assert not Dwell.objects.exclude(user__username="alice").exists()
        forged = shopper.visitor.client.post("/nudges/waiting/?from=cart", headers={"sec-fetch-site": "cross-site"})
        assert forged.status_code == 403

    def test_off_is_off(self, shopper, alice):
        choose_nudges(user_id=alice.pk, wanted={"cart": False})
        with at(NOON):
            shopper.open()
        with at(NOON + timedelta(seconds=200)):
            assert shopper.ask().status_code == 204

    def test_what_is_too_little_for_a_rate_is_said_in_money(self, shopper, shelf):
        sku = shelf.sku("9999.00", keys=1)
        program = Program.objects.get(storefront=None)
        SkuTierPrice.objects.create(program=program, sku=sku, rank=4, unit_price="9998.50")
        path = f"/nudges/waiting/?sku={sku.public_id}&quantity=1"
        with at(NOON):
            shopper.visitor.client.post(path)
        with at(NOON + timedelta(seconds=120)):
            told = text_of(shopper.visitor.client.post(path).content.decode())
        assert "成为钻石会员，这一单更便宜" in told and "省 ¥0.50" in told and "折" not in told

    def test_clicks_and_orders_are_counted(self, shopper, alice, bob, as_member, shelf):
        with at(NOON):
            shopper.open()
        with at(NOON + timedelta(seconds=120)):
            shopper.ask()
        nudge = Nudge.objects.get()
        assert as_member(bob).get(f"/nudges/{nudge.public_id}/").status_code == 404
        with at(NOON + timedelta(seconds=130)):
            answer = shopper.visitor.get(f"/nudges/{nudge.public_id}/")
            assert (answer.status_code, answer["Location"]) == (302, "/member/")
        with at(NOON + timedelta(minutes=9)):
            shopper.visitor.get(f"/nudges/{nudge.public_id}/")
        nudge.refresh_from_db()
        assert nudge.clicked_at == NOON + timedelta(seconds=130)
        with at(NOON + timedelta(hours=1)):
            shelf.buy(alice, (shelf.sku("5.00", keys=1), 1), from_wallet=True)
            relay()
        nudge.refresh_from_db()
        assert nudge.converted_at == NOON + timedelta(hours=1)
        assert not Dwell.objects.filter(user=alice).exists()
        [effect] = [one for one in nudge_effects(Nudge.objects.all()) if one.kind == "cart"]
        assert (effect.shown, effect.clicked, effect.converted, effect.converted_percent) == (1, 1, 1, 100)


class TestOrder:
    @pytest.fixture
    def platinum_at_a_thousand(self, db):
        tiers = [
            {"rank": 0, "name": "普通会员"},
            {"rank": 1, "name": "白金", "enter": at_least("spend", "life", "1000.00")},
        ]
        draft = draft_rule_set(program=Program.objects.get(storefront=None), document={"tiers": tiers}, author=None)
        return publish_rule_set(version_id=draft.pk, approver=None)

    def test_22_the_gap_after_the_first_order_equals_the_trace(self, as_member, alice, shelf, platinum_at_a_thousand):
        browser = as_member(alice)
        order = shelf.buy(alice, (shelf.sku("800.00", keys=1), 1), from_wallet=True)
        path = f"/orders/{order.public_id}/"
        # Paid and delivered, but membership has not heard of it: nothing that is about to be wrong is said.
        assert "即可成为" not in browser.see(path)
        relay()
        html = browser.see(path)
        assert "再消费 ¥200.00，即可成为白金" in html
        member = MemberTier.objects.get(user=alice)
        [trace] = [load_tier_trace(one) for one in member.evaluation["tiers"] if one["rank"] == 1]
        assert gaps(trace) == {"spend:life": "200.00"}
        nudge = Nudge.objects.get()
        assert (nudge.kind, nudge.detail) == ("order", {"rank": 1, "todo": "再消费 ¥200.00"})
        # The page brings itself up to date; that is the same showing.
        assert "即可成为白金" in browser.see(path)
        assert Nudge.objects.count() == 1

    def test_nothing_is_said_of_an_order_that_does_not_count(self, as_member, alice, shelf, olga):
        """It waits for its settlement, is excluded, given back, or found to be a wash trade."""
        tiers = [
            {"rank": 0, "name": "普通会员"},
            {"rank": 1, "name": "白金", "enter": at_least("spend", "life", "1000.00")},
        ]
        document = {"counts": "settled", "tiers": tiers}
        draft = draft_rule_set(program=Program.objects.get(storefront=None), document=document, author=None)
        publish_rule_set(version_id=draft.pk, approver=None)
        sku, browser = shelf.sku("30.00", keys=9), as_member(alice)
        Product.objects.filter(pk=sku.product_id).update(warranty_days=30)
        waits = shelf.buy(alice, (sku, 1), from_wallet=True)
        relay()
        assert "即可成为" not in browser.see(f"/orders/{waits.public_id}/")
        Product.objects.filter(pk=sku.product_id).update(warranty_days=0)
        washed, returned, counts = (shelf.buy(alice, (sku, 1), from_wallet=True) for _ in range(3))
        relay()
        member = MemberTier.objects.get(user=alice)
        ref = f"line:{washed.lines.get().pk}:spend"
        flag_activity(member_id=member.pk, refs=[ref], reason="wash_trade", actor=olga, at=clock.now())
        line = returned.lines.get()
        refund(order_id=returned.pk, amounts={line.pk: line.cash}, ref="r", reason="", actor=None)
        relay()
        for order in (washed, returned):
            assert "即可成为" not in browser.see(f"/orders/{order.public_id}/")
        assert not Nudge.objects.exists()
        assert "即可成为白金" in browser.see(f"/orders/{counts.public_id}/")

    def test_22_in_english(self, as_member, alice, shelf, platinum_at_a_thousand):
        browser = as_member(alice)
        browser.client.cookies["lang"] = "en"
        order = shelf.buy(alice, (shelf.sku("800.00", keys=1), 1), from_wallet=True)
        relay()
        assert "¥200.00" in text_of(browser.see(f"/orders/{order.public_id}/").split('id="nudge-order"')[1])

    def test_turned_off_it_is_gone_at_once(self, as_member, alice, shelf, platinum_at_a_thousand):
        browser = as_member(alice)
        order = shelf.buy(alice, (shelf.sku("800.00", keys=1), 1), from_wallet=True)
        relay()
        assert "即可成为白金" in browser.see(f"/orders/{order.public_id}/")
        browser.client.post("/nudges/choose/", {"off": "order"})
        assert "即可成为白金" not in browser.see(f"/orders/{order.public_id}/")

    def test_a_tier_that_is_given_by_hand_is_no_distance(self, as_member, alice, shelf):
        publish([], [])
        browser = as_member(alice)
        order = shelf.buy(alice, (shelf.sku("8.00", keys=1), 1), from_wallet=True)
        relay()
        for path in (f"/orders/{order.public_id}/", "/member/", "/member/earn/"):
            html = browser.see(path)
            assert "即可成为" not in html
            assert "距离白银会员： 由店铺授予" in text_of(html).replace("：由", "： 由")
        assert not Nudge.objects.exists()

    def test_once_a_day_and_the_bar_stays(self, as_member, alice, shelf, platinum_at_a_thousand):
        browser = as_member(alice)
        for price in ("300.00", "100.00"):
            order = shelf.buy(alice, (shelf.sku(price, keys=1), 1), from_wallet=True)
            relay()
            html = browser.see(f"/orders/{order.public_id}/")
        assert "即可成为" not in html
        assert 'id="climb"' in html and "再消费 ¥600.00" in html
        # The second order is what the first nudge asked for.
        assert Nudge.objects.get().converted_at == order.paid_at

    def test_the_order_that_was_followed_is_no_effect(self, alice, shelf, as_member, platinum_at_a_thousand):
        order = shelf.buy(alice, (shelf.sku("300.00", keys=1), 1), from_wallet=True)
        relay()
        as_member(alice).see(f"/orders/{order.public_id}/")
        note_order_effect(user_id=alice.pk, order_id=order.pk, paid_at=clock.now())
        assert Nudge.objects.get().converted_at is None

    def test_at_the_top_and_when_it_is_off_nothing(self, as_member, alice, bob, shelf, platinum_at_a_thousand):
        choose_nudges(user_id=bob.pk, wanted={"order": False})
        for user in (alice, bob):
            order = shelf.buy(user, (shelf.sku("1000.00" if user == alice else "10.00", keys=1), 1), from_wallet=True)
            relay()
            assert 'class="nudge"' not in as_member(user).see(f"/orders/{order.public_id}/")
        assert not Nudge.objects.exists()


class TestStreak:
    @pytest.fixture
    def yesterday(self, alice):
        with at(NOON - timedelta(days=60)):
            ensure_member(user_id=alice.pk, storefront_id=MAIN_ID, at=clock.now())
        day = clock.day_of(NOON) - timedelta(days=1)
        return CheckIn.objects.create(user=alice, storefront_id=MAIN_ID, day=day, streak=6, at=NOON - timedelta(days=1))

    def test_in_the_evening_and_only_when_it_breaks(self, as_member, alice, yesterday):
        browser = as_member(alice)
        with at(NOON):
            assert "今天还没签" not in browser.see("/")
        with at(NOON.replace(hour=18)):
            assert "已连续签到 6 天，今天还没签" in browser.see("/")
            browser.client.post("/member/check-in/")
            assert "今天还没签" not in browser.see("/account/")
        nudge = Nudge.objects.get()
        assert (nudge.kind, nudge.converted_at) == ("streak", NOON.replace(hour=18))

    def test_turned_off_it_is_gone_at_once(self, as_member, alice, yesterday):
        browser = as_member(alice)
        with at(NOON.replace(hour=18)):
            assert "今天还没签" in browser.see("/") and "今天还没签" in browser.see("/account/")
            browser.client.post("/nudges/choose/", {"off": "streak"})
            assert "今天还没签" not in browser.see("/")

    def test_a_single_day_is_no_streak(self, as_member, alice, yesterday):
        CheckIn.objects.update(streak=1)
        with at(NOON.replace(hour=20)):
            assert "今天还没签" not in as_member(alice).see("/")

    def test_a_day_later_it_may_be_said_again(self, as_member, alice, yesterday):
        browser = as_member(alice)
        with at(NOON.replace(hour=21)):
            assert "今天还没签" in browser.see("/account/")
            browser.client.post("/member/check-in/")
        with at(NOON.replace(hour=21) + timedelta(hours=22)):
            assert "已连续签到 7 天" in browser.see("/account/")
        assert Nudge.objects.count() == 2


class TestChoosing:
    def test_the_form_sets_all(self, as_member, alice):
        browser = as_member(alice)
        html = browser.see("/member/")
        assert html.count('name="on"') == html.count(" checked>下") + html.count(" checked>商") + html.count(
            " checked>连"
        )
        browser.client.post("/nudges/choose/", {"on": ["order"]})
        html = browser.see("/member/")
        assert [("checked" in tag) for tag in re.findall(r'<input type="checkbox" name="on"[^>]*>', html)] == [
            True,
            False,
            False,
        ]

    def test_a_nudge_turns_its_own_kind_off(self, as_member, alice):
        browser = as_member(alice)
        browser.client.post("/nudges/choose/", {"off": "streak"})
        html = browser.see("/member/")
        assert [("checked" in tag) for tag in re.findall(r'<input type="checkbox" name="on"[^>]*>', html)] == [
            True,
            True,
            False,
        ]


def test_nudges_of_long_ago_are_forgotten(alice):
    fields = {"user": alice, "storefront_id": MAIN_ID, "kind": "cart", "subject": "x"}
    for days in (401, 399):
        shown = NOON - timedelta(days=days)
        Nudge.objects.create(**fields, day=clock.day_of(shown), shown_at=shown)
    assert forget_old_nudges(at=NOON) == 1
    assert Nudge.objects.get().day == clock.day_of(NOON - timedelta(days=399))


def test_two_pages_at_once_show_it_once(alice):
    """The last line is in the database."""
    fields = {"user": alice, "storefront_id": MAIN_ID, "kind": "cart", "subject": "x", "day": clock.day_of(NOON)}
    Nudge.objects.create(**fields, shown_at=NOON)
    with pytest.raises(IntegrityError), transaction.atomic():
        Nudge.objects.create(**fields, shown_at=NOON)
