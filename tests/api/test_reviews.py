"""Reviews for programs."""

from datetime import timedelta

import pytest

from catalog.models import Review
from common import clock
from tests.opinions import GOOD, published, ticket_of, write

NOTHING = "x" * 22


def wish(ticket, **more) -> dict:
    return {"id": ticket.public_id, "stars": 5, "text": GOOD, **more}


def test_of_a_product(nobody, alice, make_member, shelf):
    sku = shelf.sku("1.00", keys=9)
    author = make_member("secretlogin", "50", display_name="小满")
    published(alice, sku, stars=5)
    published(author, sku, stars=2, text="一般般，等了半天", is_anonymous=True)
    write(ticket_of(alice, sku), text="还在等待审核的评价")
    path = f"/products/{sku.product.public_id}/reviews/"
    status, body = nobody.get(path)
    assert status == 200
    assert body["rating"] == {
        "mean": "3.50",
        "count": 2,
        "stars_1": 0,
        "stars_2": 1,
        "stars_3": 0,
        "stars_4": 0,
        "stars_5": 1,
    }
    assert [(one["stars"], one["name"], one["sku_name"]) for one in body["items"]] == [
        (2, "小***", "标准"),
        (5, "a***", "标准"),
    ]
    assert "secretlogin" not in str(body)
    assert [one["stars"] for one in nobody.get(f"{path}?stars=5")[1]["items"]] == [5]
    first = nobody.get(f"{path}?limit=1")[1]
    second = nobody.get(f"{path}?limit=1&cursor={first['next']}")[1]
    assert [one["stars"] for one in (*first["items"], *second["items"])] == [2, 5] and second["next"] is None
    assert nobody.get(f"{path}?stars=5&cursor={first['next']}")[0] == 404, "a cursor belongs to its list"


def test_a_product_without_reviews_and_one_that_is_not_there(nobody, shelf):
    sku = shelf.sku(keys=1)
    assert nobody.get(f"/products/{sku.product.public_id}/reviews/")[1] == {"rating": None, "items": [], "next": None}
    assert nobody.get(f"/products/{NOTHING}/reviews/")[0] == 404
    for query in ("stars=0", "stars=6", "stars=x", "stars=5&stars=4", "order=text"):
        assert nobody.get(f"/products/{sku.product.public_id}/reviews/?{query}")[0] == 400


def test_writing_one(as_alice, alice):
    ticket = ticket_of(alice)
    (open_one,) = as_alice.get("/me/reviews/")[1]["items"]
    assert (open_one["id"], open_one["can_write"], open_one["review"]) == (ticket.public_id, True, None)
    answers = [as_alice.post("/me/reviews/", wish(ticket, anonymous=True)) for _time in range(3)]
    assert [status for status, _body in answers] == [201] * 3
    assert answers[0] == answers[1] == answers[2], "the same again is the same review"
    assert Review.objects.count() == 1
    shown = answers[0][1]["review"]
    assert (shown["stars"], shown["text"], shown["state"], shown["anonymous"]) == (5, GOOD, "pending", True)
    status, body = as_alice.post("/me/reviews/", wish(ticket, stars=1))
    assert (status, body["error"]["code"]) == (409, "already_reviewed")


@pytest.mark.parametrize(
    "change",
    [
        {"stars": 0},
        {"stars": 6},
        {"stars": "5"},
        {"stars": True},
        {"stars": 4.5},
        {"stars": None},
        {"text": ""},
        {"text": "好"},
        {"text": "     "},
        {"text": "好" * 501},
        {"text": 5},
        {"text": "\u202e" * 20},
        {"anonymous": "yes"},
        {"id": 1},
        {"id": "short"},
        {"state": "published"},
        {"is_counted": True},
        {"user": 1},
    ],
)
def test_what_cannot_be_meant(as_alice, alice, change):
    status, body = as_alice.post("/me/reviews/", wish(ticket_of(alice), **change))
    assert status == 400 and body["error"]["message"]
    assert not Review.objects.exists()


def test_what_is_anothers_is_not_there(as_alice, as_bob, nobody, alice):
    ticket = ticket_of(alice)
    missing = as_bob.post("/me/reviews/", {**wish(ticket), "id": NOTHING})
    assert as_bob.post("/me/reviews/", wish(ticket)) == missing and missing[0] == 404
    assert as_bob.get("/me/reviews/")[1]["items"] == []
    assert nobody.post("/me/reviews/", wish(ticket))[0] == 401
    assert nobody.get("/me/reviews/")[0] == 401


def test_too_late(as_alice, alice, olga):
    ticket = ticket_of(alice)
    ticket.delivered_at = clock.now() - timedelta(days=200)
    ticket.save()
    status, body = as_alice.post("/me/reviews/", wish(ticket))
    assert (status, body["error"]["code"]) == (409, "review_closed")
    assert as_alice.get("/me/reviews/")[1]["items"][0]["can_write"] is False


def test_only_so_often(as_alice, alice):
    ticket = ticket_of(alice)
    codes = [as_alice.post("/me/reviews/", wish(ticket))[0] for _time in range(22)]
    assert codes == [201] * 20 + [429] * 2
