"""The running shop against its own schema: Schemathesis with all its checks, two members who must not see each other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from accounts.services import issue_token
from catalog.models import Product
from tests.servers import RunningShop, database_url
from tests.shelf import books

pytestmark = pytest.mark.django_db(transaction=True)

# Which quantity a SKU allows, and what its fields must look like, is told by the product and by no schema.
CONFIG = """
[auth.wfc]
path = "{folder}/members.json"
user = "alice"
peers = ["alice", "bob"]

[[operations]]
include-operation-id = ["place_order", "quote", "write_review", "open_dispute", "appeal_dispute"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409", "429"]
"""


@pytest.fixture
def shop(tmp_path, shelf, alice, bob):
    """The web process on the test's own database, with goods of every kind and members who own orders."""
    for number in range(3):
        shelf.sku("0.01", keys=500, max_quantity=5 + number)
    shelf.sku("1.00", kind=Product.Kind.MANUAL, buyer_fields=[{"name": "account", "label": "账号", "required": False}])
    shelf.sku("5.00")
    sku = shelf.sku("2.00", keys=50)
    for member in (alice, bob):
        shelf.fund(member, "100000.00")
        shelf.buy(member, (sku, 2), from_wallet=True)
        shelf.buy(member, (sku, 1))
    tokens = [{"name": user.username, "fixedHeaders": [_header(user)]} for user in (alice, bob)]
    (tmp_path / "members.json").write_text(json.dumps({"auth": tokens}))
    (tmp_path / "schemathesis.toml").write_text(CONFIG.format(folder=tmp_path))
    with RunningShop(
        tmp_path, DATABASE_URL=database_url(), API_CALLS_PER_MINUTE="0", UNPAID_CAP_ACCOUNT="100000"
    ) as shop:
        yield shop
    assert books() == {}


def _header(user) -> dict:
    return {"name": "Authorization", "value": f"Bearer {issue_token(user=user, name='fuzz').text}"}


def schemathesis(shop: RunningShop, folder: Path, *options: str) -> None:
    command = [
        Path(sys.executable).with_name("schemathesis"),
        "--config-file",
        folder / "schemathesis.toml",
        "--no-color",
    ]
    command += ["run", f"{shop.url}/api/schema/", "--checks", "all", "--workers", "1", "--warnings", "off", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr + shop.log.read_text(errors="replace")[-5_000:]


def test_the_shop_keeps_to_its_schema(shop, tmp_path):
    schemathesis(shop, tmp_path, "--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--no-shrink")


@pytest.mark.full
def test_the_shop_keeps_to_its_schema_at_length(shop, tmp_path):
    schemathesis(shop, tmp_path, "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "60")
