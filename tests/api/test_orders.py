"""Buying by program."""

import json
from decimal import Decimal

import pytest

from catalog.models import Key, Product
from orders.models import Order
from tests.marketing.coupons import give
from tests.shelf import books
from wallet.selectors import balance_of

NOBODYS_ID = "x" * 22


def test_alice_places_and_pays_and_holds_the_keys(as_alice, shelf, alice):
    sku = shelf.sku("10.00")
    keys = shelf.stock(sku, 3)
    status, order = as_alice.place(sku, 2, pay_with="wallet", expected_total="20.00")
    assert status == 201
    assert (order["state"], order["total"], order["paid_total"]) == ("delivered", "20.00", "20.00")
    (line,) = order["lines"]
    assert line["keys"] == keys[:2]
    assert (line["unit_price"], line["total"], line["quantity"]) == ("10.0000", "20.00", 2)
    assert line["price_steps"] == [{"stage": "list", "amount": "20.00", "why": ""}]
    assert as_alice.get(f"/orders/{order['id']}/") == (200, order)
    assert as_alice.get("/wallet/") == (200, {"balance": "980.00"})
    assert books() == {}


def test_reserve_now_pay_later(as_alice, shelf, alice):
    sku = shelf.sku("10.00", keys=1)
    status, order = as_alice.place(sku)
    assert (status, order["state"], order["lines"][0]["keys"]) == (201, "unpaid", [])
    status, paid = as_alice.post(f"/orders/{order['id']}/pay/", {"method": "wallet"})
    assert (status, paid["state"], len(paid["lines"][0]["keys"])) == (200, "delivered", 1)
    assert as_alice.post(f"/orders/{order['id']}/pay/", {"method": "wallet"}) == (200, paid)
    assert balance_of(alice) == Decimal("990.00")
    assert as_alice.post(f"/orders/{order['id']}/cancel/")[0] == 409
    assert books() == {}


def test_cancelling_twice_is_cancelling_once(as_alice, shelf):
    sku = shelf.sku(keys=1)
    order = as_alice.place(sku)[1]
    for _ in range(2):
        status, cancelled = as_alice.post(f"/orders/{order['id']}/cancel/")
        assert (status, cancelled["state"]) == (200, "cancelled")
    status, body = as_alice.post(f"/orders/{order['id']}/pay/", {"method": "wallet"})
    assert (status, body["error"]["code"]) == (409, "illegal_move")
    assert Key.objects.filter(state="available").count() == 1


def test_the_same_key_orders_once(as_alice, shelf, alice):
    sku = shelf.sku("10.00", keys=5)
    first = as_alice.place(sku, pay_with="wallet")
    assert as_alice.place(sku, pay_with="wallet") == first
    assert Order.objects.count() == 1
    assert balance_of(alice) == Decimal("990.00")


@pytest.mark.parametrize("change", [{"quantity": 2}, {"pay_with": "wallet"}, {"expected_total": "10.00"}])
def test_the_same_key_with_another_body_is_refused(as_alice, shelf, change):
    sku = shelf.sku("10.00", keys=5)
    as_alice.place(sku)
    status, body = as_alice.place(sku, **change)
    assert (status, body["error"]["code"]) == (409, "idempotency_key_reused")
    assert Order.objects.count() == 1


def test_keys_of_other_callers_do_not_collide(as_alice, as_bob, shelf):
    sku = shelf.sku(keys=5)
    mine, his = as_alice.place(sku)[1], as_bob.place(sku)[1]
    assert mine["id"] != his["id"]


@pytest.mark.parametrize("key", [None, "", "short", "x" * 65, "with space in it", "钥匙钥匙钥匙钥匙"])
def test_an_order_needs_a_proper_key(as_alice, shelf, key):
    body = {"items": [{"sku": shelf.sku(keys=1).public_id, "quantity": 1}]}
    headers = {} if key is None else {"idempotency_key": key}
    status, answer = as_alice.post("/orders/", body, **headers)
    assert status == 400
    assert list(answer["error"]["fields"]) == ["Idempotency-Key"]
    assert not Order.objects.exists()


@pytest.mark.parametrize("quantity", [0, -1, 10**9, 10**30, 1.5, "1", "１", True, None, [1]])
def test_strange_quantities(as_alice, shelf, quantity):
    sku = shelf.sku(keys=1)
    status, body = as_alice.place(sku, quantity)
    assert status == 400
    assert list(body["error"]["fields"]) == ["items.0.quantity"]


