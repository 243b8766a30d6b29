"""Key imports: what is in stock afterwards, whatever happened on the way."""

import io
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit.models import AuditEntry
from catalog.exceptions import BatchMoved, KeysMoved, NotKeyGoods, TooManyReveals
from catalog.keyfiles import FileError
from catalog.models import DataKey, Key, KeyBatch, KeyFilePart, Product, Sku, StockFigure
from catalog.services import figures, goods, importing, keys
from catalog.services.sealing import open_key
from common import clock
from common.crypto import DecryptionFailed
from common.exceptions import BadInput
from events.models import Event
from events.services import relay
from orders.selectors import delivered_of

pytestmark = pytest.mark.django_db
DATA = Path(__file__).parent.parent / "data" / "keys"


def receive(sku: Sku, content: bytes, name: str = "keys.txt", **choice) -> KeyBatch:
    return importing.receive_file(sku=sku, file=io.BytesIO(content), filename=name, **choice)


def bring_in(sku: Sku, content: bytes, name: str = "keys.txt", **choice) -> KeyBatch:
    batch = receive(sku, content, name, **choice)
    importing.check_batch(batch_id=batch.pk)
    importing.confirm_batch(batch_id=batch.pk)
    return importing.import_batch(batch_id=batch.pk)


def lines(count: int, start: int = 0) -> bytes:
    return b"".join(b"KEY-%08d-ABCDEFGH\r\n" % number for number in range(start, start + count))


def stock_texts(sku: Sku) -> list[str]:
    return [open_key(key) for key in Key.objects.filter(sku=sku).select_related("data_key").order_by("position")]


class TestTheWholeWay:
    def test_from_file_to_stock(self, shelf, olga):
        sku = shelf.sku()
        batch = receive(sku, (DATA / "mixed-nasty.txt").read_bytes(), "mixed-nasty.txt", actor=olga)
        assert batch.state == KeyBatch.State.CHECKING and Key.objects.count() == 0
        batch = importing.check_batch(batch_id=batch.pk)
        assert batch.state == KeyBatch.State.READY and Key.objects.count() == 0
        assert (batch.report["rows"], batch.report["fresh"], batch.report["errors"]) == (19, 10, 7)
        assert batch.report["file_duplicates"] == 2 and batch.report["stock_duplicates"] == 0
        assert [row[0] for row in batch.report["duplicate_rows"]] == [12, 13]
        assert [row[2] for row in batch.report["duplicate_rows"]] == [8, 2], "the line where the key stands first"
        importing.confirm_batch(batch_id=batch.pk, actor=olga)
        batch = importing.import_batch(batch_id=batch.pk)
        assert batch.state == KeyBatch.State.DONE
        assert (batch.rows_done, batch.imported, batch.duplicates, batch.errors) == (19, 10, 2, 7)
        assert stock_texts(sku)[0] == "ab12cd34----Zx9Qw7"
        actions = (
            AuditEntry.objects.filter(target_type="catalog.KeyBatch").order_by("pk").values_list("action", flat=True)
        )
        assert list(actions) == ["keys.receive", "keys.import", "keys.done"]

    @pytest.mark.parametrize(
        ("name", "count"),
        [
            ("acg-faka-export.txt", 48),
            ("acg-faka-preselect.txt", 13),
            ("dujiaoka-export.csv", 32),
            ("dujiaoka-paste.txt", 20),
            ("dujiao-next-export.csv", 19),
            ("supplier-gbk.csv", 50),
            ("supplier-merged.xlsx", 36),
        ],
    )
    def test_the_files_of_shops(self, shelf, name, count):
        sku = shelf.sku()
        assert bring_in(sku, (DATA / name).read_bytes(), name).imported == count
        again = bring_in(sku, (DATA / name).read_bytes(), name)
        assert (again.imported, again.duplicates) == (0, count)
        assert Key.objects.filter(sku=sku).count() == count

    def test_duplicates_are_found_within_the_product_and_not_beyond(self, shelf):
        sku, other = shelf.sku(), shelf.sku()
        sister = Sku.objects.create(product=sku.product, code="SISTER", name="大", list_price=1)
        bring_in(sku, b"SAME-KEY-1")
        assert bring_in(sister, "ＳＡＭＥ－ＫＥＹ－１".encode()).duplicates == 1
        assert bring_in(other, b"SAME-KEY-1").imported == 1

    def test_case_makes_another_key(self, shelf):
        assert bring_in(shelf.sku(), b"AbC-1\nABC-1").imported == 2

    def test_nothing_readable_is_stored(self, shelf):
        sku = shelf.sku()
        receive(sku, b"CANARY-KEY-IN-WAITING")
        bring_in(sku, b"CANARY-KEY-IN-STOCK")
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names():
                cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', ["%CANARY-KEY%"])
                assert cursor.fetchone()[0] == 0, table
            cursor.execute("SELECT string_agg(encode(sealed, 'escape'), '') FROM catalog_keyfilepart")
            assert "CANARY" not in cursor.fetchone()[0]

    def test_the_file_is_gone_afterwards(self, shelf):
        bring_in(shelf.sku(), b"K-1")
        waiting = receive(shelf.sku(), b"K-2")
        importing.cancel_batch(batch_id=waiting.pk)
        assert not KeyFilePart.objects.exists()

    def test_a_file_that_cannot_be_read_is_refused_before_anything_is_stored(self, shelf):
        with pytest.raises(FileError):
            receive(shelf.sku(), b"%PDF-1.7")
        with pytest.raises(NotKeyGoods):
            receive(shelf.sku(kind=Product.Kind.TOP_UP), b"K-1")
        assert not KeyBatch.objects.exists() and not DataKey.objects.exists()

    def test_steps_out_of_turn_are_refused(self, shelf):
        batch = receive(shelf.sku(), b"K-1")
        with pytest.raises(BatchMoved):
            importing.confirm_batch(batch_id=batch.pk)
        assert importing.import_batch(batch_id=batch.pk).state == KeyBatch.State.CHECKING
        importing.check_batch(batch_id=batch.pk)
        importing.confirm_batch(batch_id=batch.pk)
        for step in (importing.confirm_batch, importing.cancel_batch):
            with pytest.raises(BatchMoved):
                step(batch_id=batch.pk)

    def test_arrival_is_told(self, shelf):
        sku = shelf.sku()
        bring_in(sku, b"K-1\nK-2")
        event = Event.objects.get(kind="stock.arrived")
        assert (event.payload["sku_id"], event.payload["added"]) == (sku.pk, 2)
        assert StockFigure.objects.get(sku=sku).available == 2


