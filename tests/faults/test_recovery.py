"""The drill of docs/recovery.md: the database's machine is lost in the middle of selling, a second instance takes over."""

import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.faults.clusters import Cluster
from tests.launcher.conftest import Up, end_everything_of, manage
from tests.sandboxes import wait_until
from torture.buyers import Buyer, Journal

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("faults")]

BUYERS, EACH = 6, 20
PASSWORD = "tea-and-keys-9"

STOCKED = f"""
from accounts.services import create_member
from tests.shelf import Shelf
shelf = Shelf()
sku = shelf.sku("1.00", keys={BUYERS * EACH + 20})
for number in range({BUYERS}):
    Shelf.fund(create_member(username=f"buyer{{number}}", password="{PASSWORD}", storefront_id=1), "100.00")
print("SKU", sku.public_id)
"""

COUNTED = """
import json
from catalog.models import Key
from catalog.services.sealing import open_key
from orders.models import Order
from events.models import Delivery, Event
sold = list(Key.objects.filter(state="sold").select_related("data_key"))
print("COUNT", json.dumps({
    "orders": sorted(Order.objects.filter(state="delivered").values_list("public_id", flat=True)),
    "sold": len(sold),
    "readable": len({open_key(key) for key in sold}),
    "untold": Event.objects.filter(fanned_out_at=None).count(),
    "undone": Delivery.objects.exclude(state="done").count(),
}))
"""


@pytest.fixture
def place():
    folder = Path(tempfile.mkdtemp(prefix="kameng-drill-")).resolve()
    yield folder
    end_everything_of(folder)
    shutil.rmtree(folder)


def secrets_of(data: Path) -> dict[str, str]:
    """What an owner keeps in another place than the database."""
    lines = (data / "secrets.env").read_text().splitlines()
    kept = dict(line.split("=", 1) for line in lines if "=" in line)
    return {name: kept[name] for name in ("SECRET_KEY", "KEY_RING", "FINGERPRINT_KEY")}


def shell(up: Up, cluster: Cluster, code: str, word: str, **variables: str) -> str:
    ran = manage(up.data, "shell", "-c", code, DATABASE_URL=cluster.url, **variables)
    lines = [line for line in ran.stdout.splitlines() if line.startswith(word)]
    assert lines, f"{ran.stdout}\n{ran.stderr}"
    return lines[-1].removeprefix(word).strip()


def test_the_database_is_lost_while_selling_and_comes_back_whole(place):
    first = Cluster(place / "first", place / "log")
    first.create()
    first.start()
    streaming = first.stream_log()
    shop = Up(place / "var", DATABASE_URL=first.url).ready()
    sku = shell(shop, first, STOCKED, "SKU")
    journal = Journal()
    url = f"http://127.0.0.1:{shop.port}"
    buyers = [Buyer(url, f"buyer{number}", PASSWORD, sku, EACH, journal) for number in range(BUYERS)]
    for buyer in buyers:
        buyer.sign_in()
    for buyer in buyers:
        buyer.start()

    wait_for(journal, 20)
    first.back_up(place / "backup")
    secrets = secrets_of(shop.data)
    wait_for(journal, 60)
    first.destroy()
    lost_at, told = time.monotonic(), dict(journal.orders)
    streaming.send_signal(signal.SIGINT)
    streaming.wait()
    shop.stop()
    shutil.rmtree(shop.data)

    second = Cluster(place / "second", place / "log")
    second.restore(place / "backup")
    second.start()
    wait_until(second.is_open, 120)
    # At the old address, where the buyers go on sending the forms that nobody answered.
    again = Up(place / "var2", port=shop.port, DATABASE_URL=second.url, **secrets).ready()
    back_at = time.monotonic()
    for buyer in buyers:
        buyer.join()
    # pytest -rP shows it.
    sys.stdout.write(f"{len(told)} orders acknowledged before the loss, back after {back_at - lost_at:.1f} s\n")
    assert [buyer.error for buyer in buyers if buyer.error] == []

    counts = settled(again, second, secrets)
    bought = {order.strip("/").rpartition("/")[2] for order in journal.orders.values()}
    assert len(journal.orders) == len(bought) == BUYERS * EACH
    assert set(counts["orders"]) == bought
    assert (counts["sold"], counts["readable"]) == (BUYERS * EACH, BUYERS * EACH)
    assert (counts["untold"], counts["undone"]) == (0, 0)
    audit = manage(again.data, "audit_books", DATABASE_URL=second.url, **secrets)
    assert audit.returncode == 0, audit.stdout
    again.stop()
    second.stop()


def wait_for(journal: Journal, orders: int, patience: float = 240) -> None:
    deadline = time.monotonic() + patience
    while len(journal.orders) < orders:
        assert time.monotonic() < deadline, f"only {len(journal.orders)} orders"
        time.sleep(0.05)


def settled(up: Up, cluster: Cluster, secrets: dict[str, str], patience: float = 180) -> dict:
    """The counts once the outbox is empty; the sweep runs every minute."""
    deadline = time.monotonic() + patience
    while True:
        counts = json.loads(shell(up, cluster, COUNTED, "COUNT", **secrets))
        if not counts["untold"] and not counts["undone"] or time.monotonic() > deadline:
            return counts
        time.sleep(2)
