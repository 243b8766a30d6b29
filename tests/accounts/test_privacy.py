"""A member takes everything along, and is forgotten: a canary who leaves traces wherever members do."""

import io
import json
import zipfile
from datetime import date, timedelta

import pytest
from django.apps import apps
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client

from accounts.exceptions import ErasureRefused, NoErasure
from accounts.models import DataExport, Erasure, User
from accounts.services import privacy as services
from catalog.services.reviews import write_review
from common import clock, privacy
from events.services import relay
from membership.services import tell_birthday
from notifications.models import Mail
from orders.models import Order
from orders.services import cancel
from tests.desk import at_desk
from tests.opinions import ticket_of
from tests.shelf import books
from wallet.selectors import balance_of
from wallet.services import adjust

pytestmark = pytest.mark.django_db
PASSWORD = "tea-and-keys-9"
CANARY = "kanarienvogel"
ADDRESS = "203.0.113.77"
DAY = date(1987, 6, 5)


@pytest.fixture(autouse=True)
def nobody_waits():
    cache.clear()


def test_every_model_says_what_it_holds_about_people():
    unsaid = [
        model._meta.label
        for model in apps.get_models()
        if not privacy.is_nobodys(model._meta.label) and privacy.belonging_of(model._meta.label) is None
    ]
    assert unsaid == [], "say it in the room's privacy.py"


def test_no_field_that_could_tell_of_somebody_is_left_out():
    open_fields = {}
    for one in privacy.belongings():
        left = privacy.names_of(one.model) - one.settled()
        if left:
            open_fields[one.label] = left
    assert open_fields == {}


def test_nothing_is_said_of_what_is_not_there():
    for one in privacy.belongings():
        names = {field.name for field in one.model._meta.concrete_fields}
        assert one.settled() <= names, one.label
        one.rows(User(pk=0)).first()


class Canary:
    """Signs up, buys, writes, complains; whatever can be typed holds the word."""

    def __init__(self, shelf) -> None:
        self.client = Client(REMOTE_ADDR=ADDRESS)
        typed = {"username": CANARY, "password1": PASSWORD, "email": f"{CANARY}@example.com"}
        assert self.client.post("/account/signup/", typed).status_code == 302
        self.user = User.objects.get(username=CANARY)
        User.objects.filter(pk=self.user.pk).update(display_name=f"{CANARY} 昵称", phone="13800001987")
        self.user.refresh_from_db()
        shelf.fund(self.user, "100.00")
        self._buy(shelf)
        self._write()
        self.client.post("/account/login/", {"login": CANARY, "password": "wrong"})
        answer = Client(REMOTE_ADDR=ADDRESS).post(
            "/api/tokens/",
            {"username": CANARY, "password": PASSWORD, "name": f"{CANARY} token"},
            content_type="application/json",
        )
        assert answer.status_code == 201
        relay()

    def _buy(self, shelf) -> None:
        asked = [{"name": "account", "label": "账号", "type": "text"}]
        sku = shelf.sku("5.00", keys=3, buyer_fields=asked)
        page = self.client.get(f"/checkout/?sku={sku.public_id}")
        fields = {"item": f"{sku.public_id}:1", "token": page.context["token"], "expected": "5.00", "pay": "wallet"}
        answer = self.client.post("/checkout/", {**fields, "line0-account": f"{CANARY} game"})
        assert answer.status_code == 302, answer.content.decode()
        self.client.post("/cart/add/", {"sku": sku.public_id, "quantity": 1})
        self.order = Order.objects.get(buyer=self.user)

    def _write(self) -> None:
        ticket = ticket_of(self.user)
        write_review(
            ticket_id=ticket.public_id, user=self.user, stars=5, text=f"{CANARY} 觉得很好用", is_anonymous=False
        )
        self.client.post("/member/feedback/", {"kind": "idea", "text": f"{CANARY} 的一个建议，希望可以更快"})
        tell_birthday(user_id=self.user.pk, day=DAY)
        Mail.objects.create(
            ref="canary",
            recipient=f"{CANARY}@example.com",
            kind="order_delivered",
            params={"number": CANARY},
            language="zh-hans",
            not_before=clock.now(),
            created_at=clock.now(),
        )


@pytest.fixture
def canary(shelf) -> Canary:
    return Canary(shelf)


