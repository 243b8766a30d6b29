"""Marked keys go the whole way through the shop; afterwards no place holds one but sealed."""

import io
import logging
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import transaction
from django.test import Client

from audit.models import AuditEntry
from audit.services import record
from audit.tasks import seal_chain
from catalog.models import Key, KeyBatch, KeyExport, ReviewTicket, Sku
from catalog.services import exporting, importing
from catalog.services import keys as key_services
from catalog.services.sealing import open_key
from catalog.tasks import import_key_batch
from common import clock
from common.queue import send
from events.services import relay
from notifications.models import Mail
from notifications.services import send_due_mails
from orders.models import Order
from orders.selectors import delivered_of
from orders.services import receive_payment
from orders.services.staff import set_note
from tests.api.conftest import Caller
from tests.complaints import complain
from tests.desk import Act, at_desk, says_it_again, staff
from tests.opinions import write
from tests.secrets.canaries import Canaries, dumped, in_files, in_sessions, in_valkey, of_mails
from tests.servers import database_url

pytestmark = pytest.mark.django_db(transaction=True)
DEVICE = "d" * 22


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that any logger says, tracebacks too."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.fixture
def reports(settings) -> None:
    """A shop that has errors mailed, in the wordiest form."""
    settings.ADMINS = [("Keeper", "keeper@example.com")]
    handler = logging.getLogger("django").handlers
    mailing = [one for one in handler if type(one).__name__ == "AdminEmailHandler"]
    assert mailing, "Django mails errors to ADMINS"
    for one in mailing:
        one.include_html = True
    yield
    for one in mailing:
        one.include_html = False


@pytest.fixture
def whole(shelf, alice, olga, settings, tmp_path, monkeypatch, logged, reports):
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.KEY_REVEALS_PER_HOUR = 10**6
    settings.GUEST_PAGE_SECONDS = 60

    def run(count: int) -> "Whole":
        shop = Whole(Canaries(count), shelf, alice, olga, tmp_path, monkeypatch, logged)
        shop.everything()
        return shop

    return run


