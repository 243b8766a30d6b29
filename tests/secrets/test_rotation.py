"""Another master key: everything that the old one wraps is found, and readable at every moment."""

import ast
import re

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, models

from catalog.exceptions import BatchMoved, OldSessions
from catalog.models import DataKey, Key, KeyBatch, Product, ReusableSecret
from catalog.services import rotation
from catalog.services.keys import reveal_key, set_reusable
from catalog.services.resealing import reseal_batch
from catalog.services.rotation import rehearse, rotate
from catalog.services.sealing import open_key, open_reusable
from common.crypto import DecryptionFailed, unseal_settings
from common.wrapped import wrapped_columns
from orders.models import LineSecret
from orders.sealing import open_secret
from orders.services import deliver_by_hand
from payments.gateways import credentials_label
from payments.models import Channel
from payments.services.channels import save_channel
from tests.architecture.source import ROOT, modules, tree
from tests.secrets.rings import ring

# Bytes that are a digest or sealed under a data key: no master key opens them by itself.
NOT_WRAPPED = {
    "audit.ChainCheck.mark": "a digest",
    "accounts.DataExport.content": "a copy for its owner, gone after days",
    "audit.AuditEntry.mark": "digest",
    "audit.ChainLink.hash": "digest",
    "catalog.Key.ciphertext": "under its data key",
    "catalog.Key.fingerprint": "digest",
    "catalog.KeyFilePart.sealed": "under its batch's data key",
    "catalog.ReusableSecret.ciphertext": "under its data key",
    "orders.DisputePicture.sealed": "under its data key",
    "orders.Order.lookup": "digest",
    "payments.PayoutAccount.digest": "digest",
    "wallet.Card.digest": "digest",
}


@pytest.fixture
def old(settings):
    settings.KEY_RING = ring("old")


@pytest.fixture
def replaced(settings):
    """From here on the new key wraps and the old one still opens."""

    def replace(*names: str) -> None:
        settings.KEY_RING = ring(*(names or ("new", "old")))

    return replace


def sold_by_hand(shelf, alice, olga):
    sku = shelf.sku(kind=Product.Kind.MANUAL)
    order = shelf.buy(alice, (sku, 1), from_wallet=True)
    deliver_by_hand(line_id=order.lines.get().pk, text="BY-HAND-1", actor=olga)
    return LineSecret.objects.get()


@pytest.fixture
def secrets(db, old, shelf, alice, olga):
    """One of everything that is sealed, and how to read it."""
    key_text = shelf.stock(shelf.sku(), 3)[0]
    general = set_reusable(sku=shelf.sku(kind=Product.Kind.REUSABLE), text="EVERYBODY-GETS-IT")
    by_hand = sold_by_hand(shelf, alice, olga)
    fresh = Channel(code="rot", name="渠道", methods=["alipay"], gateway_url="https://pay.example/", merchant_id="1000")
    channel = save_channel(channel=fresh, secrets={"key": "MERCHANT-KEY"})

    def check() -> None:
        keys = Key.objects.select_related("data_key")
        assert open_key(keys.order_by("pk").first()) == key_text
        assert (
            open_reusable(ReusableSecret.objects.select_related("data_key").get(pk=general.pk)) == "EVERYBODY-GETS-IT"
        )
        assert open_secret(LineSecret.objects.get(pk=by_hand.pk)) == "BY-HAND-1"
        stored = Channel.objects.get(pk=channel.pk)
        assert unseal_settings(stored.credentials, credentials_label(stored)) == {"key": "MERCHANT-KEY"}

    check()
    return check


def test_everything_is_brought_under_the_new_key_and_the_old_one_may_go(secrets, replaced):
    replaced()
    assert rehearse().rewrapped == 4
    assert not rehearse().may_go
    done = rotate(check_sessions=False)
    assert done.rewrapped == 4 and done.complete and done.may_go == ["old"]
    secrets()
    replaced("new")
    secrets()
    assert rotate(check_sessions=False).rewrapped == 0


def test_without_the_old_key_nothing_would_open_before_and_all_is_told(secrets, replaced):
    replaced("new")
    done = rotate(check_sessions=False)
    assert done.rewrapped == 0 and len(done.broken) == 4 and not done.complete
    with pytest.raises(DecryptionFailed):
        secrets()
    replaced()
    assert rotate(check_sessions=False).complete
    secrets()


def test_a_row_that_was_tampered_with_holds_up_no_other(secrets, replaced):
    bad = DataKey.objects.order_by("pk").first()
    DataKey.objects.filter(pk=bad.pk).update(wrapped=b"\0" * 60)
    replaced()
    with pytest.raises(CommandError, match=f"catalog.DataKey.wrapped {bad.pk}"):
        call_command("rotate_keys", "--anyway")
    assert DataKey.objects.exclude(master_name="new").get() == bad


