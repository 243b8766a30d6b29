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
from django.db import connection, transaction
from django.test import Client

from accounts.exceptions import ErasureRefused, NoErasure
from accounts.models import DataExport, Erasure, User
from accounts.services import privacy as services
from catalog.models import Review
from catalog.services.reviews import edit_review, write_review
from common import clock, privacy
from events.services import relay
from membership.services import tell_birthday
from notifications.models import Mail, Message
from orders.models import Order
from orders.services import cancel, receive_payment
from orders.services.staff import set_note
from payments.models import Withdrawal
from payments.services import reject_withdrawal
from tests.desk import at_desk
from tests.opinions import ticket_of
from tests.payments.withdrawals import ask as ask_withdrawal
from tests.payments.withdrawals import open_withdrawals, verified_account
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
        known = {"display_name": f"{CANARY} 昵称", "phone": "13800001987", "email_verified_at": clock.now()}
        User.objects.filter(pk=self.user.pk).update(**known)
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


def test_what_forgets_nothing_was_told_nothing(canary, olga):
    """Staff search, note and decide about a member who changes their mind: the log and the events keep no word of it."""
    open_withdrawals()
    account = verified_account(canary.user, "13800001987")
    ask_withdrawal(canary.user, "10.00")
    reject_withdrawal(withdrawal_id=Withdrawal.objects.get().pk, reason="信息不符", actor=olga)
    review = Review.objects.get(user=canary.user)
    edit_review(review_id=review.public_id, user=canary.user, stars=4, text="还可以，物有所值", is_anonymous=False)
    for text in (f"{CANARY} 来电 13800001987", "已解决"):
        set_note(order_id=canary.order.pk, text=text, actor=olga)
    desk = at_desk(olga)
    desk.get("/admin/accounts/user/export-csv/", {"q": f"{CANARY}@example.com"})
    desk.post(f"/admin/accounts/user/{canary.user.pk}/change/", {"username": CANARY, "display_name": f"{CANARY} 新"})
    relay()
    assert account.hint in str(Message.objects.filter(user=canary.user).values_list("params", flat=True))
    spend_all(canary.user, olga)
    leave(canary.user)
    assert Erasure.objects.get().state == "done"
    assert traces() == {}
    assert account.hint not in str(dump())


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


def test_one_that_cannot_be_erased_keeps_nobody_else(charlie, bob, olga, monkeypatch):
    spend_all(bob, olga)
    for one in (charlie, bob):
        services.ask_erasure(user=one)
    erase = services.privacy.erase

    def fails_for_charlie(user):
        if user == charlie:
            raise RuntimeError("a row that does not go")
        return erase(user)

    monkeypatch.setattr(services.privacy, "erase", fails_for_charlie)
    with clock.travel(clock.now() + services.REFLECTION + timedelta(minutes=1)):
        assert services.erase_due() == 1
    charlie.refresh_from_db()
    assert charlie.username == "charlie"
    assert set(Erasure.objects.values_list("user_id", "state")) == {(charlie.pk, "waiting"), (bob.pk, "done")}


def test_a_copy_that_cannot_be_made_holds_up_no_other(charlie, bob, monkeypatch):
    wanted = [services.ask_export(user=one).pk for one in (charlie, bob)]
    make = services.make_export

    def fails_first(export_id):
        if export_id == wanted[0]:
            raise RuntimeError("a row that cannot be written down")
        make(export_id=export_id)

    monkeypatch.setattr(services, "make_export", fails_first)
    with clock.travel(clock.now() + services.LOST):
        assert services.resume_exports() == 1
    assert DataExport.objects.get(pk=wanted[1]).state == "ready"


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


@pytest.fixture
def guests_order(shelf) -> Order:
    """Somebody who left no more than an address bought, and was mailed about it."""
    order = shelf.buy(None, (shelf.sku("19.00", keys=1), 1), buyer={"contact": f"{CANARY}@example.com"})
    with transaction.atomic():
        receive_payment(order_id=order.pk, amount=order.total, channel="epay", ref="t:1", at=clock.now())
    relay()
    assert Mail.objects.get().recipient == order.contact
    return order


def verified(user: User) -> User:
    user.email_verified_at = clock.now()
    user.save(update_fields=["email_verified_at"])
    return user


def test_an_address_that_nobody_verified_opens_and_takes_nothing_of_its_owner(guests_order, make_member):
    thief = make_member("thief", email=guests_order.contact)
    copy = exported(thief)
    assert copy["notifications.Mail"] == copy["orders.Order"] == copy["orders.OrderLine"] == []
    leave(thief)
    assert Erasure.objects.get().state == "done"
    assert Mail.objects.get().recipient == guests_order.contact
    assert Order.objects.get().contact == guests_order.contact


def test_what_a_guest_bought_with_an_address_that_is_verified_now_goes_along_and_is_forgotten(
    guests_order, make_member, shelf
):
    owner = verified(make_member("owner", email=guests_order.contact.upper()))
    other = shelf.buy(None, (shelf.sku("19.00", keys=1), 1))
    copy = exported(owner)
    assert [row["id"] for row in copy["orders.Order"]] == [guests_order.pk]
    assert [row["order_id"] for row in copy["notifications.Mail"]] == [guests_order.pk]
    leave(owner)
    assert CANARY not in str(traces())
    other.refresh_from_db()
    assert other.contact == "guest@example.com"


def test_mails_about_anothers_order_are_the_others(guests_order, make_member, alice):
    Order.objects.update(buyer=alice, lookup=None, contact="")
    owner = verified(make_member("owner", email=guests_order.contact))
    assert exported(owner)["notifications.Mail"] == []


def test_a_guests_open_order_keeps_the_owner_of_the_address(guests_order, make_member):
    owner = verified(make_member("owner", email=guests_order.contact))
    Order.objects.update(state=Order.State.PAID)
    with pytest.raises(ErasureRefused) as refusal:
        services.ask_erasure(user=owner)
    assert "订单" in str(refusal.value)