def test_the_skus_own_limits(as_alice, shelf):
    sku = shelf.sku(keys=9, min_quantity=2, max_quantity=5)
    status, body = as_alice.place(sku, 6)
    assert (status, body["error"]["code"], body["error"]["params"]) == (400, "bad_quantity", {"min": 2, "max": 5})
    # Split over two items it is still six.
    items = [{"sku": sku.public_id, "quantity": 3}] * 2
    assert as_alice.post("/orders/", {"items": items}, idempotency_key="split-split")[0] == 400


def test_a_sum_beyond_all_books(as_alice, shelf):
    sku = shelf.sku("99999999.99", keys=1, max_quantity=100_000)
    for path in ("/quotes/", "/orders/"):
        body = {"items": [{"sku": sku.public_id, "quantity": 100_000}]}
        status, answer = as_alice.post(path, body, idempotency_key="too-much-money")
        assert (status, answer["error"]["code"]) == (400, "total_too_large")


@pytest.mark.parametrize("total", ["9.99", "10.01"])
def test_a_moved_price_is_told_before_payment(as_alice, shelf, total):
    status, body = as_alice.place(shelf.sku("10.00", keys=1), expected_total=total)
    assert (status, body["error"]["code"], body["error"]["params"]) == (409, "price_moved", {"total": "10.00"})


@pytest.mark.parametrize("total", ["NaN", "1E+500000", "１０", "1_0", "-0", "10.005", " 10", 10, 10.0, None, "", "1e1"])
def test_strange_amounts(as_alice, shelf, total):
    status, body = as_alice.place(shelf.sku("10.00", keys=1), expected_total=total)
    assert (status, list(body["error"]["fields"])) == (400, ["expected_total"])


def test_refusals_say_what_is_missing(as_alice, shelf, alice):
    empty, dear = shelf.sku(), shelf.sku("5000.00", keys=1)
    status, body = as_alice.place(empty)
    assert (status, body["error"]["code"], body["error"]["params"]) == (409, "out_of_stock", {"available": 0})
    status, body = as_alice.place(dear, pay_with="wallet")
    assert (status, body["error"]["code"]) == (409, "insufficient_balance")
    status, body = as_alice.post(
        "/orders/", {"items": [{"sku": NOBODYS_ID, "quantity": 1}]}, idempotency_key="no-such-sku"
    )
    assert (status, body["error"]["code"]) == (404, "sku_not_found")
    empty.status = "off"
    empty.save()
    assert as_alice.place(empty)[1]["error"]["code"] == "sku_unavailable"
    assert not Order.objects.exists()


def test_buyer_fields(as_alice, shelf):
    field = {"name": "account", "label": "账号", "regex": r"\d{5,12}"}
    sku = shelf.sku("30.00", kind=Product.Kind.MANUAL, buyer_fields=[field])
    for fields in ({}, {"account": "nope"}, {"account": "1" * 200}):
        status, body = as_alice.place(sku, item={"fields": fields})
        assert (status, body["error"]["code"], list(body["error"]["fields"])) == (400, "bad_field", ["fields.account"])
    for fields in ({"account": 12345}, {"account": "1\0"}, {"account": "1" * 201}, {"\0": "x"}, ["account"], "account"):
        assert as_alice.place(sku, item={"fields": fields})[0] == 400
    status, order = as_alice.place(sku, item={"fields": {"account": "12345", "unasked": "x"}}, pay_with="wallet")
    assert (status, order["state"], order["lines"][0]["fields"]) == (201, "paid", {"account": "12345"})


def test_a_quote_is_what_an_order_costs(as_alice, shelf):
    sku = shelf.sku("10.00", keys=20)
    sku.breaks.create(min_quantity=10, unit_price=Decimal("9.5000"))
    status, quote = as_alice.post("/quotes/", {"items": [{"sku": sku.public_id, "quantity": 10}]})
    assert (status, quote["total"], quote["list_total"]) == (200, "95.00", "100.00")
    order = as_alice.place(sku, 10, expected_total=quote["total"])[1]
    assert order["lines"][0]["price_steps"] == quote["lines"][0]["price_steps"]
    assert Key.objects.filter(state="reserved").count() == 10
    assert "cost" not in json.dumps(quote)


def test_costs_are_never_told(as_alice, nobody, shelf):
    sku = shelf.sku("10.00", keys=2, cost=Decimal("7.7777"))
    order = as_alice.place(sku, pay_with="wallet")[1]
    quote = as_alice.post("/quotes/", {"items": [{"sku": sku.public_id, "quantity": 1}]})
    product = nobody.get(f"/products/{sku.product.public_id}/")
    assert "7.77" not in json.dumps([order, quote, product, nobody.get("/products/"), as_alice.get("/orders/")])


