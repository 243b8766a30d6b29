"""Every endpoint by everybody: nobody sees or moves what is another's, and the answer is that of nothing being there."""

import pytest

from common.api.schema import document
from tests.api.conftest import Caller
from tests.complaints import decided_case
from tests.payments.withdrawals import ask, open_withdrawals, verified_account

# What each operation needs to be called at all: (body, headers).
PAY = {"method": "wallet"}
BODIES = {
    "write_review": {},
    "pay_order": PAY,
    "cancel_order": {},
    "place_order": {"items": []},
    "quote": {"items": []},
    "issue_token": {},
    "redeem_card": {"code": "no such card"},
    "ask_withdrawal": {"amount": "1"},
    "draw_credit": {"amount": "1"},
    "repay_credit": {"amount": "1"},
    "set_credit_auto_use": {"auto_use": True},
    "cancel_withdrawal": {},
    "open_dispute": {},
    "appeal_dispute": {"text": "还是不能用"},
    "accept_dispute": {},
}
PUBLIC = {"list_products", "get_product", "list_product_reviews", "get_tiers", "issue_token"}
NOTHING = "x" * 22


def operations() -> list[tuple[str, str, str]]:
    """(operation, method, path below /api) of everything in the schema."""
    return [
        (operation["operationId"], method.upper(), path.removeprefix("/api"))
        for path, methods in document("zh-hans")["paths"].items()
        for method, operation in methods.items()
    ]


ALL = operations()
OWNED = [one for one in ALL if "{public_id}" in one[2] and one[0] not in PUBLIC]


@pytest.fixture
def objects(as_alice, alice, shelf, olga) -> dict[str, str]:
    """Alice's things by the beginning of the path that shows them."""
    sku = shelf.sku(keys=5)
    order = as_alice.place(sku)[1]["id"]
    dispute = decided_case(shelf.buy(as_alice.user, (sku, 1), from_wallet=True), by=olga).public_id
    token = as_alice.get("/tokens/")[1]["items"][0]["id"]
    open_withdrawals()
    verified_account(alice)
    withdrawal = ask(alice, "10.00").public_id
    return {"/orders/": order, "/tokens/": token, "/wallet/withdrawals/": withdrawal, "/disputes/": dispute}


def path_to(path: str, objects: dict[str, str]) -> str:
    (found,) = [public_id for prefix, public_id in objects.items() if path.startswith(prefix)]
    return path.replace("{public_id}", found)


def test_every_owned_kind_of_thing_is_in_the_matrix(objects):
    assert {one[2].split("{")[0] for one in OWNED} == set(objects)


@pytest.mark.parametrize(("name", "method", "path"), ALL)
def test_strangers_without_a_token(nobody, objects, name, method, path):
    status = nobody(method, path.replace("{public_id}", NOTHING), BODIES.get(name))[0]
    if name in PUBLIC:
        assert status in {200, 400, 404}
    else:
        assert status == 401


@pytest.mark.parametrize("who", ["bob", "olga"])
@pytest.mark.parametrize(("name", "method", "path"), OWNED)
def test_members_and_staff_at_what_is_alices(request, objects, who, name, method, path):
    caller = Caller(request.getfixturevalue(who))
    there = caller(method, path_to(path, objects), BODIES.get(name))
    missing = caller(method, path.replace("{public_id}", NOTHING), BODIES.get(name))
    assert there[0] == 404
    assert there == missing


@pytest.mark.parametrize(("name", "method", "path"), OWNED)
def test_alice_at_what_is_her_own(as_alice, objects, name, method, path):
    """Or else the test above would prove nothing."""
    assert as_alice(method, path_to(path, objects), BODIES.get(name))[0] in {200, 204}


@pytest.mark.parametrize("name", ["get_order", "pay_order", "cancel_order"])
def test_nobody_reaches_a_guests_order_by_its_id(as_bob, shelf, name):
    order = shelf.buy(None, (shelf.sku(keys=1), 1))
    method, path = next((one[1], one[2]) for one in OWNED if one[0] == name)
    assert as_bob(method, path.replace("{public_id}", order.public_id), BODIES.get(name))[0] == 404


def test_lists_hold_ones_own_only(as_alice, as_bob, objects):
    assert as_bob.get("/orders/")[1]["items"] == []
    assert as_bob.get("/disputes/")[1]["items"] == []
    assert len(as_bob.get("/tokens/")[1]["items"]) == 1
    assert as_bob.get("/me/")[1]["username"] == "bob"
    amounts = [entry["amount"] for entry in as_bob.get("/wallet/statement/")[1]["items"]]
    assert amounts == ["1000.00"]


@pytest.mark.parametrize(
    "wanted", ["is_staff", "user", "buyer", "storefront", "price", "unit_price", "balance", "total", "state"]
)
def test_nothing_is_assigned_that_is_not_asked_for(as_alice, shelf, wanted):
    sku = shelf.sku("10.00", keys=1)
    for change in ({wanted: "1"}, {"item": {wanted: "1"}}):
        assert as_alice.place(sku, **change)[0] == 400
