"""After-sale by the API: the caller's own cases, and what cannot be reported said in its own code."""

import pytest

from catalog.models import Product
from orders.models import Dispute
from orders.selectors import delivered_of
from tests.complaints import decide, keys_on

SAYS = {"reason": "used", "text": "提示已经被使用", "wish": "refund"}


@pytest.fixture
def order(shelf, alice):
    sku = shelf.sku("10.00", keys=4)
    Product.objects.filter(pk=sku.product_id).update(warranty_days=7)
    sku.product.refresh_from_db()
    return shelf.buy(alice, (sku, 3), from_wallet=True)


def body(bought, **more) -> dict:
    return {"order": bought.public_id, "sku": bought.lines.first().sku.public_id, **SAYS, **more}


def test_one_key_is_reported_decided_and_appealed(as_alice, order, olga):
    text = delivered_of(order)[1].text
    status, shown = as_alice.post("/disputes/", body(order, keys=[text]))
    assert (status, shown["state"], shown["pieces"], shown["outcome"]) == (201, "seller", 1, "")
    assert shown["order"] == order.public_id and shown["due_at"]
    assert as_alice.get("/disputes/")[1]["items"][0]["id"] == shown["id"]
    dispute = Dispute.objects.get()
    assert dispute.pieces.get().key == keys_on(order.lines.get())[1]
    decide(dispute, "reject", by=olga, reason="已兑换")
    status, shown = as_alice.post(f"/disputes/{shown['id']}/appeal/", {"text": "请再看一次"})
    assert (status, shown["state"], shown["verdict"]) == (200, "appealed", "已兑换")
    assert [one["state"] for one in shown["history"]] == ["seller", "decided", "appealed"]
    status, refused = as_alice.post(f"/disputes/{shown['id']}/appeal/", {"text": "再来一次看看"})
    assert (status, refused["error"]["code"]) == (409, "appeal_over")


def test_without_keys_it_is_the_whole_line(as_alice, order):
    assert as_alice.post("/disputes/", body(order))[1]["pieces"] == 3
    status, refused = as_alice.post("/disputes/", body(order))
    assert (status, refused["error"]["code"]) == (409, "already_disputed")


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"keys": ["NOT-MINE"]}, 400, "bad_pieces"),
        ({"keys": []}, 400, None),
        ({"reason": "because"}, 400, None),
        ({"text": "    短"}, 400, "bad_text"),
        ({"wish": "gold"}, 400, None),
        ({"order": "x" * 22}, 404, "order_not_found"),
        ({"sku": "x" * 22}, 404, "order_not_found"),
        ({"pictures": []}, 400, None),
    ],
)
def test_what_cannot_be_reported(as_alice, order, wrong, status, code):
    answer = as_alice.post("/disputes/", body(order, **wrong))
    assert answer[0] == status
    assert code is None or answer[1]["error"]["code"] == code
    assert not Dispute.objects.exists()


def test_another_members_order_and_case(as_alice, as_bob, order):
    assert as_bob.post("/disputes/", body(order))[0] == 404
    shown = as_alice.post("/disputes/", body(order))[1]
    assert as_bob.get(f"/disputes/{shown['id']}/")[0] == 404
    assert as_bob.post(f"/disputes/{shown['id']}/appeal/", {"text": "请再看一次"})[0] == 404


def test_accepting(as_alice, order, olga):
    shown = as_alice.post("/disputes/", body(order))[1]
    assert as_alice.post(f"/disputes/{shown['id']}/accept/")[0] == 409
    decide(Dispute.objects.get(), "reject", by=olga)
    assert as_alice.post(f"/disputes/{shown['id']}/accept/")[1]["state"] == "closed"