class TestKilledImports:
    def test_it_goes_on_where_it_stopped(self, shelf, monkeypatch):
        monkeypatch.setattr(importing, "CHUNK", 10)
        sku = shelf.sku()
        batch = receive(sku, lines(95))
        importing.check_batch(batch_id=batch.pk)
        importing.confirm_batch(batch_id=batch.pk)

        class Killed(BaseException):
            pass

        def kill(done: int, total: int) -> None:
            if done == 40:
                raise Killed

        with pytest.raises(Killed):
            importing.import_batch(batch_id=batch.pk, progress=kill)
        assert Key.objects.filter(sku=sku).count() == 40
        steps = []
        batch = importing.import_batch(batch_id=batch.pk, progress=lambda done, total: steps.append(done))
        assert steps[0] == 50 and batch.imported == 95 and batch.duplicates == 0
        assert len(set(stock_texts(sku))) == 95

    def test_killed_in_the_middle_of_a_chunk_it_leaves_nothing_of_it(self, shelf, monkeypatch):
        monkeypatch.setattr(importing, "CHUNK", 10)
        sku = shelf.sku()
        batch = receive(sku, lines(30))
        importing.check_batch(batch_id=batch.pk)
        importing.confirm_batch(batch_id=batch.pk)
        insert, calls = importing._insert, []

        def failing(*args):
            found = insert(*args)
            calls.append(found)
            if len(calls) == 2:
                raise MemoryError
            return found

        monkeypatch.setattr(importing, "_insert", failing)
        with pytest.raises(MemoryError):
            importing.import_batch(batch_id=batch.pk)
        assert Key.objects.filter(sku=sku).count() == KeyBatch.objects.get(pk=batch.pk).rows_done == 10
        assert importing.import_batch(batch_id=batch.pk).imported == 30

    def test_another_worker_in_between_does_no_harm(self, shelf, monkeypatch):
        monkeypatch.setattr(importing, "CHUNK", 10)
        sku = shelf.sku()
        batch = receive(sku, lines(45))
        importing.check_batch(batch_id=batch.pk)
        importing.confirm_batch(batch_id=batch.pk)
        inner = []

        def meanwhile(done: int, total: int) -> None:
            if done == 20 and not inner:
                inner.append(importing.import_batch(batch_id=batch.pk))

        batch = importing.import_batch(batch_id=batch.pk, progress=meanwhile)
        assert inner[0].state == KeyBatch.State.DONE
        assert (batch.imported, batch.duplicates, batch.rows_done) == (45, 0, 45)
        assert Key.objects.filter(sku=sku).count() == 45

    def test_the_sweep_finds_what_lost_its_worker(self, shelf, monkeypatch):
        sent = []
        monkeypatch.setattr(importing, "send", lambda *call: sent.append(call))
        checking, ready, moving = (receive(shelf.sku(), b"K-%d" % number) for number in range(3))
        for batch in (ready, moving):
            importing.check_batch(batch_id=batch.pk)
        importing.confirm_batch(batch_id=moving.pk)
        assert importing.resume_stalled() == 0
        with clock.travel(clock.now() + timedelta(minutes=3)):
            assert importing.resume_stalled() == 2
        assert sent == [(importing.CHECK_TASK, checking.pk), (importing.IMPORT_TASK, moving.pk)]

    def test_unconfirmed_files_are_forgotten(self, shelf):
        batch = receive(shelf.sku(), b"K-1")
        importing.check_batch(batch_id=batch.pk)
        assert importing.drop_unconfirmed() == 0
        with clock.travel(clock.now() + timedelta(days=4)):
            assert importing.drop_unconfirmed() == 1
        assert not KeyFilePart.objects.exists()

    def test_a_tampered_file_fails_and_says_so(self, shelf):
        batch = receive(shelf.sku(), lines(3))
        part = KeyFilePart.objects.get(batch=batch)
        *rest, last = part.sealed
        KeyFilePart.objects.filter(pk=part.pk).update(sealed=bytes([*rest, last ^ 1]))
        batch = importing.check_batch(batch_id=batch.pk)
        assert batch.state == KeyBatch.State.FAILED and batch.report["error"]["code"] == "unreadable"