def dump() -> dict[str, str]:
    """Every table of the database, its rows as text; session data is read as what it says."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT COALESCE(string_agg(t::text, E'\\n'), '') FROM \"{table}\" t")
            found[table] = cursor.fetchone()[0]
    model = apps.get_model("sessions.Session")
    found["django_session"] = json.dumps([one.get_decoded() for one in model.objects.all()])
    return found


def traces() -> dict[str, list[str]]:
    """Where something of the canary is still to be read."""
    signs = [CANARY, ADDRESS, "13800001987", DAY.isoformat()]
    found = {table: [sign for sign in signs if sign in text.lower()] for table, text in dump().items()}
    return {table: hits for table, hits in found.items() if hits}


def exported(user: User) -> dict[str, list[dict]]:
    made = services.ask_export(user=user)
    services.make_export(export_id=made.pk)
    made.refresh_from_db()
    parts = zipfile.ZipFile(io.BytesIO(bytes(made.content)))
    return {name.removesuffix(".json"): json.loads(parts.read(name)) for name in parts.namelist()}


def test_the_copy_holds_every_field_that_is_said_and_no_secret(canary):
    copy = exported(canary.user)
    for one in privacy.belongings():
        rows = copy[one.label]
        assert len(rows) == one.rows(canary.user).distinct().count(), one.label
        wanted = {field.attname for field in one.model._meta.concrete_fields if field.name not in one.secret}
        assert all(set(row) == wanted for row in rows), one.label
    text = json.dumps(copy, ensure_ascii=False)
    for sign in (
        f"{CANARY}@example.com",
        f"{CANARY} game",
        f"{CANARY} 觉得",
        f"{CANARY} 的一个",
        f"{CANARY} token",
        ADDRESS,
    ):
        assert sign in text, sign
    assert DAY.isoformat() in text and "13800001987" in text
    assert canary.user.password not in text


def test_the_copy_is_of_nobody_else(canary, alice):
    alice.email = "alice-private@example.com"
    alice.save()
    assert "alice" not in json.dumps(exported(canary.user))


def leave(user: User) -> None:
    """Ask, and let the time of reflection pass."""
    services.ask_erasure(user=user)
    with clock.travel(clock.now() + services.REFLECTION + timedelta(minutes=1)):
        services.erase_due()


def spend_all(user: User, olga) -> None:
    adjust(user=user, amount=-balance_of(user), ref="canary:out", at=clock.now(), memo="paid out", actor=olga)


def test_sessions_of_the_erased_are_gone_and_nobody_elses(charlie, alice):
    """Also one that gave the password and still owes the second factor: it names its user in another place."""
    clients = [at_desk(charlie), at_desk(charlie), at_desk(alice)]
    kept = SessionStore()
    kept["account_authentication_methods_user"] = str(charlie.pk)
    kept.save()
    keys = [one.session.session_key for one in clients] + [kept.session_key]
    leave(charlie)
    left = set(Session.objects.filter(pk__in=keys).values_list("pk", flat=True))
    assert left == {clients[2].session.session_key}


def test_afterwards_nothing_leads_to_the_canary_and_the_books_are_whole(canary, olga):
    exported(canary.user)
    before = Order.objects.filter(pk=canary.order.pk).values("total", "state", "paid_total").get()
    assert set(traces()) >= {"accounts_user", "orders_orderline", "catalog_review", "accounts_signintry"}
    spend_all(canary.user, olga)
    leave(canary.user)
    assert Erasure.objects.get().state == "done"
    assert traces() == {}
    assert Order.objects.filter(pk=canary.order.pk).values("total", "state", "paid_total").get() == before
    assert {name: found for name, found in books().items() if not name.startswith("events.")} == {}
    assert canary.client.get("/wallet/").status_code == 302, "the session goes on"
    answer = Client().post("/account/login/", {"login": CANARY, "password": PASSWORD})
    assert answer.status_code == 200


def test_nobody_leaves_with_money_or_open_orders(canary, olga, shelf):
    with pytest.raises(ErasureRefused) as refusal:
        services.ask_erasure(user=canary.user)
    assert "余额" in str(refusal.value)
    order = shelf.buy(canary.user, (shelf.sku("5.00", keys=1), 1))
    spend_all(canary.user, olga)
    with pytest.raises(ErasureRefused) as refusal:
        services.ask_erasure(user=canary.user)
    assert "订单" in str(refusal.value)
    cancel(order_id=order.pk, actor=canary.user)
    services.ask_erasure(user=canary.user)


def test_money_that_comes_in_meanwhile_postpones_it(alice, shelf, olga):
    spend_all(alice, olga)
    services.ask_erasure(user=alice)
    shelf.fund(alice, "3.00")
    with clock.travel(clock.now() + services.REFLECTION + timedelta(minutes=1)):
        assert services.erase_due() == 0
    assert "余额" in Erasure.objects.get().hindered
    alice.refresh_from_db()
    assert alice.username == "alice"


def test_a_wish_is_taken_back(charlie):
    services.ask_erasure(user=charlie)
    services.ask_erasure(user=charlie)
    services.cancel_erasure(user=charlie)
    with pytest.raises(NoErasure):
        services.cancel_erasure(user=charlie)
    with clock.travel(clock.now() + services.REFLECTION * 2):
        assert services.erase_due() == 0
    assert list(Erasure.objects.values_list("state", flat=True)) == ["cancelled"]


def test_staff_do_not_erase_themselves(olga):
    with pytest.raises(ErasureRefused):
        services.ask_erasure(user=olga)


def test_a_copy_whose_worker_died_is_taken_up(charlie):
    made = services.ask_export(user=charlie)
    DataExport.objects.filter(pk=made.pk).update(state="making", done=3)
    assert services.resume_exports() == 0
    with clock.travel(clock.now() + services.LOST * 2):
        assert services.resume_exports() == 1
    made.refresh_from_db()
    assert (made.state, made.done) == ("ready", made.total)
    with clock.travel(clock.now() + services.KEEP * 2):
        services.resume_exports()
    assert not DataExport.objects.exists()


def test_the_pages_ask_who_it_is_before_they_give_and_take(charlie):
    client = Client()
    client.force_login(charlie)
    client.post("/account/privacy/export/")
    made = DataExport.objects.get()
    assert client.get(f"/account/privacy/export/{made.public_id}/status/").json() == {"state": "waiting-0"}
    services.make_export(export_id=made.pk)
    path = f"/account/privacy/export/{made.public_id}/"
    assert "reauthenticate" in client.get(path)["Location"]
    assert "reauthenticate" in client.post("/account/privacy/erase/")["Location"]
    assert not Erasure.objects.exists()
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    assert client.get(path)["Content-Type"] == "application/zip"
    client.post("/account/privacy/erase/")
    assert "随时可以取消" in client.get("/account/privacy/").content.decode()
    client.post("/account/privacy/keep/")
    assert Erasure.objects.get().state == "cancelled"
