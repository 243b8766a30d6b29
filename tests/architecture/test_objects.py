"""Everybody at everybody else's things: each address with an object in it, by each kind of visitor, with a real object.

An address that is in no table fails, and so does one whose object nobody can make: an id that nothing has would pass for
a door that is shut.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Q
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import User
from accounts.services import issue_token
from accounts.services.privacy import ask_export
from audit.models import AuditEntry
from catalog.models import Key, Review
from membership.models import Nudge
from orders.models import Dispute, DisputePicture, DisputePiece, Order
from orders.selectors import order_secret
from payments.models import TopUp, Withdrawal
from tests.complaints import complain, picture
from tests.desk import at_desk, staff
from tests.opinions import ticket_of, write
from tests.payments.withdrawals import ask as ask_withdrawal
from tests.payments.withdrawals import open_withdrawals, verified_account
from tests.rows import row_of
from tests.shelf import Shelf

pytestmark = pytest.mark.django_db

# Whose it is decides: everybody else is told that there is nothing.
OWNED = "owned"
# Goods and pages for all.
SHARED = "shared"
# The address is the key, 128 random bits; its room's tests have what it shows.
KEY = "key"

# By the name of the address: whose its object is, and which of the things below stands in it.
OBJECTS: dict[str, tuple[str, str]] = {
    "account_confirm_email": (KEY, "mail_key"),
    "account_reset_password_from_key": (KEY, "reset_key"),
    "api:dispute": (OWNED, "case"),
    "api:dispute_accept": (OWNED, "case"),
    "api:dispute_appeal": (OWNED, "case"),
    "api:order": (OWNED, "order"),
    "api:order_cancel": (OWNED, "order"),
    "api:order_pay": (OWNED, "order"),
    "api:product": (SHARED, "product"),
    "api:product_reviews": (SHARED, "product"),
    "api:token": (OWNED, "token"),
    "api:withdrawal": (OWNED, "withdrawal"),
    "api:withdrawal_cancel": (OWNED, "withdrawal"),
    "catalog:cover": (SHARED, "cover"),
    "fairness_csv": (SHARED, "table"),
    "fairness_rows": (SHARED, "table"),
    "membership:rules_version": (SHARED, "rules"),
    "membership_invited": (SHARED, "invite"),
    "mfa_edit_webauthn": (OWNED, "passkey"),
    "mfa_remove_webauthn": (OWNED, "passkey"),
    "payments:notify": (SHARED, "channel"),
    "payments:payment": (KEY, "attempt"),
    "payments:payer": (KEY, "attempt"),
    "payments:payer_told": (KEY, "attempt"),
    "payments:recheck": (KEY, "attempt"),
    "payments:return": (KEY, "attempt"),
    "payments:status": (KEY, "attempt"),
    "payments:switch": (KEY, "attempt"),
    "payments:top_up_detail": (OWNED, "top_up"),
    "payments:withdrawal_cancel": (OWNED, "withdrawal"),
    "shop:category": (SHARED, "category"),
    "shop:coupon_claim": (SHARED, "template"),
    "shop:dispute": (OWNED, "case"),
    "shop:dispute_accept": (OWNED, "case"),
    "shop:dispute_add": (OWNED, "case"),
    "shop:dispute_appeal": (OWNED, "case"),
    "shop:dispute_money": (OWNED, "case"),
    "shop:dispute_picture": (OWNED, "case_and_picture"),
    "shop:dispute_withdraw": (OWNED, "case"),
    "shop:nudge": (OWNED, "nudge"),
    "shop:order": (OWNED, "order"),
    "shop:order_cancel": (OWNED, "order"),
    "shop:order_claim": (OWNED, "order"),
    "shop:order_confirm": (OWNED, "order"),
    "shop:order_keys": (OWNED, "order_and_ending"),
    "shop:order_pay": (OWNED, "order"),
    "shop:order_status": (OWNED, "order"),
    "shop:points_buy": (SHARED, "template"),
    "shop:privacy_download": (OWNED, "export"),
    "shop:privacy_status": (OWNED, "export"),
    "shop:product": (SHARED, "product_page"),
    "shop:report": (OWNED, "line_of_a_case"),
    "shop:review": (OWNED, "review"),
    "shop:review_withdraw": (OWNED, "review"),
}


@dataclass(frozen=True)
class Address:
    name: str
    parameters: frozenset[str]

    @property
    def is_desk(self) -> bool:
        return self.name.startswith("admin:")


def addresses() -> list[Address]:
    """Every address with something in it that is not fixed."""
    found = []

    def walk(patterns: list, space: str, given: frozenset[str]) -> None:
        for one in patterns:
            inside = given | set(one.pattern.regex.groupindex)
            if isinstance(one, URLResolver):
                walk(one.url_patterns, f"{space}{one.namespace}:" if one.namespace else space, inside)
            elif isinstance(one, URLPattern) and inside:
                found.append(Address(f"{space}{one.name}", inside))

    walk(get_resolver().url_patterns, "", frozenset())
    return sorted(set(found), key=lambda one: one.name)


ADDRESSES = addresses()
PAGES = [one for one in ADDRESSES if not one.is_desk]
OWN_PAGES = [one for one in PAGES if OBJECTS.get(one.name, ("", ""))[0] == OWNED]
# Of the admin, what is no row of a table: an address that lists apps, and one that leads to another row's page.
NOT_ROWS = {"admin:app_list", "admin:view_on_site", "admin:None", "admin:orders_dispute_picture"}
# What stands in an address that is not about a row of its own list.
OTHERS = {"batch_id": "catalog.KeyBatch", "user_id": "accounts.User", "transfer_id": "wallet.Transfer"}
DESK = [one for one in ADDRESSES if one.is_desk and one.name not in NOT_ROWS]


def test_every_address_with_an_object_is_in_the_table():
    assert sorted({one.name for one in PAGES} ^ set(OBJECTS)) == []


def test_every_address_of_the_desk_is_about_a_row():
    left = [one.name for one in DESK if len(one.parameters) != 1 or not one.parameters <= {"object_id", *OTHERS}]
    assert left == []


@dataclass
class Things:
    """What Alice has, made when it is asked for. Each method is an object of the table: what stands in its address."""

    alice: Any
    shelf: Shelf
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, Any]:
        if kind not in self.made:
            maker: Callable[[], dict] = getattr(self, kind)
            self.made[kind] = maker()
        return self.made[kind]

    def order(self) -> dict:
        return {"public_id": self.shelf.buy(self.alice, (self.shelf.sku(keys=1), 1)).public_id}

    def order_and_ending(self) -> dict:
        return {**self.of("order"), "ending": "txt"}

    def token(self) -> dict:
        return {"public_id": issue_token(user=self.alice, name="x").token.public_id}

    def passkey(self) -> dict:
        data = {"name": "phone", "credential": {}}
        return {"pk": Authenticator.objects.create(user=self.alice, type="webauthn", data=data).pk}

    def top_up(self) -> dict:
        return {"public_id": row_of(TopUp, user=self.alice).public_id}

    def nudge(self) -> dict:
        return {"public_id": row_of(Nudge, user=self.alice).public_id}

    def export(self) -> dict:
        return {"public_id": ask_export(user=self.alice).public_id}

    def case(self) -> dict:
        order = self.shelf.buy(self.alice, (self.shelf.sku(keys=1), 1), from_wallet=True)
        return {"public_id": complain(order, pictures=[picture()]).public_id}

    def case_and_picture(self) -> dict:
        found = self.of("case")
        return {**found, "picture": DisputePicture.objects.get(move__dispute__public_id=found["public_id"]).public_id}

    def line_of_a_case(self) -> dict:
        """What stands behind the question mark is under "?"."""
        order = Order.objects.get(disputes__public_id=self.of("case")["public_id"])
        return {"public_id": order.public_id, "?": f"line={order.lines.get().pk}"}

    def withdrawal(self) -> dict:
        open_withdrawals()
        verified_account(self.alice)
        self.shelf.fund(self.alice, "20.00")
        return {"public_id": ask_withdrawal(self.alice, "10.00").public_id}

    def review(self) -> dict:
        return {"public_id": write(ticket_of(self.alice)).ticket.public_id}


@pytest.fixture
def things(alice, shelf) -> Things:
    return Things(alice, shelf)


def guest(shelf: Shelf) -> Client:
    return Client()


def other_member(shelf: Shelf) -> Client:
    return at_desk(_bob())


def guest_with_an_order(shelf: Shelf) -> Client:
    """Has proven another order by contact and secret."""
    order = shelf.buy(None, (shelf.sku(keys=1), 1))
    client = Client()
    answer = client.post("/orders/find/", {"contact": "guest@example.com", "secret": order_secret(order)})
    assert answer["Location"] == reverse("shop:order", args=[order.public_id])
    return client


def staff_without_rights(shelf: Shelf) -> Client:
    return at_desk(staff("newcomer"))


def staff_with_every_right_of_looking(shelf: Shelf) -> Client:
    """Sees everything at the desk, and in the shop nothing but their own."""
    return at_desk(looker("orders.reveal_keys"))


def looker(*more: str) -> User:
    made = staff("looker", *more)
    made.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    return made


def _bob():
    return User.objects.filter(username="bob").first() or User.objects.create_user("bob", "tea-and-keys-9")


VISITORS = [guest, other_member, guest_with_an_order, staff_without_rights, staff_with_every_right_of_looking]


def path_to(address: Address, things: Things) -> str:
    """The address with the object of the table in it."""
    parts = dict(things.of(OBJECTS[address.name][1]))
    query = parts.pop("?", "")
    return reverse(address.name, kwargs=parts) + (f"?{query}" if query else "")


def sent(address: Address) -> dict[str, Any]:
    """What a post must hold to be read at all."""
    if not address.name.startswith("api:"):
        return {}
    data = {"api:order_pay": {"method": "wallet"}, "api:dispute_appeal": {"text": "还是不能用"}}.get(address.name, {})
    return {"data": data, "content_type": "application/json"}


def is_nothing(answer: Any) -> bool:
    """Nothing there, or first: who are you?"""
    if answer.status_code == 302:
        return answer["Location"].startswith(("/account/login/", "/account/reauthenticate/"))
    return answer.status_code in {401, 404, 405}


@pytest.mark.parametrize("visitor", VISITORS, ids=lambda one: one.__name__)
def test_nobody_finds_what_is_anothers(visitor, things):
    for address in OWN_PAGES:
        things.of(OBJECTS[address.name][1])
    before = state(things)
    client = visitor(things.shelf)
    for address in OWN_PAGES:
        path = path_to(address, things)
        for ask in (client.get, partial(client.post, **sent(address)), client.delete):
            answer = ask(path)
            assert is_nothing(answer), (
                f"{visitor.__name__} {answer.request['REQUEST_METHOD']} {path}: {answer.status_code}"
            )
    assert state(things) == before


def state(things: Things) -> list:
    """What strangers could have changed."""
    return [
        list(Order.objects.filter(buyer=things.alice).order_by("pk").values_list("state", flat=True)),
        list(Authenticator.objects.filter(user=things.alice).values_list("data__name", flat=True)),
        list(things.alice.api_tokens.values_list("revoked_at", flat=True)),
        list(Dispute.objects.filter(order__buyer=things.alice).values_list("state", "moves__cause")),
        list(Withdrawal.objects.filter(user=things.alice).values_list("state", flat=True)),
        list(Review.objects.filter(user=things.alice).values_list("state", flat=True)),
    ]


def test_owners_find_what_is_theirs(things):
    """Or the doors above would be shut for everybody, and the test would show nothing."""
    client = at_desk(things.alice)
    for address in OWN_PAGES:
        path = path_to(address, things)
        answer = client.get(path)
        if answer.status_code == 405:
            continue
        assert answer.status_code in {200, 302}, f"{path}: {answer.status_code}"


def test_an_id_that_is_posted_is_no_way_to_what_is_anothers(things):
    """Bodies and queries stand in no table: a report is the form that takes ids of lines and keys."""
    bob = _bob()
    things.shelf.fund(bob, "10.00")
    mine = things.shelf.buy(bob, (things.shelf.sku("1.00", keys=1), 1), from_wallet=True)
    theirs = things.shelf.buy(things.alice, (things.shelf.sku("1.00", keys=1), 1), from_wallet=True)
    client, page = at_desk(bob), reverse("shop:report", args=[mine.public_id])
    line, key = theirs.lines.get().pk, Key.objects.get(line_id=theirs.lines.get().pk).pk
    assert client.get(f"{page}?line={line}").status_code == 404
    typed = {
        "reason": "used",
        "text": "兑换时提示已被使用",
        "wish": "replace",
        "route": "balance",
        "piece": [key],
        "keys": key,
    }
    for one in (line, mine.lines.get().pk):
        client.post(f"{page}?line={one}", {**typed, "line": one})
    assert not Dispute.objects.filter(line=line).exists()
    assert not DisputePiece.objects.filter(Q(line=line) | Q(key=key)).exists()


def desk_path(address: Address) -> str:
    """The address with a row of its model in it."""
    (parameter,) = address.parameters
    if parameter in OTHERS:
        return reverse(address.name, kwargs={parameter: row_of(apps.get_model(OTHERS[parameter])).pk})
    label = address.name.removeprefix("admin:")
    model = next(
        one
        for one in sorted(admin.site._registry, key=lambda one: -len(one._meta.label))
        if label.startswith(f"{one._meta.app_label}_{one._meta.model_name}_")
    )
    return reverse(address.name, kwargs={"object_id": row_of(model).pk})


@pytest.mark.damages_books
@pytest.mark.parametrize("visitor", [other_member, staff_without_rights], ids=lambda one: one.__name__)
def test_nobody_without_the_right_opens_a_row_at_the_desk(visitor, shelf):
    client = visitor(shelf)
    for address in DESK:
        path = desk_path(address)
        for ask in (client.get, client.post):
            answer = ask(path)
            # Only to the door: a redirect to the front page is what Django says to rows that are not there.
            shut = answer.status_code == 302 and answer["Location"].startswith("/admin/login/")
            onward = answer.status_code == 302 and answer["Location"] == f"{path}change/"
            assert shut or onward or answer.status_code in {403, 404, 405}, f"{path}: {answer.status_code}"


# What is only looked at: pages of rows, what was typed wrong in a file, and ways from one list to another.
LOOKING = ("_change", "_history", "_view_on_site", "_errors", "_open_activity", "_open_entries")


@pytest.mark.damages_books
def test_looking_opens_no_act_of_the_desk(shelf):
    visitor = looker()
    client = at_desk(visitor)
    opened = []
    for address in DESK:
        if address.name.endswith(LOOKING):
            continue
        path = desk_path(address)
        for step in ("", "preview", "run"):
            answer = client.post(path, {"_step": step, "reason": "x", "post": "yes"} if step else {})
            if answer.status_code not in {403, 404, 405}:
                opened.append(f"{path} {step}: {answer.status_code}")
    assert opened == [], "\n".join(opened)
    assert not AuditEntry.objects.filter(actor_id=visitor.pk).exists()


@pytest.mark.damages_books
def test_no_number_in_an_address_of_the_desk_is_too_strange(olga):
    client = Client(raise_request_exception=False)
    client.force_login(olga)
    for address in DESK:
        if "object_id" in address.parameters:
            for strange in ("x" * 40, "9" * 30):
                path = reverse(address.name, kwargs={"object_id": strange})
                assert client.get(path).status_code < 500, path


@pytest.mark.damages_books
def test_whoever_may_do_everything_finds_every_row(olga, rf):
    """Or the doors above would be shut because nothing is behind them."""
    request = rf.get("/")
    request.user = olga
    for model, desk in admin.site._registry.items():
        assert desk.get_queryset(request).filter(pk=row_of(model).pk).exists(), model