def test_my_orders_in_pages(as_alice, as_bob, shelf):
    sku = shelf.sku(keys=50)
    placed = [as_alice.place(sku, pay_with="wallet", key=f"order-number-{n}")[1]["id"] for n in range(7)]
    as_bob.place(sku)
    seen, cursor = [], ""
    while cursor is not None:
        status, page = as_alice.get(f"/orders/?limit=3{'&cursor=' + cursor if cursor else ''}")
        assert status == 200
        seen.append([order["id"] for order in page["items"]])
        cursor = page["next"]
    assert [len(page) for page in seen] == [3, 3, 1]
    assert [one for page in seen for one in page] == placed[::-1]
    assert "keys" not in json.dumps(page)


def test_cursors_fit_their_owner_and_list_only(as_alice, as_bob, shelf):
    sku = shelf.sku(keys=5)
    for number in range(2):
        as_alice.place(sku, pay_with="wallet", key=f"order-number-{number}")
    cursor = as_alice.get("/orders/?limit=1")[1]["next"]
    assert as_alice.get(f"/orders/?cursor={cursor}")[0] == 200
    for caller, path in ((as_bob, "/orders/"), (as_alice, "/wallet/statement/"), (as_alice, "/products/")):
        status, body = caller.get(f"{path}?cursor={cursor}")
        assert (status, body["error"]["code"]) == (404, "bad_cursor")
    for bad in (cursor[:-2], cursor[:-4] + "AAAA", "x", "%00", "=" * 8, "a" * 600):
        assert as_alice.get(f"/orders/?cursor={bad}")[0] in {400, 404}


def test_the_statement_of_the_wallet(as_alice, shelf, alice):
    as_alice.place(shelf.sku("10.00", keys=1), pay_with="wallet")
    status, page = as_alice.get("/wallet/statement/")
    assert status == 200
    assert page["next"] is None
    (payment, funding) = page["items"]
    assert (payment["kind"], payment["amount"], payment["balance_after"]) == ("payment", "-10.00", "990.00")
    assert (funding["kind"], funding["amount"]) == ("adjustment", "1000.00")
    assert payment["memo"] == Order.objects.get().number
    assert as_alice.get("/wallet/statement/?limit=1")[1]["items"] == [payment]


def test_nothing_of_it_is_kept_by_a_cache(as_alice, shelf):
    order = as_alice.place(shelf.sku(keys=1), pay_with="wallet")[1]
    for path in (
        f"/orders/{order['id']}/",
        "/orders/",
        "/me/",
        "/wallet/",
        "/wallet/statement/",
        "/tokens/",
        "/orders/x/",
    ):
        assert as_alice.raw("GET", path)["Cache-Control"] == "no-store", path
    posted = as_alice.raw("POST", f"/orders/{order['id']}/pay/", {"method": "wallet"})
    assert posted.json()["lines"][0]["keys"]
    assert posted["Cache-Control"] == "no-store"


class TestCoupons:
    def test_one_is_quoted_placed_and_told(self, as_alice, shelf, alice):
        sku, coupon = shelf.sku("10.00", keys=2), give(alice, off="3.00")
        body = {"items": [{"sku": sku.public_id, "quantity": 1}]}
        assert as_alice.post("/quotes/", body)[1]["total"] == "10.00"
        for named in ("auto", coupon.public_id):
            status, quoted = as_alice.post("/quotes/", {**body, "coupon": named})
            assert (status, quoted["total"], quoted["coupon"], quoted["coupon_off"]) == (
                200,
                "7.00",
                coupon.public_id,
                "3.00",
            )
        status, order = as_alice.place(sku, coupon=coupon.public_id, expected_total="7.00", pay_with="wallet")
        assert (status, order["total"], order["coupon_off"]) == (201, "7.00", "3.00")
        steps = order["lines"][0]["price_steps"]
        assert [(step["stage"], step["amount"]) for step in steps] == [("list", "10.00"), ("coupon", "-3.00")]
        assert as_alice.place(sku, coupon=coupon.public_id, expected_total="7.00", pay_with="wallet")[1] == order
        assert as_alice.place(sku, key="another-order-than-that", coupon=coupon.public_id)[0] == 409
        assert books() == {}

    def test_refusals(self, as_alice, shelf, alice, bob):
        sku = shelf.sku("10.00", keys=2)
        picky, strange = give(alice, min_spend=Decimal(50)), give(bob)
        codes = {
            name: as_alice.place(sku, coupon=name)[1]["error"]["code"]
            for name in (picky.public_id, strange.public_id, NOBODYS_ID, "x" * 23)
        }
        assert codes == {
            picky.public_id: "coupon_unusable",
            strange.public_id: "coupon_not_found",
            NOBODYS_ID: "coupon_not_found",
            "x" * 23: "invalid",
        }
        assert not Order.objects.exists()
