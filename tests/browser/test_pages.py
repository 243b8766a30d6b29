"""Every page, light and dark, Chinese and English, from the narrowest phone to a desktop: axe finds nothing, nothing scrolls
sideways, the console is silent."""

from decimal import Decimal

import pytest
from playwright.sync_api import expect

from catalog.models import Label, PriceHistory, Product, QuantityBreak, Sku
from catalog.services.indexing import index_product
from common import clock

# The narrowest with the longest words and the widest in the dark are looked at each time, the others in the full lane.
LOOKS = [
    ("light", "en", 320),
    ("dark", "zh-hans", 1280),
    *(
        pytest.param(*look, marks=pytest.mark.full)
        for look in (
            ("light", "zh-hans", 320),
            ("light", "zh-hans", 1280),
            ("dark", "zh-hans", 390),
            ("dark", "en", 1280),
        )
    ),
]
LONG = "一个名字特别长的商品适合检查换行会不会把页面撑破 WithAnUnbreakableLatinWordInsideOfItThatGoesOn"


@pytest.fixture
def shop(shelf, alice) -> dict[str, Sku]:
    """One of everything that makes a page look different."""
    skus = {
        "card": shelf.sku("10.00", keys=30),
        "few": shelf.sku("1234.56", keys=4),
        "out": shelf.sku("5.00"),
        "top_up": shelf.sku(
            "30.00",
            kind=Product.Kind.TOP_UP,
            buyer_fields=[
                {"name": "phone", "label": "手机号", "help": "充错无法退回", "regex": "1[0-9]{10}", "type": "tel"},
                {
                    "name": "server",
                    "label": "区服",
                    "type": "select",
                    "options": [{"value": "1", "label": "一区"}, {"value": "2", "label": "二区"}],
                },
            ],
        ),
    }
    card = skus["card"].product
    text = "## 说明\n\n- **一卡一码**\n\n| 面值 | 到账 |\n|---|---|\n| 10 | 10 |\n\n[官网](https://example.com)"
    Product.objects.filter(pk=card.pk).update(name=LONG, summary="官方渠道", description=text, guide="1. 打开\n2. 输入")
    for number in range(5):
        Sku.objects.create(
            product=card, code=f"size{number}", name=f"{number}00 元大面额", list_price=Decimal(f"9{number}")
        )
    QuantityBreak.objects.create(sku=skus["card"], min_quantity=10, unit_price=Decimal("9.5"))
    for price in ("12.00", "9.00"):
        PriceHistory.objects.create(sku=skus["card"], price=Decimal(price), at=clock.now())
    for code, name in (("hot", "热门"), ("new", "新品")):
        Label.objects.create(code=code, name=name).products.add(*[sku.product for sku in skus.values()])
    for product in Product.objects.all():
        index_product(product)
    shelf.buy(
        alice, (skus["top_up"], 1), (skus["card"], 3), from_wallet=True, fields={"phone": "13800138000", "server": "1"}
    )
    return skus


def faults_on(visitor, paths: list[str]) -> dict[str, list[str]]:
    """What is wrong, by path; {} when nothing is."""
    wrong = {}
    for path in paths:
        visitor.go(path)
        if found := visitor.faults():
            wrong[path] = found
        visitor.troubles.clear()
    return wrong


@pytest.mark.parametrize(("theme", "lang", "width"), LOOKS)
def test_pages_of_strangers(visit, shop, theme, lang, width):
    visitor = visit(width)
    visitor.choose(theme=theme, lang=lang)
    card, top_up = shop["card"], shop["top_up"]
    paths = [
        "/",
        "/categories/",
        "/categories/?min=900000&stock=1",
        "/c/test-cards/?sort=price",
        "/search/?q=ceshi",
        "/search/?q=zzzz",
        f"/p/{card.product.slug}/",
        f"/p/{shop['out'].product.slug}/",
        f"/checkout/?sku={card.public_id}&quantity=2",
        f"/checkout/?sku={top_up.public_id}",
        "/cart/",
        "/orders/",
        "/orders/find/",
        "/account/",
        "/account/login/",
        "/account/signup/",
        "/account/password/reset/",
        "/account/password/reset/done/",
        "/account/password/reset/key/1-a-b/",
        "/account/confirm-email/",
        "/account/confirm-email/gone/",
        "/account/inactive/",
        "/offline/",
    ]
    assert faults_on(visitor, paths) == {}


