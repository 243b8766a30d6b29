"""The shop sells and shows keys while a rotation runs beside it and is killed again and again."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal

import pytest
from django.db import connection, connections

from catalog.exceptions import AlreadyRotating, OutOfStock
from catalog.models import DataKey, Key, KeyBatch, Sku
from catalog.services.keys import reveal_key
from catalog.services.resealing import reseal_batch
from catalog.services.rotation import LOCK, rotate
from catalog.services.sealing import open_key
from common.locks import session_lock
from orders.selectors import delivered_of
from tests.races.conftest import Race
from tests.secrets.rings import ring, rotating, tell_ring

SEED = 20261130
NAMES = ("new", "old")


@pytest.fixture
def both(settings, transactional_db):
    """The programs of the shop know both keys, the old one in front; the rotation has the new one in front."""
    settings.KEY_RING = ring("old", "new")
    settings.KEY_REVEALS_PER_HOUR = 10**9
    tell_ring("old", "new")


class Shop:
    """Threads that sell, deliver and reveal without a pause, and keep what went wrong."""

    def __init__(self, shelf, sku: Sku, texts: dict[int, str], buyers: list, staff) -> None:
        self.shelf, self.sku, self.texts, self.staff = shelf, sku, texts, staff
        self.enough = threading.Event()
        self.counts = {"read": 0, "sold": 0, "revealed": 0}
        self.failed: list[BaseException | str] = []
        self.threads = [threading.Thread(target=self._run, args=(self._sell, buyer)) for buyer in buyers]
        self.threads += [threading.Thread(target=self._run, args=(act, None)) for act in (self._read, self._reveal)]

    def __enter__(self) -> "Shop":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error) -> None:
        self.enough.set()
        for thread in self.threads:
            thread.join()

    def _run(self, act, buyer) -> None:
        chance = random.Random(SEED)
        try:
            tell_ring("old", "new")
            while not self.enough.is_set():
                try:
                    act(chance, buyer)
                except Exception as error:
                    self.failed.append(error)
                # The machine has few processors, and the rotation is to run too.
                self.enough.wait(0.005)
        finally:
            connections.close_all()

    def _sell(self, chance: random.Random, buyer) -> None:
        try:
            order = self.shelf.buy(buyer, (self.sku, 2), from_wallet=True)
        except OutOfStock:
            return
        given = {one.key_id: one.text for one in delivered_of(order)}
        if len(given) != 2 or any(self.texts[pk] != text for pk, text in given.items()):
            self.failed.append(f"order {order.pk} was given {given}")
        self.counts["sold"] += 2

    def _read(self, chance: random.Random, buyer) -> None:
        wanted = chance.sample(sorted(self.texts), 50)
        for key in Key.objects.filter(pk__in=wanted).select_related("data_key"):
            if open_key(key) != self.texts[key.pk]:
                self.failed.append(f"key {key.pk} reads differently")
            self.counts["read"] += 1

    def _reveal(self, chance: random.Random, buyer) -> None:
        pk = chance.choice(list(self.texts))
        if reveal_key(key_id=pk, actor=self.staff) != self.texts[pk]:
            self.failed.append(f"key {pk} is revealed differently")
        self.counts["revealed"] += 1


def stocked(shelf, batches: int, each: int) -> tuple[Sku, dict[int, str]]:
    """A SKU with so many batches of keys; and each key's text by id."""
    sku = shelf.sku("1.00")
    texts: list[str] = []
    for _ in range(batches):
        texts += shelf.stock(sku, each)
    return sku, dict(zip(Key.objects.order_by("pk").values_list("pk", flat=True), texts, strict=True))


def kill_again_and_again(start, left, times: int) -> int:
    """Start, kill when a share more is done, `times` times; then let it end. How many were killed half-way."""
    total, killed = left(), 0
    for number in range(times):
        process = start()
        goal = total - total * (number + 1) // (times + 1)
        while left() > goal and process.poll() is None:
            time.sleep(0.002)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
        assert left() > 0, f"it was done before kill {number + 1}"
    last = start(output=subprocess.PIPE)
    told = last.communicate()
    assert last.returncode == 0, told
    return killed


