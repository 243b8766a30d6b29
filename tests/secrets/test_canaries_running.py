"""The same search while real processes run: their logs, their queues, and every file that they leave on the disk."""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.faults.test_killed_while_selling import settled, shell
from tests.launcher.conftest import Up, _installed, end_everything_of, manage, ports
from tests.secrets.canaries import Canaries, dumped, in_files, in_valkey
from torture.buyers import Browser, Journal, hidden

__all__ = ["_installed"]
pytestmark = [pytest.mark.full, pytest.mark.xdist_group("faults")]

KEYS, BUYERS, EACH = 2_000, 4, 10
PASSWORD = "tea-and-keys-9"

STOCKED = f"""
from accounts.models import User
from accounts.services import create_member
from tests.shelf import Shelf
shelf = Shelf()
sku = shelf.sku("1.00")
for number in range({BUYERS}):
    Shelf.fund(create_member(username=f"buyer{{number}}", password="{PASSWORD}", storefront_id=1), "1000.00")
User.objects.create_superuser("olga", "{PASSWORD}")
print("SKU", sku.code, sku.public_id)
"""
KEY_OF = "from catalog.models import Key; print('KEY', Key.objects.filter(state='sold').first().pk)"


@pytest.fixture
def folder():
    folder = Path(tempfile.mkdtemp(prefix="kameng-canaries-")).resolve()
    yield folder
    end_everything_of(folder)
    shutil.rmtree(folder)


def addresses(up: Up) -> tuple[str, str]:
    """The database and the Valkey of a running shop."""
    lines = (up.data / "secrets.env").read_text().splitlines()
    secrets = dict(line.split("=", 1) for line in lines if "=" in line)
    database = f"postgres://kameng:{quote(secrets['DATABASE_PASSWORD'])}@127.0.0.1:{ports(up.data)['postgres']}/kameng"
    return database, f"redis://:{quote(secrets['REDIS_PASSWORD'])}@127.0.0.1:{ports(up.data)['valkey']}/0"


def reveal(staff: Browser, pk: str) -> str:
    path = f"/admin/catalog/key/{pk}/reveal/"
    page = staff.until("GET", path, {200})
    form = {"csrfmiddlewaretoken": hidden(page, "csrfmiddlewaretoken"), "_step": "run"}
    return staff.until("POST", path, {200}, data=form).text


def test_a_running_shop_leaves_no_key_in_logs_queues_or_files(folder):
    canaries = Canaries(KEYS)
    up = Up(folder / "var", logs=folder, LOG_LEVEL="DEBUG").ready()
    code, public_id = shell(up, STOCKED, "SKU").split()
    file = folder / "keys.txt"
    file.write_text("\n".join(canaries.texts))
    assert manage(up.data, "import_keys", code, str(file)).returncode == 0
    file.unlink()
    url, journal = f"http://127.0.0.1:{up.port}", Journal()
    buyers = [Browser(url, f"buyer{number}", PASSWORD, journal) for number in range(BUYERS)]
    shown = 0
    for buyer in buyers:
        buyer.sign_in()
        before = set(journal.orders.values())
        for _ in range(EACH):
            buyer.buy(public_id)
        for order in set(journal.orders.values()) - before:
            for rest in ("", "keys.txt", "keys.csv"):
                shown += canaries.seen_in(buyer.until("GET", f"{order}{rest}", {200}).content)
    staff = Browser(url, "olga", PASSWORD, journal)
    staff.sign_in()
    assert canaries.seen_in(reveal(staff, shell(up, KEY_OF, "KEY")))
    settled(up)
    database, valkey = addresses(up)
    places = {
        "dump": canaries.seen_in(dumped(database)),
        "valkey": canaries.seen_in(*in_valkey(valkey)),
        "logs": canaries.seen_in(up.output),
    }
    up.stop()
    # With the cluster's own files and its write-ahead log, media, mails, and whatever else lies there.
    places["files"] = canaries.seen_in(*in_files(folder))
    # pytest -rP shows it.
    sys.stdout.write(f"{KEYS:,} keys, shown {shown} times where they are meant to be: {json.dumps(places)}\n")
    assert shown >= BUYERS * EACH * 3
    assert places == dict.fromkeys(["dump", "valkey", "logs", "files"], 0)