@pytest.mark.parametrize(("theme", "lang", "width"), LOOKS)
def test_pages_of_members(visit, shop, alice, shelf, theme, lang, width):
    paid, unpaid = alice.orders.get(), shelf.buy(alice, (shop["few"], 1))
    closed = shelf.buy(alice, (shop["few"], 1))
    visitor = visit(width)
    visitor.sign_in(alice)
    visitor.choose(theme=theme, lang=lang)
    visitor.go(f"/p/{shop['card'].product.slug}/")
    visitor.page.locator("[data-add-to-cart]").click()
    expect(visitor.page.locator(".count")).to_be_visible()
    visitor.go(f"/orders/{closed.public_id}/").locator("form[action$='/cancel/'] button").click()
    paths = [
        "/",
        "/cart/",
        "/checkout/?from=cart",
        "/orders/",
        f"/orders/{paid.public_id}/",
        f"/orders/{unpaid.public_id}/",
        f"/orders/{closed.public_id}/",
        "/library/",
        "/wallet/",
        "/account/",
        "/account/email/",
        "/account/password/change/",
        "/account/logout/",
    ]
    assert faults_on(visitor, paths) == {}


@pytest.mark.parametrize("lang", ["zh-hans", "en"])
def test_the_words_of_the_bottom_nav_stand_in_one_row_and_apart(visit, shop, lang):
    visitor = visit(320)
    visitor.choose(theme="light", lang=lang)
    visitor.go("/account/")
    boxes = visitor.page.eval_on_selector_all(
        ".bottom-nav a",
        """links => links.map(link => {
            const range = document.createRange();
            range.selectNodeContents(link.lastChild);
            const text = range.getBoundingClientRect();
            return [Math.round(text.top), Math.round(text.bottom), text.left, text.right];
        })""",
    )
    assert len({(top, bottom) for top, bottom, _left, _right in boxes}) == 1
    assert all(one[3] + 4 <= other[2] for one, other in zip(boxes, boxes[1:], strict=False)), boxes


def test_error_pages_are_readable_too(visit, shop):
    visitor = visit()
    for theme in ("light", "dark"):
        visitor.choose(theme=theme)
        visitor.go("/no/such/page/")
        found = [fault for fault in visitor.faults() if "404" not in fault]
        assert found == []
        visitor.troubles.clear()


def small_targets(page) -> list[str]:
    """What a finger misses: less than 44 px, but for links inside running text and boxes whose label is pressed too."""
    return page.evaluate(
        """() => [...document.querySelectorAll("a, button, input:not([type=hidden]):not([type=radio]), summary")]
        .filter((one) => one.offsetParent && !one.closest(".prose, .text-xs, .crumbs, .skip, .check"))
        .map((one) => [one.outerHTML.slice(0, 100), one.getBoundingClientRect()])
        .filter(([html, box]) => box.height < 44 || box.width < 40)
        .map(([html, box]) => `${Math.round(box.width)}×${Math.round(box.height)} ${html}`)"""
    )


def test_targets_are_big_enough_for_fingers(visit, shop):
    visitor = visit(390)
    paths = ("/", "/categories/", f"/p/{shop['card'].product.slug}/", f"/checkout/?sku={shop['card'].public_id}")
    small = {path: found for path in paths if (found := small_targets(visitor.go(path)))}
    assert small == {}


def test_nothing_breaks_when_text_is_twice_as_big(visit, shop):
    """200% zoom of a 1280 px window is a window of 640 px."""
    visitor = visit(640)
    for path in ("/", f"/p/{shop['card'].product.slug}/", f"/checkout/?sku={shop['card'].public_id}", "/cart/"):
        visitor.go(path)
        assert visitor.faults() == []