def test_a_hundred_thousand_keys_in_one_go(shelf):
    sku = shelf.sku()
    batch = bring_in(sku, lines(100_000))
    assert (batch.imported, batch.rows_done, batch.state) == (100_000, 100_000, "done")


def test_memory_does_not_grow_with_the_file(shelf):
    def peak(count: int) -> int:
        content = lines(count)
        batch = receive(shelf.sku(), content)
        tracemalloc.start()
        importing.check_batch(batch_id=batch.pk)
        importing.confirm_batch(batch_id=batch.pk)
        importing.import_batch(batch_id=batch.pk)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(100)  # what is loaded once does not count
    assert peak(12_000) < 1.3 * peak(6_000)


class TestOrderOfSale:
    @pytest.mark.parametrize(("order", "first"), [("oldest", "A-1"), ("newest", "B-2")])
    def test_oldest_and_newest(self, shelf, order, first):
        sku = shelf.sku(sale_order=order)
        bring_in(sku, b"A-1\nA-2")
        bring_in(sku, b"B-1\nB-2")
        assert stock_texts(sku)[0] == first

    def test_random_is_no_order(self, shelf):
        sku = shelf.sku(sale_order="random")
        bring_in(sku, lines(60))
        assert stock_texts(sku) != sorted(stock_texts(sku))

    def test_changing_the_order_moves_what_is_on_sale(self, shelf):
        sku = shelf.sku()
        bring_in(sku, b"A-1\nA-2\nA-3")
        sku.sale_order = "newest"
        goods.save_sku(sku=sku)
        assert stock_texts(sku) == ["A-3", "A-2", "A-1"]


class TestStaff:
    def test_a_look_is_logged_and_limited(self, shelf, olga, settings):
        settings.KEY_REVEALS_PER_HOUR = 2
        sku = shelf.sku()
        bring_in(sku, b"SECRET-1")
        key = Key.objects.get()
        assert keys.reveal_key(key_id=key.pk, actor=olga, address="10.1.2.3") == "SECRET-1"
        entry = AuditEntry.objects.get(action="key.reveal")
        assert (entry.actor, entry.target_id, entry.address) == ("olga", str(key.pk), "10.1.2.3")
        assert "SECRET-1" not in str(entry.detail)
        keys.reveal_key(key_id=key.pk, actor=olga)
        with pytest.raises(TooManyReveals):
            keys.reveal_key(key_id=key.pk, actor=olga)
        with clock.travel(clock.now() + timedelta(hours=2)):
            keys.reveal_key(key_id=key.pk, actor=olga)

    def test_a_ciphertext_moved_to_another_row_does_not_open(self, shelf, olga):
        sku = shelf.sku()
        bring_in(sku, b"SECRET-1\nSECRET-2")
        one, two = Key.objects.order_by("pk")
        Key.objects.filter(pk=one.pk).update(ciphertext=two.ciphertext)
        with pytest.raises(DecryptionFailed):
            keys.reveal_key(key_id=one.pk, actor=olga)

    def test_keys_in_other_hands_are_not_voided(self, shelf, olga, alice):
        sku = shelf.sku()
        bring_in(sku, b"K-1\nK-2\nK-3")
        ids = list(Key.objects.order_by("position").values_list("pk", flat=True))
        shelf.buy(alice, (sku, 1), from_wallet=True)
        with pytest.raises(KeysMoved):
            keys.void_keys(key_ids=ids, actor=olga)
        assert keys.void_keys(key_ids=ids[1:], actor=olga) == 2
        assert keys.void_keys(key_ids=ids[1:], actor=olga) == 0

    def test_a_reusable_secret_is_replaced_and_the_old_one_stays(self, shelf, olga, alice):
        sku = shelf.sku(kind=Product.Kind.REUSABLE)
        keys.set_reusable(sku=sku, text="https://example.com/pack 提取码 8888", actor=olga)
        order = shelf.buy(alice, (sku, 1), from_wallet=True)
        keys.set_reusable(sku=sku, text="新的", actor=olga)
        assert [one.text for one in delivered_of(order)] == ["https://example.com/pack 提取码 8888"]
        with pytest.raises(BadInput):
            keys.set_reusable(sku=sku, text=" \u200b ", actor=olga)
        with pytest.raises(NotKeyGoods):
            keys.set_reusable(sku=shelf.sku(), text="x", actor=olga)