def hand_over(shelf, make_member, olga, *, batches: int, each: int, kills: int, chunk: int) -> dict:
    sku, texts = stocked(shelf, batches, each)
    buyers = [make_member(f"buyer{number}", balance="1000000.00") for number in range(2)]
    wrapped_by_old = DataKey.objects.filter(master_name="old")
    ids = list(KeyBatch.objects.order_by("pk").values_list("pk", flat=True))
    before = set(DataKey.objects.values_list("pk", flat=True))
    under_old_data_keys = Key.objects.filter(data_key__in=before)

    def rewrap(output=subprocess.DEVNULL):
        return rotating("--chunk", str(max(chunk // 20, 1)), names=NAMES, output=output)

    def reseal(output=subprocess.DEVNULL):
        left = list(under_old_data_keys.order_by().values_list("batch_id", flat=True).distinct())
        words = [str(pk) for pk in ids if pk in left]
        return rotating("--chunk", str(chunk), "--data-keys", *words, names=NAMES, output=output)

    with Shop(shelf, sku, texts, buyers, olga) as shop:
        killed = kill_again_and_again(rewrap, wrapped_by_old.count, kills)
        resealed = kill_again_and_again(reseal, under_old_data_keys.count, kills)
    connection.close()
    tell_ring("old", "new")
    everything = Key.objects.select_related("data_key").order_by("pk")
    wrong = [key.pk for key in everything.iterator() if open_key(key) != texts[key.pk]]
    assert everything.count() == len(texts) == batches * each
    return {
        **shop.counts,
        "failed": shop.failed + wrong,
        "killed": killed + resealed,
        "left": wrapped_by_old.count() + under_old_data_keys.count(),
    }


class Killed(BaseException):
    """What ends a run in the middle, where starting a process would take longer than the run."""


def end_after(count: int):
    def told(done: int, total: int) -> None:
        if done >= count:
            raise Killed

    return told


def test_a_few_keys_sell_and_read_while_it_is_broken_off(both, shelf, make_member, olga, settings):
    sku, texts = stocked(shelf, 20, 10)
    buyers = [make_member(f"buyer{number}", balance="1000000.00") for number in range(2)]
    batch = KeyBatch.objects.first()
    with Shop(shelf, sku, texts, buyers, olga) as shop:
        # The ring of the whole process: from here on the new key wraps, and everybody reads by either.
        settings.KEY_RING = ring("new", "old")
        for goal in (5, 5, 5):
            with pytest.raises(Killed):
                rotate(chunk=1, progress=end_after(goal), check_sessions=False)
        assert DataKey.objects.filter(master_name="old").count() == 5
        assert rotate(chunk=1, check_sessions=False).complete
        with pytest.raises(Killed):
            reseal_batch(batch_id=batch.pk, chunk=2, progress=end_after(4))
        assert reseal_batch(batch_id=batch.pk, chunk=2).count == 6
    assert shop.failed == [] and min(shop.counts.values()) > 0
    for key in Key.objects.select_related("data_key"):
        assert open_key(key) == texts[key.pk]


def test_while_another_session_rotates_it_is_refused(both, shelf):
    stocked(shelf, 1, 1)
    taken, done = threading.Event(), threading.Event()

    def first() -> None:
        with session_lock(LOCK, 0) as mine:
            assert mine
            taken.set()
            done.wait()

    def second() -> None:
        taken.wait()
        try:
            rotate(check_sessions=False)
        finally:
            done.set()

    assert [type(one) for one in Race().run(first, second)] == [type(None), AlreadyRotating]


@pytest.mark.full
def test_a_hundred_thousand_keys_sell_and_read_while_it_is_killed_twenty_times(both, shelf, make_member, olga):
    found = hand_over(shelf, make_member, olga, batches=1000, each=100, kills=20, chunk=200)
    # pytest -rP shows it.
    sys.stdout.write(f"seed {SEED}: { {name: value for name, value in found.items() if name != 'failed'} }\n")
    assert found["failed"] == [] and found["left"] == 0
    assert found["killed"] == 40
    assert Decimal(found["sold"]) > 0


@pytest.mark.full
def test_a_second_rotation_is_refused_and_so_is_one_beside_an_old_program(both, shelf):
    stocked(shelf, 30, 1)
    tell_ring("old")
    old_program = rotating(names=NAMES)
    told = old_program.communicate()[1]
    assert old_program.returncode == 1 and "还没有主密钥 new" in told
    assert DataKey.objects.filter(master_name="new").count() == 0
    tell_ring("old", "new")
    with connection.cursor() as cursor:
        # Rows in other hands keep the first one busy.
        cursor.execute("BEGIN; SELECT 1 FROM catalog_datakey FOR UPDATE")
        first = rotating(names=NAMES)
        while not _busy():
            assert first.poll() is None, first.communicate()
            time.sleep(0.02)
        second = rotating(names=NAMES)
        told = second.communicate()[1]
        cursor.execute("COMMIT")
    assert second.returncode == 1 and "正在进行" in told
    told = first.communicate()
    assert first.returncode == 0, told
    assert DataKey.objects.filter(master_name="old").count() == 0


def _busy() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 731071 AND granted")
        return bool(cursor.fetchone()[0])
