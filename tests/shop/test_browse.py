"""Looking around: home, categories, lists, search, one product."""

from decimal import Decimal

import pytest
from django.core.cache import cache

from catalog.models import Category, Label, PriceHistory, Product, QuantityBreak, Sku
from catalog.services.indexing import index_product
from common import clock


def named(shelf, name: str, **fields) -> Sku:
    sku = shelf.sku(**fields)
    Product.objects.filter(pk=sku.product_id).update(name=name)
    sku.product.refresh_from_db()
    index_product(sku.product)
    return sku


def test_an_empty_shop_says_where_to_go(guest):
    assert "货架正在整理" in guest.see("/")


def test_home_has_categories_and_a_shelf_for_each_label(guest, shelf):
    Label.objects.create(code="hot", name="热门").products.add(named(shelf, "热卖点卡", keys=3).product)
    html = guest.see("/")
    assert 'href="/c/test-cards/"' in html
    assert "热卖点卡" in html
    assert "仅剩 3" in html
    assert 'href="/categories/?label=hot"' in html


def test_a_list_is_filtered_and_sorted_by_its_address(guest, shelf):
    named(shelf, "便宜卡", price="1.00", keys=1)
    named(shelf, "贵重卡", price="99.00", keys=1)
    html = guest.see("/categories/?sort=-price")
    assert html.index("贵重卡") < html.index("便宜卡")
    html = guest.see("/c/test-cards/?max=50")
    assert "便宜卡" in html
    assert "贵重卡" not in html


def test_senseless_filters_are_ignored(guest, shelf):
    named(shelf, "点卡")
    assert "点卡" in guest.see("/categories/?min=abc&max=-1&sort=hack&label=%27&page=999&stock=")


def test_no_match_offers_to_drop_the_filters(guest, shelf):
    named(shelf, "点卡")
    html = guest.see("/categories/?min=500&sort=price")
    assert "清除筛选" in html
    assert 'href="?sort=price"' in html


def test_a_category_shows_its_children_and_hides_when_inactive(guest, shelf):
    child = Category.objects.create(slug="child", code="child", name="下级", parent=shelf.category)
    sku = named(shelf, "下级商品")
    Product.objects.filter(pk=sku.product_id).update(category=child)
    assert "下级商品" in guest.see("/c/test-cards/")
    Category.objects.filter(pk=child.pk).update(is_active=False)
    assert guest.get("/c/child/").status_code == 404
    assert "下级商品" not in guest.see("/c/test-cards/")


@pytest.mark.parametrize("text", ["腾讯", "tengxun", "tx"])
def test_search_finds_chinese_pinyin_and_initials(guest, shelf, text):
    named(shelf, "腾讯点券")
    assert "腾讯点券" in guest.see(f"/search/?q={text}")


def test_a_fruitless_search_leads_on(guest, shelf):
    named(shelf, "腾讯点券")
    html = guest.see("/search/?q=zzzz")
    assert "没有找到" in html
    assert "/c/test-cards/" in html


