"""Products for programs."""

from decimal import Decimal

import pytest

from catalog.models import Category, Label, Product, StockFigure
from common import clock


def names(caller, query: str = "") -> list[str]:
    status, page = caller.get(f"/products/{query}")
    assert status == 200, page
    return [product["name"] for product in page["items"]]


@pytest.fixture
def goods(shelf) -> dict[str, Product]:
    """Five products: prices 1 to 5, sold 5 to 1 times."""
    made = {}
    for number in range(1, 6):
        sku = shelf.sku(f"{number}.00", keys=number % 3)
        StockFigure.objects.create(sku=sku, sold=6 - number, refreshed_at=clock.now())
        Product.objects.filter(pk=sku.product_id).update(name=f"商品{number}", name_pinyin=f"shangpin{number}")
        made[f"商品{number}"] = sku.product
    return made


def test_what_is_told_of_a_product(nobody, shelf):
    sku = shelf.sku("9.90", keys=3, min_quantity=1, max_quantity=10, cost=Decimal("5.00"))
    sku.breaks.create(min_quantity=5, unit_price=Decimal("9.5"))
    product = sku.product
    product.labels.add(Label.objects.create(code="hot", name="热卖", name_en="Hot"))
    status, shown = nobody.get(f"/products/{product.public_id}/")
    assert status == 200
    assert shown["skus"] == [
        {
            "id": sku.public_id,
            "name": "标准",
            "list_price": "9.9000",
            "min_quantity": 1,
            "max_quantity": 10,
            "stock": 3,
            "breaks": [{"min_quantity": 5, "unit_price": "9.5000"}],
        }
    ]
    assert (shown["id"], shown["kind"], shown["cover"]) == (product.public_id, "key", None)
    assert shown["category"] == {"slug": "test-cards", "name": "测试卡"}
    assert shown["labels"] == [{"code": "hot", "name": "热卖"}]
    (listed,) = nobody.get("/products/")[1]["items"]
    assert listed.items() <= shown.items()
    english = nobody.get(f"/products/{product.public_id}/", accept_language="en")[1]
    assert english["category"]["name"] == "Test cards"
    assert english["labels"][0]["name"] == "Hot"


def test_the_buyer_fields_come_as_they_are_to_be_sent(nobody, shelf):
    fields = [
        {"name": "account", "label": "账号", "label_en": "Account", "regex": r"\d+"},
        {
            "name": "area",
            "label": "区服",
            "type": "select",
            "options": [{"value": "a1", "label": "一区"}],
            "required": False,
        },
    ]
    sku = shelf.sku(kind=Product.Kind.TOP_UP, buyer_fields=fields)
    shown = nobody.get(f"/products/{sku.product.public_id}/", accept_language="en")[1]["buyer_fields"]
    assert [(one["name"], one["label"], one["required"], one["options"]) for one in shown] == [
        ("account", "Account", True, []),
        ("area", "区服", False, ["a1"]),
    ]


def test_stock_is_told_no_further_than_needed(nobody, shelf):
    sku = shelf.sku(keys=40)
    assert nobody.get(f"/products/{sku.product.public_id}/")[1]["skus"][0]["stock"] == 21


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?sort=price", "12345"),
        ("?sort=-price", "54321"),
        ("?sort=sales", "12345"),
        ("?sort=name", "12345"),
        ("?sort=new", "54321"),
        ("?sort=price&in_stock=true", "1245"),
        ("?sort=price&price_min=2&price_max=4.00", "234"),
        ("?sort=price&automatic=true", "12345"),
        ("?sort=price&automatic=false", "12345"),
        ("?sort=price&category=test-cards", "12345"),
        ("?sort=price&category=no-such", ""),
        ("?sort=price&label=no-such", ""),
    ],
)
def test_filters_and_orders(nobody, goods, query, found):
    assert names(nobody, query) == [f"商品{digit}" for digit in found]


@pytest.mark.parametrize("sort", ["", "price", "-price", "sales", "new", "name"])
def test_pages_hold_everything_once_in_order(nobody, goods, shelf, sort):
    for _ in range(4):
        shelf.sku("3.00")  # equal in price and sales
    query = f"?limit=2{'&sort=' + sort if sort else ''}"
    whole = names(nobody, query.replace("limit=2", "limit=100"))
    seen, cursor = [], ""
    while cursor is not None:
        page = nobody.get(f"/products/{query}{'&cursor=' + cursor if cursor else ''}")[1]
        seen += [product["name"] for product in page["items"]]
        cursor = page["next"]
        assert len(seen) <= 9
    assert seen == whole
    assert len(set(seen)) == 9


def test_a_page_does_not_shift_when_something_new_stands_in_front(nobody, goods, shelf):
    page = nobody.get("/products/?limit=2")[1]
    shelf.sku()
    following = names(nobody, f"?limit=2&cursor={page['next']}")
    assert following == ["商品3", "商品2"]


def test_children_belong_to_their_category(nobody, shelf):
    sku = shelf.sku()
    child = Category.objects.create(slug="steam", code="steam", name="Steam", parent=shelf.category)
    Product.objects.filter(pk=sku.product_id).update(category=child)
    assert len(names(nobody, "?category=test-cards")) == len(names(nobody, "?category=steam")) == 1


def test_search_gives_its_best(nobody, goods):
    assert names(nobody, "?q=no-such-thing-anywhere") == []
    status, body = nobody.get("/products/?q=x&cursor=y")
    assert (status, body["error"]["code"]) == (404, "bad_cursor")


@pytest.mark.parametrize("status", ["draft", "off_sale", "archived"])
def test_what_is_not_on_sale_is_not_there(nobody, shelf, status):
    sku = shelf.sku(keys=1)
    Product.objects.filter(pk=sku.product_id).update(status=status)
    assert names(nobody) == []
    assert nobody.get(f"/products/{sku.product.public_id}/")[0] == 404


def test_a_list_costs_the_same_for_two_as_for_twenty(nobody, shelf, django_assert_max_num_queries):
    for _ in range(20):
        shelf.sku(keys=1)
    nobody.get("/products/?limit=2")
    with django_assert_max_num_queries(8):
        nobody.get("/products/?limit=20")
