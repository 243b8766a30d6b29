"""Members who want to be asked before their wallet pays: by passkey, by code, by password. And those who do not."""

import json
from datetime import timedelta

import pytest
from allauth.core import context
from django.core.cache import cache
from django.test import Client

from accounts.services import issue_token, passkeys
from common import clock
from orders.models import Order
from orders.services import pay_from_wallet
from payments.models import Withdrawal
from tests.accounts.test_second_factor import App, signed_in, sure, thief, with_passkey
from tests.payments.withdrawals import open_withdrawals, verified_account
from tests.people import Visitor
from wallet.exceptions import ConfirmationNeeded
from wallet.guarding import FRESH, Agreement, agree, use_agreement
from wallet.models import PayConfirmation, PayGuard
from wallet.selectors import balance_of
from wallet.services import set_guard

pytestmark = pytest.mark.django_db
PASSWORD = "tea-and-keys-9"


@pytest.fixture(autouse=True)
def nobody_waits():
    cache.clear()


@pytest.fixture
def guarded(alice):
    set_guard(user=alice, above=20)
    return alice


def buy(client: Client, shelf, price: str = "30.00") -> tuple[Order, str]:
    """Choose the wallet for something; returns the order and where that led."""
    visitor = Visitor(client)
    sku = shelf.sku(price, keys=2)
    answer = visitor.checkout(f"sku={sku.public_id}&quantity=1", pay="wallet")
    assert answer.status_code == 302, answer.content.decode()
    return Order.objects.latest("pk"), answer["Location"]


def state_of(order: Order) -> str:
    return Order.objects.get(pk=order.pk).state


def test_who_has_not_asked_for_it_is_not_asked(alice, shelf):
    order, to = buy(signed_in("alice"), shelf)
    assert (order.state, to) == ("delivered", f"/orders/{order.public_id}/")


def test_small_amounts_go_through(guarded, shelf):
    order, _to = buy(signed_in("alice"), shelf, "20.00")
    assert order.state == "delivered"


def test_the_password_confirms_where_there_is_nothing_else(guarded, shelf):
    client = signed_in("alice")
    order, to = buy(client, shelf)
    assert (order.state, to) == ("unpaid", f"/orders/{order.public_id}/confirm/")
    assert "¥30.00" in client.get(to).content.decode()
    assert client.post(to, {"password": "wrong"})["Location"] == to
    assert (state_of(order), balance_of(guarded)) == ("unpaid", 1000)
    assert client.post(to, {"password": PASSWORD})["Location"] == f"/orders/{order.public_id}/"
    assert (state_of(order), balance_of(guarded)) == ("delivered", 970)
    assert PayConfirmation.objects.get().method == "password"


def test_guessing_the_password_here_counts_with_all_doors(guarded, shelf):
    client = signed_in("alice")
    order, to = buy(client, shelf)
    for _ in range(6):
        client.post(to, {"password": "guess"})
    client.post(to, {"password": PASSWORD})
    assert state_of(order) == "unpaid"


def test_a_code_confirms_and_then_the_password_does_not(guarded, shelf):
    client = signed_in("alice")
    app = App(client)
    order, to = buy(client, shelf)
    assert client.post(to, {"password": PASSWORD}).status_code == 200
    assert state_of(order) == "unpaid"
    assert client.post(to, {"code": app.code()}).status_code == 302
    assert state_of(order) == "delivered"


def asked(client: Client, to: str) -> dict:
    return client.get(to).context["passkey_options"]


def test_a_passkey_confirms_one_order_at_its_price(guarded, shelf):
    client, key = with_passkey("alice")
    first, to_first = buy(client, shelf)
    second, to_second = buy(client, shelf, "900.00")
    yes = key.get(asked(client, to_first))
    client.post(to_second, {"credential": yes})
    assert state_of(second) == "unpaid", "a yes to another order"
    yes = key.get(asked(client, to_first))
    client.post(to_first, {"credential": yes})
    assert state_of(first) == "delivered"
    # The very same signature again, for what is still unpaid.
    asked(client, to_second)
    client.post(to_second, {"credential": yes})
    assert state_of(second) == "unpaid"


def test_what_is_signed_covers_order_and_amount(guarded, rf):
    """The challenge is made of them: a server that mixes up its sessions is still not fooled."""
    client, key = with_passkey("alice")
    request = rf.get("/", secure=True)
    request.session, request.storefront = {}, guarded.home_storefront
    with context.request_context(request):
        options, kept = passkeys.ask(user=guarded, agreed="order-a 30.00")
        yes = json.loads(key.get(options))
        assert passkeys.check(user=guarded, agreed="order-a 30.00", kept=kept, answer=yes)
        for agreed in ("order-a 3000.00", "order-b 30.00"):
            with pytest.raises(passkeys.WrongPasskey):
                passkeys.check(user=guarded, agreed=agreed, kept=kept, answer=yes)
            with pytest.raises(passkeys.WrongPasskey):
                passkeys.check(user=guarded, agreed=agreed, kept={**kept, "agreed": agreed}, answer=yes)