class TestFigures:
    def test_figures_follow_stock_and_sales(self, shelf, alice):
        sku = shelf.sku(keys=10)
        shelf.buy(alice, (sku, 3), from_wallet=True)
        order = shelf.buy(alice, (sku, 2))
        relay()
        figures.refresh_figures()
        figure = StockFigure.objects.get(sku=sku)
        assert (figure.available, figure.reserved, figure.sold) == (5, 2, 3)
        assert order.state == "unpaid"

    def test_low_stock_is_told_once_until_it_is_filled_up(self, shelf, alice):
        sku = shelf.sku(keys=5, low_stock_at=3)

        def told() -> int:
            figures.refresh_figures()
            return Event.objects.filter(kind="stock.low").count()

        assert told() == 0
        shelf.buy(alice, (sku, 3), from_wallet=True)
        assert told() == 1 and told() == 1
        shelf.stock(sku, 10)
        assert told() == 1
        shelf.buy(alice, (sku, 9), from_wallet=True)
        assert told() == 2


class TestTheCommand:
    def run(self, *args) -> str:
        out = io.StringIO()
        call_command("import_keys", *args, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    def test_it_imports_and_tells(self, shelf):
        sku = shelf.sku()
        out = self.run(sku.code, str(DATA / "supplier-gbk.csv"))
        assert "入库 50" in out and "错误 3" in out
        assert Key.objects.filter(sku=sku).count() == 50

    def test_check_changes_nothing(self, shelf):
        sku = shelf.sku()
        self.run(sku.code, str(DATA / "supplier-gbk.csv"), "--check")
        assert not Key.objects.exists() and not KeyFilePart.objects.exists()

    def test_after_a_kill_the_same_command_finishes(self, shelf, monkeypatch):
        monkeypatch.setattr(importing, "CHUNK", 10)
        sku = shelf.sku()
        real, calls = importing._import_chunk, []

        def dying(*args):
            calls.append(args)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return real(*args)

        monkeypatch.setattr(importing, "_import_chunk", dying)
        with pytest.raises(KeyboardInterrupt):
            self.run(sku.code, str(DATA / "acg-faka-export.txt"))
        assert Key.objects.filter(sku=sku).count() == 20
        monkeypatch.setattr(importing, "_import_chunk", real)
        assert "入库 48" in self.run(sku.code, str(DATA / "acg-faka-export.txt"))
        assert KeyBatch.objects.filter(sku=sku).count() == 1

    def test_a_sheet_and_columns_can_be_named(self, shelf):
        sku = shelf.sku()
        with pytest.raises(CommandError, match="10元、50元"):
            self.run(sku.code, str(DATA / "face-values.xlsx"))
        assert "入库 8" in self.run(sku.code, str(DATA / "face-values.xlsx"), "--sheet", "10元")
        assert "入库 8" in self.run(sku.code, str(DATA / "face-values.xlsx"), "--sheet", "50元", "--columns", "1")

    @pytest.mark.parametrize("args", [("NO-SUCH", "x"), ("SKU", "/no/such/file"), ("SKU", "FILE", "--columns", "0")])
    def test_mistakes_are_told_and_not_traced(self, shelf, args):
        sku = shelf.sku()
        names = {"SKU": sku.code, "FILE": str(DATA / "acg-faka-export.txt")}
        with pytest.raises(CommandError):
            self.run(*[names.get(arg, arg) for arg in args])
