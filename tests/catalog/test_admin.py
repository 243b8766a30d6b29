"""What goods staff does at the desk, and what staff of another group must not see."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from audit.models import AuditEntry
from catalog.models import Category, Key, Label, PriceHistory, Product, Sku
from catalog.services import goods, importing
from catalog.services.covers import set_cover
from kameng.desk import navigation
from tests.catalog.test_covers import PLAIN, picture
from tests.catalog.test_import import bring_in, lines
from tests.desk import Act, at_desk, staff, text_of

pytestmark = pytest.mark.django_db
PRODUCTS, SKUS, BATCHES, KEYS = (f"/admin/catalog/{name}/" for name in ("product", "sku", "keybatch", "key"))


@pytest.fixture
def otto(db) -> Client:
    """Is staff of another group."""
    return at_desk(staff("otto", "orders.view_order"))


def product_form(**fields) -> dict:
    form = {
        "name": "星河点卡",
        "kind": "key",
        "status": "on_sale",
        "warranty_days": "3",
        "position": "0",
        "search_weight": "0",
        "skus-TOTAL_FORMS": "1",
        "skus-INITIAL_FORMS": "0",
        "skus-0-code": "XH-100",
        "skus-0-name": "100 点",
        "skus-0-list_price": "9.80",
        "skus-0-cost": "9.10",
        "skus-0-status": "active",
        "skus-0-min_quantity": "1",
        "skus-0-max_quantity": "500",
        "skus-0-position": "0",
    }
    return {**form, **fields}


class TestProducts:
    def test_a_product_is_made_with_its_skus_in_one_page(self, gina, shelf, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path
        hot = goods.save_label(label=Label(code="hot", name="热门"))
        form = product_form(
            category=shelf.category.pk, labels=[hot.pk], new_cover=SimpleUploadedFile("a.png", picture())
        )
        answer = gina.post(f"{PRODUCTS}add/", form)
        assert answer.status_code == 302, text_of(answer)[:800]
        product = Product.objects.get()
        assert product.slug == "xing-he-dian-ka" and product.cover.name.endswith(".webp")
        assert list(product.labels.all()) == [hot] and product.name_pinyin == "xing he dian ka"
        sku = product.skus.get()
        assert PriceHistory.objects.get(sku=sku).price == sku.list_price
        assert AuditEntry.objects.filter(action="sku.save", actor="gina").exists()

    def test_the_list_and_the_page_open_and_are_searched_by_pinyin(self, gina, shelf):
        gina.post(f"{PRODUCTS}add/", product_form(category=shelf.category.pk))
        product = Product.objects.get()
        assert "星河点卡" in text_of(gina.get(PRODUCTS)) and "¥9.80" in text_of(gina.get(PRODUCTS))
        assert "星河点卡" in text_of(gina.get(f"{PRODUCTS}?q=xhdk"))
        assert "星河点卡" in text_of(gina.get(f"{PRODUCTS}?q=XH-100"))
        assert "星河点卡" not in text_of(gina.get(f"{PRODUCTS}?q=zzz"))
        page = gina.get(f"{PRODUCTS}{product.pk}/change/")
        assert page.status_code == 200 and "XH-100" in page.content.decode()
        assert f'href="/p/{product.slug}/"' in page.content.decode(), "the shop's page is one click away"

    def test_a_price_changed_on_the_page_goes_to_the_history(self, gina, shelf):
        gina.post(f"{PRODUCTS}add/", product_form(category=shelf.category.pk))
        product = Product.objects.get()
        changed = {
            "skus-INITIAL_FORMS": "1",
            "skus-0-id": product.skus.get().pk,
            "skus-0-product": product.pk,
            "skus-0-list_price": "8.88",
            "slug": product.slug,
        }
        answer = gina.post(f"{PRODUCTS}{product.pk}/change/", product_form(category=shelf.category.pk, **changed))
        assert answer.status_code == 302, text_of(answer)[:800]
        assert PriceHistory.objects.filter(sku__product=product).count() == 2

    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [
            ("buyer_fields-0-regex", "(", "regex 不是正确的正则表达式"),
            ("buyer_fields-0-name", "Phone", "name 须以小写字母开头"),
            ("buyer_fields-0-type", "select", "type 为 select 时必须有 options"),
            ("new_cover", SimpleUploadedFile("a.svg", PLAIN.format("<script/>").encode()), "请上传 PNG"),
            ("skus-0-list_price", "0", "售价必须大于零"),
            ("skus-0-max_quantity", "0", "限购数量不能小于起购数量"),
        ],
    )
    def test_mistakes_are_told_on_the_page(self, gina, shelf, field, value, told):
        wrong = {"buyer_fields-0-label": "手机号", field: value}
        answer = gina.post(f"{PRODUCTS}add/", product_form(category=shelf.category.pk, **wrong))
        assert answer.status_code == 200 and told in text_of(answer)
        assert not Product.objects.exists()

    def test_several_are_taken_off_sale_after_a_preview(self, gina, shelf):
        products = [shelf.sku().product for _ in range(3)]
        chosen = {"action": "take_off_sale", "_selected_action": [product.pk for product in products[:2]]}
        act = Act(gina, PRODUCTS, **chosen)
        assert products[0].name in act.text and products[2].name not in act.text
        assert "2 个商品" in act.confirm().done()
        assert list(Product.objects.order_by("pk").values_list("status", flat=True)) == [
            "off_sale",
            "off_sale",
            "on_sale",
        ]

    def test_archiving_asks_first_and_deleting_is_not_offered(self, gina, shelf):
        product = shelf.sku().product
        act = Act(gina, f"{PRODUCTS}{product.pk}/archive/")
        assert "订单、价格历史和卡密都保留" in act.text
        act.confirm()
        product.refresh_from_db()
        assert product.status == "archived"
        assert gina.get(f"{PRODUCTS}{product.pk}/delete/").status_code == 403


class TestSkus:
    def form(self, sku: Sku, **fields) -> dict:
        form = {
            "code": sku.code,
            "name": sku.name,
            "list_price": "10.00",
            "status": "active",
            "min_quantity": "1",
            "max_quantity": "100",
            "sale_order": "oldest",
            "low_stock_at": "10",
            "position": "0",
            "breaks-TOTAL_FORMS": "2",
            "breaks-INITIAL_FORMS": "0",
            "breaks-0-min_quantity": "10",
            "breaks-0-unit_price": "9.5",
            "breaks-1-min_quantity": "50",
            "breaks-1-unit_price": "9",
        }
        return {**form, **fields}

    def test_quantity_breaks_are_set_on_the_page(self, gina, shelf):
        sku = shelf.sku("10.00")
        answer = gina.post(f"{SKUS}{sku.pk}/change/", self.form(sku))
        assert answer.status_code == 302, text_of(answer)[:800]
        assert [str(one) for one in sku.breaks.all()] == ["10+ ¥9.5", "50+ ¥9"]
        answer = gina.post(f"{SKUS}{sku.pk}/change/", self.form(sku, **{"breaks-1-unit_price": "9.9"}))
        assert answer.status_code == 200 and "数量越多单价越低" in text_of(answer)

    def test_what_a_bundle_holds_is_set_on_the_page(self, gina, shelf):
        part, bundle = shelf.sku(keys=1), shelf.sku(kind=Product.Kind.BUNDLE)
        items = {
            "bundle_items-TOTAL_FORMS": "1",
            "bundle_items-INITIAL_FORMS": "0",
            "bundle_items-0-component": part.pk,
            "bundle_items-0-quantity": "2",
        }
        no_breaks = {"breaks-TOTAL_FORMS": "0"}
        answer = gina.post(f"{SKUS}{bundle.pk}/change/", self.form(bundle, **items, **no_breaks))
        assert answer.status_code == 302, text_of(answer)[:800]
        assert [(item.component, item.quantity) for item in bundle.bundle_items.all()] == [(part, 2)]
        assert f"{part.product} 标准 · {part.code}" in gina.get(f"{SKUS}{bundle.pk}/change/").content.decode()
        wrong = {**items, "bundle_items-0-component": bundle.pk}
        answer = gina.post(f"{SKUS}{bundle.pk}/change/", self.form(bundle, **wrong, **no_breaks))
        assert answer.status_code == 200

    def test_the_low_stock_list(self, gina, shelf):
        low, enough = shelf.sku(keys=2), shelf.sku(keys=30)
        importing.refresh_figures()
        listed = text_of(gina.get(f"{SKUS}?stock=low"))
        assert low.code in listed and enough.code not in listed
        page = text_of(gina.get(f"{SKUS}{low.pk}/change/"))
        assert "库存" in page and "价格历史" in page

    def test_a_reusable_secret_is_replaced_from_the_page(self, gina, shelf):
        sku = shelf.sku(kind=Product.Kind.REUSABLE)
        act = Act(gina, f"{SKUS}{sku.pk}/secret/").fill(text="https://example.com/pack")
        assert "https://example.com/pack" in act.text, "what was typed is carried to the last step"
        assert "已更换" in act.confirm().done()
        assert sku.reusable_secrets.get().preview


def test_a_sku_is_chosen_by_its_products_name(gina, otto, shelf, django_assert_max_num_queries):
    skus = [shelf.sku() for _ in range(5)]
    asked = {"app_label": "catalog", "model_name": "bundleitem", "field_name": "component"}
    with django_assert_max_num_queries(10):
        answer = gina.get("/admin/autocomplete/", {**asked, "term": "测试商品"}).json()
    assert {one["text"] for one in answer["results"]} == {f"{sku.product} 标准 · {sku.code}" for sku in skus}
    assert otto.get("/admin/autocomplete/", {**asked, "term": "测试"}).status_code == 403
    assert otto.get("/admin/autocomplete/", {**asked, "field_name": "nothing"}).status_code == 403


class TestKeys:
    @pytest.fixture
    def key(self, shelf) -> Key:
        bring_in(shelf.sku(), b"CANARY-1234-5678-90AB")
        return Key.objects.get()

    def test_lists_and_pages_show_masks_only(self, gina, key):
        for address in (KEYS, f"{KEYS}{key.pk}/change/"):
            page = gina.get(address).content.decode()
            assert key.preview in page and "CANARY-1234" not in page

    def test_a_look_needs_a_right_and_leaves_a_trace(self, gina, key):
        assert gina.get(f"{KEYS}{key.pk}/reveal/").status_code == 403
        rita = at_desk(staff("rita", "catalog.view_key", "catalog.reveal_key"))
        act = Act(rita, f"{KEYS}{key.pk}/reveal/")
        assert "审计记录" in act.text and "CANARY" not in act.text
        shown = act.confirm().page
        assert "CANARY-1234-5678-90AB" in shown.content.decode() and "no-store" in shown["Cache-Control"]
        entry = AuditEntry.objects.get(action="key.reveal")
        assert entry.actor == "rita" and entry.target_id == str(key.pk) and entry.address
        assert "查看卡密明文" in text_of(rita.get(f"{KEYS}{key.pk}/change/"))

    def test_a_key_is_found_by_what_it_says(self, gina, key):
        act = Act(gina, f"{KEYS}find/").fill(text=" ＣＡＮＡＲＹ－1234-5678-90AB ")
        assert key.preview in act.text and f"{KEYS}{key.pk}/change/" in act.text
        assert "没有找到" in Act(gina, f"{KEYS}find/").fill(text="canary-1234-5678-90ab").text

    def test_voiding_needs_a_right_and_a_key_on_sale(self, gina, key, alice, shelf):
        assert 'value="void"' not in gina.get(KEYS).content.decode()
        vic = at_desk(staff("vic", "catalog.view_key", "catalog.void_key"))
        act = Act(vic, KEYS, action="void", _selected_action=[key.pk])
        assert "1 条卡密" in act.text
        assert "已作废 1 条" in act.confirm().done()
        shelf.buy(alice, (sold := shelf.sku(keys=1), 1), from_wallet=True)
        act = Act(vic, KEYS, action="void", _selected_action=[Key.objects.get(sku=sold).pk]).confirm()
        assert "已预留或已售出" in act.done()


class TestRights:
    @pytest.mark.parametrize(
        "address", [PRODUCTS, SKUS, BATCHES, KEYS, "/admin/catalog/category/", "/admin/catalog/label/"]
    )
    def test_another_group_sees_nothing(self, otto, shelf, address):
        assert otto.get(address).status_code == 403
        assert address not in otto.get("/admin/").content.decode()

    def test_the_sidebar_shows_what_a_group_may_open(self, gina):
        page = gina.get("/admin/").content.decode()
        assert PRODUCTS in page and BATCHES in page and "/admin/catalog/label/" not in page

    def test_categories_keep_their_code(self, shelf, olga):
        desk = at_desk(olga)
        category = goods.save_category(category=Category(slug="a", code="card", name="卡"))
        form = {"name": "新名字", "slug": "a", "position": "0", "code": "other", "is_active": "on"}
        assert desk.post(f"/admin/catalog/category/{category.pk}/change/", form).status_code == 302
        category.refresh_from_db()
        assert (category.name, category.code) == ("新名字", "card")

    def test_a_list_of_many_takes_few_queries(self, olga, shelf, django_assert_max_num_queries):
        desk = at_desk(olga)
        for number in range(12):
            sku = shelf.sku(keys=1)
            bring_in(sku, lines(2, start=number * 10))
        for address in (PRODUCTS, SKUS, BATCHES, KEYS):
            desk.get(address)
            with django_assert_max_num_queries(14):
                assert desk.get(address).status_code == 200


def test_the_cover_of_a_product_is_served_locked_up(client, shelf, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    product = shelf.sku().product
    set_cover(product=product, file=ContentFile(PLAIN.format("").encode()))
    answer = client.get(product.cover.url)
    assert answer.status_code == 200 and answer["Content-Type"] == "image/svg+xml"
    assert "sandbox" in answer["Content-Security-Policy"] and "script-src" not in answer["Content-Security-Policy"]
    assert "immutable" in answer["Cache-Control"] and answer["X-Content-Type-Options"] == "nosniff"
    for bad in ("../../etc/passwd", "..%2f..%2fetc%2fpasswd", "x.html", ".svg", "none.webp"):
        assert client.get(f"/media/covers/{bad}").status_code == 404


def test_what_a_product_asks_is_edited_in_rows(gina, shelf):
    rows = {
        "buyer_fields-0-label": "手机号",
        "buyer_fields-0-type": "tel",
        "buyer_fields-0-regex": r"1[3-9]\d{9}",
        "buyer_fields-0-required": "on",
        "buyer_fields-2-label": "区服",
        "buyer_fields-2-name": "zone",
        "buyer_fields-2-type": "select",
        "buyer_fields-2-options": "cn=官服=Official\r\n\r\nqd = 渠道服",
    }
    answer = gina.post(f"{PRODUCTS}add/", product_form(category=shelf.category.pk, **rows))
    assert answer.status_code == 302, text_of(answer)[:800]
    product = Product.objects.get()
    assert product.buyer_fields == [
        {"label": "手机号", "regex": r"1[3-9]\d{9}", "name": "shou_ji_hao", "type": "tel"},
        {
            "label": "区服",
            "name": "zone",
            "type": "select",
            "required": False,
            "options": [{"value": "cn", "label": "官服", "label_en": "Official"}, {"value": "qd", "label": "渠道服"}],
        },
    ]
    page = gina.get(f"{PRODUCTS}{product.pk}/change/").content.decode()
    assert "cn=官服=Official" in page and 'value="shou_ji_hao"' in page and "buyer_fields-3-label" in page


def test_the_low_stock_line_of_the_sidebar_is_lit_by_its_own_address_only(olga, rf):
    def lit(address: str) -> list[str]:
        request = rf.get(address)
        request.user = olga
        return [str(item["title"]) for group in navigation(request) for item in group["items"] if item.get("active")]

    assert lit(f"{SKUS}?stock=low") == ["低库存"]
    assert lit(f"{SKUS}?stock=out") == lit(SKUS) == lit(f"{SKUS}1/change/") == ["规格与库存"]