def test_no_way_around_the_question(guarded, shelf, client):
    """The order page, the API and the service itself ask too."""
    browser = signed_in("alice")
    order, to = buy(browser, shelf)
    assert browser.post(f"/orders/{order.public_id}/pay/", {"pay": "wallet"})["Location"] == to
    with pytest.raises(ConfirmationNeeded):
        pay_from_wallet(order_id=order.pk, user=guarded)
    with pytest.raises(ConfirmationNeeded):
        pay_from_wallet(order_id=order.pk, user=guarded, agreement=Agreement(order.total - 1, "code"))
    answer = browser.post(f"/api/orders/{order.public_id}/pay/", {"method": "wallet"}, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "confirmation_needed")
    assert state_of(order) == "unpaid" and not PayConfirmation.objects.exists()


def test_a_yes_grows_old(guarded, shelf):
    order, _to = buy(signed_in("alice"), shelf)
    at = clock.now()
    agree(user=guarded, ref="order:x", agreement=Agreement(order.total, "code"), at=at - FRESH - timedelta(seconds=1))
    with pytest.raises(ConfirmationNeeded):
        use_agreement(user=guarded, ref="order:x", amount=order.total, at=at)
    agree(user=guarded, ref="order:x", agreement=Agreement(order.total, "code"), at=at - FRESH)
    use_agreement(user=guarded, ref="order:x", amount=order.total, at=at)


@pytest.fixture
def withdrawing(guarded):
    open_withdrawals()
    verified_account(guarded)
    set_guard(user=guarded, above=0)
    return guarded


def withdraw(client: Client, **more):
    return client.post("/wallet/withdraw/", {"amount": "50", "token": "one", **more})


def test_a_program_takes_no_guarded_money_out(withdrawing):
    """A token pays nothing above the limit; so it does not carry the money to a bank either."""
    token = issue_token(user=withdrawing, name="x").text
    answer = Client(headers={"authorization": f"Bearer {token}", "idempotency-key": "k" * 16}).post(
        "/api/wallet/withdrawals/", {"amount": "50.00"}, content_type="application/json"
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, "confirmation_needed") and "提现页" in error["message"]
    assert not Withdrawal.objects.exists() and balance_of(withdrawing) == 1000


def test_the_password_lets_a_withdrawal_go_where_there_is_nothing_else(withdrawing):
    client = signed_in("alice")
    assert withdraw(client, password="wrong").status_code == 200
    assert withdraw(client, password=PASSWORD).status_code == 302
    assert Withdrawal.objects.get().amount == 50
    assert PayConfirmation.objects.get().method == "password"


def test_whoever_has_a_factor_shows_it_before_money_leaves(withdrawing):
    app = App(signed_in("alice"))
    client = thief("alice")
    to = withdraw(client, password=PASSWORD)["Location"]
    assert to.startswith("/account/security/reauthenticate/") and not Withdrawal.objects.exists()
    account = client.get("/wallet/withdraw/account/")["Location"]
    assert account.startswith("/account/security/reauthenticate/")
    back = client.post(to, {"code": app.code(), "next": "/wallet/withdraw/?amount=50.00"})["Location"]
    form = client.get(back).context["form"]
    assert form["amount"].value() == "50.00" and "password" not in form.fields
    assert withdraw(client).status_code == 302
    assert (Withdrawal.objects.get().amount, PayConfirmation.objects.get().method) == (50, "code")
    assert client.get("/wallet/withdraw/account/").status_code == 200


def test_strangers_do_not_learn_of_the_order(guarded, bob, shelf):
    order, to = buy(signed_in("alice"), shelf)
    assert signed_in("bob").get(to).status_code == 404
    assert Client().get(to).status_code in {302, 404}


def test_the_switch_asks_who_you_are(alice):
    client = Client()
    client.force_login(alice)
    assert "reauthenticate" in client.post("/account/pay-guard/", {"wanted": "on"})["Location"]
    sure(client)
    assert client.post("/account/pay-guard/", {"wanted": "on", "above": "50"}).status_code == 302
    assert alice.pay_guard.above == 50
    assert client.post("/account/pay-guard/", {"wanted": "on", "above": "-1"}).status_code == 200
    client.post("/account/pay-guard/", {})
    assert not PayGuard.objects.exists()