class Whole:
    """The shop with its people, and all that can be done with keys."""

    def __init__(self, canaries, shelf, alice, olga, folder: Path, monkeypatch, logged) -> None:
        self.canaries, self.shelf, self.alice, self.olga = canaries, shelf, alice, olga
        self.folder, self.monkeypatch, self.logged = folder, monkeypatch, logged
        self.desk = at_desk(olga)
        self.shown = 0

    def everything(self) -> None:
        sku = self.shelf.sku("0.01")
        half = len(self.canaries.texts) // 2
        self.upload(sku, self.canaries.texts[:half])
        self.import_by_command(sku, self.canaries.texts[half:])
        assert Key.objects.count() == len(self.canaries.texts)
        self.failing_import(sku)
        share = max(1, len(self.canaries.texts) * 2 // 5)
        while share:
            count = min(share, sku.max_quantity)
            for order in (self.member_buys(sku, count), self.guest_buys(sku, count)):
                self.staff_look(order)
            share -= count
        self.member_exports()
        self.paste(self.api_buys(sku, 2))
        self.look_for(self.canaries.texts[0])
        self.export()
        self.errors()
        self.background()

    def saw(self, answer) -> None:
        """The key is where it is meant to be: without that nothing was tried."""
        body = answer.content if hasattr(answer, "content") else b"".join(answer.streaming_content)
        found = self.canaries.seen_in(body)
        assert found, answer
        assert "no-store" in answer["Cache-Control"], answer
        self.shown += found

    def upload(self, sku: Sku, texts: list[str]) -> None:
        file = SimpleUploadedFile("keys.txt", "\n".join(texts).encode())
        assert self.desk.post("/admin/catalog/keybatch/upload/", {"sku": sku.pk, "file": file}).status_code == 302
        batch = KeyBatch.objects.latest("pk")
        importing.check_batch(batch_id=batch.pk)
        self.desk.get(f"/admin/catalog/keybatch/{batch.pk}/change/")
        self.desk.post(f"/admin/catalog/keybatch/{batch.pk}/confirm/")
        importing.import_batch(batch_id=batch.pk)

    def import_by_command(self, sku: Sku, texts: list[str]) -> None:
        path = self.folder / "import.csv"
        path.write_text("key\n" + "\n".join(texts))
        call_command("import_keys", sku.code, str(path), stdout=io.StringIO(), stderr=io.StringIO())
        path.unlink()

    def failing_import(self, sku: Sku) -> None:
        """A worker that fails with keys in its hands, and one that leaves its file behind half imported."""
        text = "\n".join(f"{key[::-1]}-{self.canaries.mark}-again" for key in self.canaries.texts[:20])
        with self.monkeypatch.context() as patch:
            patch.setattr(importing, "sale_position", _fail)
            self.desk.post("/admin/catalog/keybatch/upload/", {"sku": sku.pk, "text": text})
            batch = KeyBatch.objects.latest("pk")
            importing.check_batch(batch_id=batch.pk)
            importing.confirm_batch(batch_id=batch.pk, actor=self.olga)
            import_key_batch.apply(args=[batch.pk])
        send("catalog.tasks.import_key_batch", batch.pk)

    def member_buys(self, sku: Sku, count: int) -> Order:
        order = self.shelf.buy(self.alice, (sku, count), from_wallet=True)
        buyer = Client()
        buyer.force_login(self.alice)
        self.look(buyer, order)
        return order

    def member_exports(self) -> None:
        buyer = Client()
        buyer.force_login(self.alice)
        self.saw(buyer.get("/library/keys.csv"))

    def guest_buys(self, sku: Sku, count: int) -> Order:
        order = self.shelf.buy(None, (sku, count), buyer={"contact": "guest@example.com", "device": DEVICE})
        with transaction.atomic():
            receive_payment(order_id=order.pk, amount=order.total, channel="epay", ref=f"t:{order.pk}", at=clock.now())
        guest = Client()
        guest.cookies["device"] = DEVICE
        self.look(guest, order)
        return order

    def look(self, buyer: Client, order: Order) -> None:
        for rest in ("", "keys.txt", "keys.csv"):
            self.saw(buyer.get(f"/orders/{order.public_id}/{rest}"))
        buyer.get(f"/orders/{order.public_id}/status/")
        buyer.get("/")

    def api_buys(self, sku: Sku, count: int) -> Order:
        caller = Caller(self.alice)
        status, body = caller.place(sku, count, pay_with="wallet")
        assert status == 201, body
        self.saw(caller.raw("GET", f"/orders/{body['id']}/"))
        return Order.objects.get(public_id=body["id"])

    def paste(self, order: Order) -> None:
        """The buyer and staff copy keys into what they write."""
        relay()
        bought = delivered_of(order)[0].text
        in_stock = open_key(Key.objects.filter(state="available").select_related("data_key").first())
        words = f"卡密 {bought} 和 {bought.lower()} 和 {bought.replace('-', '')} 和 {in_stock} 都不行"
        complain(order, text=words)
        write(ReviewTicket.objects.get(line_id=order.lines.get().pk), text=words)
        set_note(order_id=order.pk, text=words, actor=self.olga)
        Act(self.desk, f"/admin/orders/order/{order.pk}/reveal/").fill(reason=words[:200]).confirm()

    def staff_look(self, order: Order) -> None:
        act = Act(self.desk, f"/admin/orders/order/{order.pk}/reveal/").fill(reason="买家称无法使用").confirm()
        self.saw(act.page)
        key = Key.objects.filter(line_id=order.lines.get().pk).first()
        self.saw(Act(self.desk, f"/admin/catalog/key/{key.pk}/reveal/").confirm().page)

    def look_for(self, text: str) -> None:
        found = Act(self.desk, "/admin/catalog/key/find/").fill(text=text)
        assert "catalog/key/" in found.text

    def export(self) -> None:
        ann = staff("ann", "catalog.view_keyexport", "catalog.export_keys")
        ben = staff("ben", "catalog.view_keyexport", "catalog.approve_key_export")
        ben.email = "ben@example.com"
        ben.save()
        batch = KeyBatch.objects.filter(state="done").earliest("pk")
        export = exporting.ask_for_keys(batch_id=batch.pk, which="all", reason="盘点", actor=ann)
        exporting.approve_export(export_id=export.pk, actor=ben)
        with clock.travel(clock.now() + timedelta(hours=25)):
            answer = Act(says_it_again(at_desk(ann)), f"/admin/catalog/keyexport/{export.pk}/fetch/").confirm().page
            self.saw(answer)
        assert KeyExport.objects.get().rows == batch.imported

    def errors(self) -> None:
        """Pages that fail with keys among their variables, and forms that fail with keys in their fields."""
        key = Key.objects.filter(state="sold").first()
        order = Order.objects.filter(buyer=self.alice).first()
        quiet = Client(raise_request_exception=False)
        quiet.force_login(self.alice)
        with self.monkeypatch.context() as patch:
            patch.setattr("shop.views.orders.attachment", _fail)
            answer = quiet.get(f"/orders/{order.public_id}/keys.txt")
            assert answer.status_code == 500 and not self.canaries.seen_in(answer.content)
        desk = Client(raise_request_exception=False)
        desk.force_login(self.olga)
        with self.monkeypatch.context() as patch:
            patch.setattr("catalog.admin.keys.find_keys", _fail)
            form = {"_step": "preview", "text": self.canaries.texts[1]}
            answer = desk.post("/admin/catalog/key/find/", form)
            assert answer.status_code == 500 and not self.canaries.seen_in(answer.content)
            patch.setattr(key_services, "record", _fail)
            answer = desk.post(f"/admin/catalog/key/{key.pk}/reveal/", {"_step": "run"})
            assert answer.status_code == 500 and not self.canaries.seen_in(answer.content)
        assert sum("keeper@example.com" in one.to for one in mail.outbox) >= 3, "errors were mailed"

    def background(self) -> None:
        with clock.travel(clock.now() + timedelta(hours=26)):
            relay()
            send_due_mails()
        seal_chain()
        assert Mail.objects.filter(state="sent").exists()

    def places(self) -> dict[str, int]:
        """Where the mark was found, and how often."""
        valkey = django_settings.REDIS_URL
        return {
            "dump": self.canaries.seen_in(dumped(database_url())),
            "sessions": self.canaries.seen_in(*in_sessions()),
            "valkey": self.canaries.seen_in(*in_valkey(valkey)),
            "logs": self.canaries.seen_in(self.logged.getvalue()),
            "mails": self.canaries.seen_in(*of_mails(mail.outbox)),
            "files": self.canaries.seen_in(*in_files(self.folder)),
        }


def _fail(*args, **more):
    raise RuntimeError("broken on purpose")


NOWHERE = dict.fromkeys(["dump", "sessions", "valkey", "logs", "mails", "files"], 0)


def test_of_a_few_hundred_keys_none_is_found_anywhere(whole):
    shop = whole(300)
    assert shop.shown > 300
    assert shop.places() == NOWHERE


@pytest.mark.full
def test_of_a_hundred_thousand_keys_none_is_found_anywhere(whole):
    shop = whole(100_000)
    # pytest -rP shows it.
    sys.stdout.write(f"100,000 keys, shown {shop.shown:,} times where they are meant to be: {shop.places()}\n")
    assert shop.places() == NOWHERE


def test_a_key_that_did_leak_is_found_in_each_place(whole):
    """The search itself: one key is left in every place on purpose."""
    shop = whole(20)
    leaked = shop.canaries.texts[0]
    with transaction.atomic():
        record(action="test.act", at=clock.now(), detail={"note": leaked})
    session = Client()
    session.force_login(shop.alice)
    stored = session.session
    stored["last"] = leaked
    stored.save()
    send("catalog.tasks.import_key_batch", leaked)
    logging.getLogger("shop").info("delivered %s", leaked)
    mail.send_mail("x", f"Your key: {leaked}", None, ["guest@example.com"])
    (shop.folder / "keys.tmp").write_text(leaked)
    assert all(shop.places().values()), shop.places()
    assert AuditEntry.objects.filter(detail__note=leaked).exists()
