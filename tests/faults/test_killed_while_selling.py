"""Two hundred purchases through the pages of a running shop, while its processes are killed one after another."""

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from launcher import machine
from tests.launcher.conftest import Up, end_everything_of, manage, ports
from torture.buyers import Buyer, Journal

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("faults")]

BUYERS, EACH = 8, 25
SEED = 20261122
PASSWORD = "tea-and-keys-9"

STOCKED = f"""
from decimal import Decimal
from accounts.services import create_member
from tests.shelf import Shelf
shelf = Shelf()
sku = shelf.sku("1.00", keys={BUYERS * EACH + 50})
for number in range({BUYERS}):
    Shelf.fund(create_member(username=f"buyer{{number}}", password="{PASSWORD}", storefront_id=1), "100.00")
print("SKU", sku.public_id)
"""

COUNTED = """
import json
from catalog.models import Key
from events.models import Delivery, Event
from orders.models import Order
print("COUNT", json.dumps({
    "sold": Key.objects.filter(state="sold").count(),
    "reserved": Key.objects.filter(state="reserved").count(),
    "delivered": Order.objects.filter(state="delivered").count(),
    "orders": Order.objects.count(),
    "untold": Event.objects.filter(fanned_out_at=None).count(),
    "undone": Delivery.objects.exclude(state="done").count(),
}))
"""


@pytest.fixture
def shop():
    folder = Path(tempfile.mkdtemp(prefix="kameng-faults-")).resolve()
    up = Up(folder / "var").ready()
    yield up
    up.stop()
    end_everything_of(folder)
    shutil.rmtree(folder)


def shell(up: Up, code: str, word: str) -> str:
    """What a piece of code in the shop's own shell prints behind `word`."""
    ran = manage(up.data, "shell", "-c", code)
    lines = [line for line in ran.stdout.splitlines() if line.startswith(word)]
    assert lines, f"{ran.stdout}\n{ran.stderr}"
    return lines[-1].removeprefix(word).strip()


class Killer(threading.Thread):
    """Kills one process after another, each in the middle of selling, until it is told to stop; keeps count."""

    def __init__(self, up: Up, seed: int, journal: Journal) -> None:
        super().__init__(name="killer")
        self.up, self.random, self.journal = up, random.Random(seed), journal
        self.enough = threading.Event()
        self.counts: dict[str, int] = {}

    def run(self) -> None:
        faults = [self.kill_worker, self.kill_web, self.flush_and_kill_valkey, self.kill_postgres]
        while not self.enough.is_set():
            self.random.shuffle(faults)
            for fault in faults:
                self.wait_for_sales(self.random.randint(4, 12))
                if self.enough.is_set():
                    return
                fault()
                self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1

    def wait_for_sales(self, count: int) -> None:
        """Until the shop has sold so many more: a fault that strikes a shop which is still down proves nothing."""
        goal = len(self.journal.orders) + count
        while len(self.journal.orders) < goal and not self.enough.wait(0.05):
            pass

    def kill(self, name: str) -> None:
        try:
            pid = self.up.pid(name)
        except AssertionError:
            return  # still down from last time
        machine.end_processes([pid], signal.SIGKILL, patience=5)

    def kill_worker(self) -> None:
        self.kill("worker")

    def kill_web(self) -> None:
        self.kill("web")

    def kill_postgres(self) -> None:
        self.kill("postgres")

    def flush_and_kill_valkey(self) -> None:
        secrets = dict(
            line.split("=", 1) for line in (self.up.data / "secrets.env").read_text().splitlines() if "=" in line
        )
        port = ports(self.up.data)["valkey"]
        flush = (
            "import redis, sys; redis.Redis(port=int(sys.argv[1]), password=sys.argv[2], socket_timeout=2).flushall()"
        )
        python = str(Path(__file__).parents[2] / ".venv/bin/python")
        subprocess.run([python, "-c", flush, str(port), secrets["REDIS_PASSWORD"]], capture_output=True, check=False)
        self.kill("valkey")


def test_every_paid_order_is_delivered_and_the_books_are_clean(shop):
    sku = shell(shop, STOCKED, "SKU")
    journal = Journal()
    url = f"http://127.0.0.1:{shop.port}"
    buyers = [Buyer(url, f"buyer{number}", PASSWORD, sku, EACH, journal) for number in range(BUYERS)]
    killer = Killer(shop, SEED, journal)
    for buyer in buyers:
        buyer.sign_in()
    for buyer in buyers:
        buyer.start()
    killer.start()
    for buyer in buyers:
        buyer.join()
    killer.enough.set()
    killer.join()
    # pytest -rP shows it.
    sys.stdout.write(f"seed {SEED}, faults {killer.counts}, answers {dict(sorted(journal.statuses.items()))}\n")
    assert [buyer.error for buyer in buyers if buyer.error] == []
    assert min(killer.counts.get(name, 0) for name in ("kill_worker", "kill_web", "kill_postgres")) >= 1
    assert len(journal.orders) == len(set(journal.orders.values())) == BUYERS * EACH

    counts = settled(shop)
    assert counts == {
        "sold": BUYERS * EACH,
        "reserved": 0,
        "delivered": BUYERS * EACH,
        "orders": BUYERS * EACH,
        "untold": 0,
        "undone": 0,
    }
    audit = manage(shop.data, "audit_books")
    assert audit.returncode == 0, audit.stdout


def settled(up: Up, patience: float = 180) -> dict[str, int]:
    """The counts once the outbox is empty; the sweep runs every minute."""
    deadline = time.monotonic() + patience
    while True:
        counts = json.loads(shell(up, COUNTED, "COUNT"))
        if not counts["untold"] and not counts["undone"] or time.monotonic() > deadline:
            return counts
        time.sleep(2)
