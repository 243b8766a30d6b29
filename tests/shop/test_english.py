"""Pages in English say in English whatever has an English text, and mark as Chinese what has none."""

import pytest
from django.utils import translation

from catalog.models import Product
from membership.models import MemberTier, RuleSetVersion
from membership.services import ensure_member
from orders.models import OrderLine, PriceStep
from tenancy.models import MAIN_ID
from tests.desk import at_desk
from tests.membership.club import OPENING

pytestmark = pytest.mark.django_db


@pytest.fixture
def gold(alice):
    member = ensure_member(user_id=alice.pk, storefront_id=MAIN_ID, at=OPENING)
    MemberTier.objects.filter(pk=member.pk).update(rank=2)
    return alice


@pytest.fixture
def card(shelf):
    """A SKU with English texts."""
    sku = shelf.sku("10.00", keys=30, name_en="Standard")
    Product.objects.filter(pk=sku.product_id).update(
        name="星河点卡",
        name_en="Galaxy card",
        summary="秒发",
        summary_en="Delivered in seconds",
        guide="打开兑换页",
        guide_en="Open the redeem page",
    )
    return sku


def reader(as_member, user, lang: str):
    browser = as_member(user)
    browser.client.cookies["lang"] = lang
    return browser


@pytest.mark.parametrize("placed_in", ["zh-hans", "en"])
def test_an_order_is_read_in_either_language_whichever_it_was_placed_in(as_member, gold, olga, card, placed_in):
    with translation.override(placed_in):
        order = reader(as_member, gold, placed_in).buy(card, pay="wallet")
    path = f"/orders/{order.public_id}/"
    english = reader(as_member, gold, "en").see(path)
    main = english[english.index("<main") : english.index("</main")]
    assert "Open the redeem page" in main and "打开兑换页" in reader(as_member, gold, "zh-hans").see(path)
    assert "Galaxy card" in main and "Standard × 1" in main and "3% off" in main and "<dd>Balance</dd>" in main
    assert not any(word in main for word in ("星河点卡", "标准", "折", "余额", "兑换页"))
    chinese = reader(as_member, gold, "zh-hans").see(path)
    assert "星河点卡" in chinese and "标准 × 1" in chinese and "黄金会员 9.7 折" in chinese and "Galaxy" not in chinese
    desk = at_desk(olga).get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "黄金会员 9.7 折" in desk and "Galaxy" not in desk
    for page in ("/orders/", "/library/"):
        assert "Galaxy card" in reader(as_member, gold, "en").see(page)
        assert "Galaxy card" not in reader(as_member, gold, "zh-hans").see(page)


def test_the_checkout_offers_to_pay_from_the_balance(as_member, gold, card):
    html = reader(as_member, gold, "en").see(f"/checkout/?sku={card.public_id}")
    assert "Pay from balance" in html and "3% off" in html


@pytest.mark.damages_books
def test_what_has_no_english_is_marked_on_the_order(as_member, alice, shelf):
    order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
    OrderLine.objects.filter(order=order).update(product_name="只有中文", guide="打开兑换页")
    PriceStep.objects.create(line=order.lines.get(), position=9, stage="member", amount="-1.00", why="旧等级 9 折")
    browser = reader(as_member, alice, "en")
    html = browser.see(f"/orders/{order.public_id}/")
    assert 'lang="zh-Hans">只有中文</a>' in html and '<dt lang="zh-Hans">旧等级 9 折</dt>' in html
    assert '<div class="prose" lang="zh-Hans"><p>打开兑换页' in html
    assert 'lang="zh-Hans">只有中文' in browser.see("/orders/")
    assert 'lang="zh-Hans">只有中文' in browser.see("/library/")
    assert 'lang="zh-Hans"><' not in reader(as_member, alice, "zh-hans").see("/orders/").split("<main")[1]


def test_the_summary_of_a_product(guest, card):
    guest.client.cookies["lang"] = "en"
    html = guest.see(f"/p/{card.product.slug}/")
    assert '<meta name="description" content="Delivered in seconds">' in html
    assert '<p class="text-sm text-ink-2">Delivered in seconds</p>' in html and "秒发" not in html
    Product.objects.filter(pk=card.product_id).update(summary_en="", summary="两秒发")
    guest.client.cookies["theme"] = "dark"
    assert '<p class="text-sm text-ink-2" lang="zh-Hans">两秒发</p>' in guest.see(f"/p/{card.product.slug}/")


def test_the_note_of_a_rule_version(guest):
    guest.client.cookies["lang"] = "en"
    assert "First version" in guest.see("/member/rules/")
    RuleSetVersion.objects.update(note_en="")
    html = guest.see("/member/rules/")
    assert '<span lang="zh-Hans">首个版本</span>' in html