def test_search_text_is_shown_as_text(guest, shelf):
    html = guest.see("/search/?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in html


def test_search_survives_nul_and_length(guest, shelf):
    guest.see("/search/?q=%00" + "长" * 500)


def test_an_empty_search_is_the_whole_shop(guest):
    assert guest.get("/search/?q=").status_code == 302


def test_product_page_tells_price_stock_and_quantity_prices(guest, shelf):
    sku = named(shelf, "点卡", price="10.00", keys=30)
    QuantityBreak.objects.create(sku=sku, min_quantity=10, unit_price=Decimal("9.5"))
    html = guest.see(f"/p/{sku.product.slug}/")
    assert "10.00" in html
    assert "充足" in html
    assert "满 10 件" in html
    assert "¥9.50" in html


def test_product_page_chooses_the_sku_of_the_address(guest, shelf):
    sku = named(shelf, "点卡", price="10.00", keys=1)
    other = Sku.objects.create(product=sku.product, code="other", name="大", list_price=Decimal("50.00"))
    shelf.stock(other, 1)
    html = guest.see(f"/p/{sku.product.slug}/?sku={other.public_id}")
    assert f'value="{other.public_id}" data-picks data-min="1" data-max="5000" checked' in html


def test_sold_out_cannot_be_bought(guest, shelf):
    html = guest.see(f"/p/{named(shelf, '点卡').product.slug}/")
    assert "补货中" in html
    assert "disabled>补货中</button>" in html


def test_description_cannot_run_scripts(guest, shelf):
    sku = named(shelf, "点卡")
    text = "<script>alert(1)</script>[x](javascript:alert(2))<img src=x onerror=alert(3)>**粗体**"
    Product.objects.filter(pk=sku.product_id).update(description=text)
    html = guest.see(f"/p/{sku.product.slug}/")
    assert "<strong>粗体</strong>" in html
    for bad in ("<script>alert", 'href="javascript', "<img src=x"):
        assert bad not in html


def test_price_line_shows_once_the_price_has_moved(guest, shelf):
    sku = named(shelf, "点卡", price="10.00")
    PriceHistory.objects.create(sku=sku, price=Decimal("10.00"), at=clock.now())
    assert "价格走势" not in guest.see(f"/p/{sku.product.slug}/")
    PriceHistory.objects.create(sku=sku, price=Decimal("8.00"), at=clock.now())
    html = guest.see(f"/p/{sku.product.slug}/")
    assert "近 30 天最低 ¥8.00" in html
    assert "<polyline" in html


def test_untranslated_names_are_marked_for_english_readers(guest, shelf):
    sku = named(shelf, "点卡")
    guest.client.cookies["lang"] = "en"
    assert '<h1 lang="zh-Hans">点卡</h1>' in guest.see(f"/p/{sku.product.slug}/")
    Product.objects.filter(pk=sku.product_id).update(name_en="Game card")
    assert "<h1>Game card</h1>" in guest.see(f"/p/{sku.product.slug}/")


def test_drafts_and_strangers_are_404(guest, shelf):
    sku = named(shelf, "点卡")
    Product.objects.filter(pk=sku.product_id).update(status=Product.Status.DRAFT)
    assert guest.get(f"/p/{sku.product.slug}/").status_code == 404
    assert guest.get("/p/no-such-thing/").status_code == 404


def test_pages_for_guests_hold_nothing_personal(guest, shelf):
    """They are kept for everybody: no form token, no nonce, no cookie."""
    sku = named(shelf, "点卡", keys=1)
    for path in ("/", "/categories/", "/c/test-cards/", "/search/?q=点卡", f"/p/{sku.product.slug}/"):
        answer = guest.get(path)
        html = answer.content.decode()
        assert "csrfmiddlewaretoken" not in html, path
        assert "nonce" not in html, path
        assert not answer.cookies, path


@pytest.mark.parametrize("path", ["/", "/categories/", "/c/test-cards/", "/search/?q=kapian"])
def test_a_page_needs_few_queries_however_much_it_shows(guest, shelf, django_assert_max_num_queries, path):
    label = Label.objects.create(code="hot", name="热门")
    for number in range(12):
        label.products.add(named(shelf, f"卡片{number}", keys=1).product)
    guest.get(path)
    cache.clear()
    with django_assert_max_num_queries(12):
        guest.see(path)


def test_a_product_needs_few_queries(guest, shelf, django_assert_max_num_queries):
    sku = named(shelf, "点卡", keys=1)
    guest.see(f"/p/{sku.product.slug}/")
    with django_assert_max_num_queries(12):
        guest.see(f"/p/{sku.product.slug}/")


def test_the_price_of_the_next_tier_is_shown(guest, as_member, alice, shelf):
    sku = named(shelf, "点卡", price="10.00", keys=1)
    for browser in (guest, as_member(alice)):
        assert "白银会员 ¥9.90" in browser.see(f"/p/{sku.product.slug}/")
