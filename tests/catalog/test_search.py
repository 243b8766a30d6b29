"""What people type, and what they must find."""

from decimal import Decimal

import pytest
from django.db import connection

from catalog import words
from catalog.models import Category, Label, Product, Sku, StockFigure
from catalog.selectors import Filters, Found, search
from catalog.selectors.searching import matches
from catalog.services import goods
from common import clock
from tenancy.selectors import main_storefront

pytestmark = pytest.mark.django_db

NAMES = [
    ("netease", "网易一卡通", "NetEase One Card"),
    ("music", "网易云音乐黑胶VIP 月卡", "NetEase Cloud Music VIP"),
    ("qqmusic", "QQ音乐豪华绿钻", "QQ Music Green Diamond"),
    ("iqiyi", "爱奇艺黄金会员", "iQIYI Gold"),
    ("windows", "Windows 11 专业版激活码", "Windows 11 Pro key"),
    ("mobile", "中国移动话费直充", "China Mobile top-up"),
    ("steam", "Steam 钱包充值码（国区）", "Steam wallet code"),
]


@pytest.fixture
def shop(db):
    cards = goods.save_category(category=Category(slug="cards", code="cards", name="会员与点卡", name_en="Cards"))
    phone = goods.save_category(category=Category(slug="phone", code="phone", name="话费", name_en="Phone credit"))
    for place, (slug, name, name_en) in enumerate(NAMES):
        product = Product(
            slug=slug,
            name=name,
            name_en=name_en,
            category=phone if slug == "mobile" else cards,
            status=Product.Status.ON_SALE,
            summary="官方渠道" if slug == "steam" else "",
            kind=Product.Kind.TOP_UP if slug == "mobile" else Product.Kind.KEY,
        )
        goods.save_product(product=product)
        goods.save_sku(sku=Sku(product=product, code=f"{slug.upper()}-100", name="100 元", list_price=10 + place))


def ask(text: str, **filters) -> Found:
    return search(storefront=main_storefront(), text=text, filters=Filters(**filters))


def found(text: str, **filters) -> list[str]:
    return [product.slug for product in ask(text, **filters).products]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("网易", {"netease", "music"}),
        ("音乐", {"music", "qqmusic"}),
        ("卡", {"netease", "music"}),
        ("QQ音乐", {"qqmusic"}),
        ("ｑｑ音乐", {"qqmusic"}),
        ("qqyinyue", {"qqmusic"}),
        ("qqyy", {"qqmusic"}),
        ("wangyiyun", {"music"}),
        ("wyyk", {"netease"}),
        ("wyykt", {"netease"}),
        ("aqy", {"iqiyi"}),
        ("aiqiyi", {"iqiyi"}),
        ("huafei", {"mobile"}),
        ("hf", {"mobile"}),
        ("win11", {"windows"}),
        ("Windows 11", {"windows"}),
        ("steam", {"steam"}),
        ("ste", {"steam"}),
        ("官方", {"steam"}),
        ("MOBILE-100", {"mobile"}),
        ("green diamond", {"qqmusic"}),
    ],
)
def test_found_as_typed(shop, text, first):
    result = ask(text)
    assert {product.slug for product in result.products} >= first
    assert result.how == "typed"
    assert [product.slug for product in result.products][0] in first


def test_nothing_but_what_was_asked(shop):
    assert found("音乐黑胶") == ["music"]
    assert found("移动话费") == ["mobile"]


@pytest.mark.parametrize(
    ("text", "slug", "how"),
    [
        ("王一卡通", "netease", "like"),
        ("网意一卡通", "netease", "sound"),
        ("爱其意", "iqiyi", "sound"),
        ("爱奇异黄金", "iqiyi", "sound"),
        ("windws", "windows", "like"),
        ("netese", "netease", "like"),
        ("staem", "steam", "like"),
    ],
)
def test_typos_are_forgiven(shop, text, slug, how):
    result = ask(text)
    assert slug in [product.slug for product in result.products][:2]
    assert result.how == how


@pytest.mark.parametrize(
    "text", ["", "   ", "!!!", "\0", "'", "' | ''", "\\", "卡" * 500, "a" * 5000, "😀", "& | ! <-> :*"]
)
def test_no_query_breaks_the_index(shop, text):
    list(ask(text).products)


def test_rubbish_finds_nothing(shop):
    assert found("zzzzqqqqxxxx") == []


def test_an_empty_query_is_the_plain_list(shop):
    assert len(found("")) == len(NAMES)


def test_sorting_and_filters(shop):
    assert found("网易", sort="-price") == ["music", "netease"]
    assert found("", sort="price")[0] == "netease"
    assert found("", sort="name")[0] == "iqiyi", "爱 is the first in pinyin"
    StockFigure.objects.create(sku=Sku.objects.get(code="NETEASE-100"), sold=500, refreshed_at=clock.now())
    assert found("网易", sort="sales") == ["netease", "music"]
    assert set(found("", price_min=Decimal(11), price_max=Decimal(12))) == {"music", "qqmusic"}
    assert found("", in_stock=True) == ["mobile"], "only the top-up needs no keys"


def test_labels_narrow_and_are_searchable(shop):
    hot = goods.save_label(label=Label(code="hot", name="热门"))
    goods.set_labels(product=Product.objects.get(slug="steam"), labels=[hot])
    assert found("", label="hot") == ["steam"]
    assert found("热门") == ["steam"]
    assert found("remen") == []


def test_drafts_and_hidden_categories_are_not_found(shop):
    Product.objects.filter(slug="steam").update(status=Product.Status.DRAFT)
    Category.objects.filter(slug="phone").update(is_active=False)
    assert found("steam") == [] or "steam" not in found("steam")
    assert "mobile" not in found("话费")


def test_renaming_a_category_is_found_at_once(shop):
    category = Category.objects.get(slug="phone")
    category.name = "充值中心"
    goods.save_category(category=category)
    assert found("充值中心") == ["mobile"]


def test_the_condition_fits_the_gin_index(shop):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = Product.objects.filter(matches(words.tsquery("音乐"))).explain()
    assert "product_search_document" in plan, plan


def test_a_search_takes_two_queries(shop, django_assert_num_queries):
    main_storefront()  # kept in the process afterwards
    with clock.one_moment():
        clock.now()
        with django_assert_num_queries(2):
            list(ask("音乐").products)


def test_pinyin_of_mixed_names():
    assert words.syllables("QQ音乐豪华绿钻") == ["qq", "yin", "yue", "hao", "hua", "lv", "zuan"]
    assert words.sort_key("爱奇艺") == "ai qi yi"
    assert "yinyuehaohualvzuan" in words.pinyin_words("QQ音乐豪华绿钻")
    assert "yyhhlz" in words.pinyin_words("QQ音乐豪华绿钻")