def test_the_command_tells_what_is_where_and_what_may_be_taken_out(secrets, replaced, capsys):
    replaced()
    call_command("rotate_keys", "--dry-run")
    told = capsys.readouterr().out
    assert "将重新加密 4 行" in told and "old: catalog.DataKey.wrapped 2" in told
    call_command("rotate_keys", "--anyway")
    told = capsys.readouterr().out
    assert "new: catalog.DataKey.wrapped 2" in told and "主密钥 old 已不再使用" in told


def test_it_is_refused_while_a_program_runs_that_could_not_read_it(secrets, replaced, monkeypatch):
    replaced()
    monkeypatch.setattr(rotation, "sessions_without", lambda name: [4711])
    with pytest.raises(OldSessions):
        rotate()
    assert not DataKey.objects.filter(master_name="new").exists()


def test_every_column_of_bytes_is_either_registered_or_known_not_to_be_wrapped():
    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.BinaryField)
    }
    registered = {column.name for column in wrapped_columns()}
    assert found - registered == set(NOT_WRAPPED), "register it (common.wrapped) or say here why no master key opens it"


def test_whoever_seals_under_a_master_key_is_registered():
    """Calls in the sources against what the registrations say."""
    callers = set()
    for path in modules():
        calls = {
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call)
        }
        if calls & {"seal_settings", "wrap_new_data_key"}:
            callers.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    known = {name for column in wrapped_columns() for name in column.sealed_by}
    assert callers - {"common.crypto"} == known


def test_nothing_in_the_database_still_names_the_old_key(secrets, replaced):
    """Every text and json column is looked through, registered or not."""
    replaced()
    rotate(check_sessions=False)
    sealed = re.compile(r"^old\.[A-Za-z0-9+/=]{40,}\.")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type IN ('text', 'character varying', 'jsonb')"
        )
        for table, column in cursor.fetchall():
            cursor.execute(f'SELECT "{column}"::text FROM "{table}" WHERE "{column}"::text LIKE %s', ["old.%"])
            assert not [row for row in cursor.fetchall() if sealed.match(row[0])], f"{table}.{column}"


def test_keys_of_a_batch_get_a_data_key_of_their_own_and_a_killed_run_is_gone_on_with(db, old, shelf, olga):
    sku = shelf.sku()
    texts = shelf.stock(sku, 50)
    batch = KeyBatch.objects.get()
    leaked = batch.data_key_id

    class Killed(BaseException):
        pass

    def kill(done: int, total: int) -> None:
        if done >= 20:
            raise Killed

    with pytest.raises(Killed):
        reseal_batch(batch_id=batch.pk, actor=olga, chunk=10, progress=kill)
    assert Key.objects.filter(data_key=leaked).count() == 30
    assert [open_key(key) for key in Key.objects.select_related("data_key").order_by("pk")] == texts
    done = reseal_batch(batch_id=batch.pk, actor=olga, chunk=7)
    assert done.count == 30 and not done.broken
    assert not Key.objects.filter(data_key=leaked).exists()
    assert Key.objects.values("data_key").distinct().count() == 1
    assert [open_key(key) for key in Key.objects.select_related("data_key").order_by("pk")] == texts
    assert reveal_key(key_id=Key.objects.order_by("pk").first().pk, actor=olga) == texts[0]
    again = reseal_batch(batch_id=batch.pk, chunk=50)
    assert again.count == 50, "a finished one starts anew"


def test_a_key_that_does_not_open_stays_and_is_told(db, old, shelf):
    shelf.stock(shelf.sku(), 5)
    batch = KeyBatch.objects.get()
    bad = Key.objects.order_by("pk")[2]
    Key.objects.filter(pk=bad.pk).update(ciphertext=b"x" * 40)
    with pytest.raises(CommandError, match=f"catalog.Key {bad.pk}"):
        call_command("rotate_keys", "--data-keys", str(batch.pk), "--chunk", "2")
    assert Key.objects.exclude(data_key=KeyBatch.objects.get().data_key_id).get() == bad


def test_the_keys_of_a_batch_that_is_not_finished_stay(db, old, shelf):
    shelf.stock(shelf.sku(), 2)
    batch = KeyBatch.objects.get()
    KeyBatch.objects.update(state=KeyBatch.State.IMPORTING)
    with pytest.raises(BatchMoved):
        reseal_batch(batch_id=batch.pk)
