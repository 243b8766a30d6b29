import base64
import os

import pytest
from django.core.exceptions import ImproperlyConfigured

from catalog.models import Key
from catalog.services.sealing import open_key
from common import crypto

KEY = bytes(range(32))
RING = "new:" + base64.b64encode(b"n" * 32).decode() + ",old:" + base64.b64encode(b"o" * 32).decode()


def test_what_is_sealed_opens_with_the_same_words():
    sealed = crypto.seal(KEY, "卡号----密码".encode(), b"row:1")
    assert crypto.unseal(KEY, sealed, b"row:1").decode() == "卡号----密码"
    assert "卡号".encode() not in sealed


def test_the_same_text_never_looks_the_same():
    assert len({crypto.seal(KEY, b"same", b"row") for _ in range(100)}) == 100


@pytest.mark.parametrize("position", [0, 11, 12, 15, -1])
def test_every_flipped_bit_is_noticed(position):
    sealed = bytearray(crypto.seal(KEY, b"secret", b"row:1"))
    sealed[position] ^= 1
    with pytest.raises(crypto.DecryptionFailed):
        crypto.unseal(KEY, bytes(sealed), b"row:1")


@pytest.mark.parametrize("length", [0, 5, 12, 27])
def test_what_is_cut_short_does_not_open(length):
    with pytest.raises(crypto.DecryptionFailed):
        crypto.unseal(KEY, os.urandom(length), b"row:1")


def test_other_words_or_another_key_do_not_open():
    sealed = crypto.seal(KEY, b"secret", b"row:1")
    for key, words in ((KEY, b"row:2"), (KEY, b""), (bytes(32), b"row:1")):
        with pytest.raises(crypto.DecryptionFailed) as failed:
            crypto.unseal(key, sealed, words)
        assert "secret" not in str(failed.value)


@pytest.mark.django_db
def test_ciphertexts_swapped_between_rows_do_not_open(shelf):
    texts = shelf.stock(shelf.sku(), 2)
    one, two = Key.objects.select_related("data_key").order_by("pk")
    assert [open_key(one), open_key(two)] == texts
    one.ciphertext, two.ciphertext = two.ciphertext, one.ciphertext
    for key in (one, two):
        with pytest.raises(crypto.DecryptionFailed):
            open_key(key)


@pytest.mark.django_db
def test_a_key_does_not_open_for_another_seller(shelf):
    shelf.stock(shelf.sku(), 1)
    key = Key.objects.select_related("data_key").get()
    key.seller_id = 7
    with pytest.raises(crypto.DecryptionFailed):
        open_key(key)


def test_the_first_master_key_wraps_and_all_unwrap(settings):
    settings.KEY_RING = RING.split(",")[1]
    name, wrapped = crypto.wrap_new_data_key("batch")
    assert name == "old"
    settings.KEY_RING = RING
    assert crypto.wrap_new_data_key("batch")[0] == "new"
    assert len(crypto.unwrap_data_key("old", wrapped, "batch")) == 32
    with pytest.raises(crypto.DecryptionFailed):
        crypto.unwrap_data_key("old", wrapped, "another batch")
    with pytest.raises(crypto.DecryptionFailed):
        crypto.unwrap_data_key("new", wrapped, "batch")
    settings.KEY_RING = RING.split(",")[0]
    with pytest.raises(crypto.DecryptionFailed, match="no master key named 'old'"):
        crypto.unwrap_data_key("old", wrapped, "batch")


@pytest.mark.parametrize(
    "ring",
    [
        "k1",
        "k1:",
        ":" + base64.b64encode(KEY).decode(),
        "k1:not base64!",
        "k1:密钥",
        "k1:" + base64.b64encode(b"too short").decode(),
        RING + ",third:???",
        base64.b64encode(b"n" * 32).decode(),
    ],
)
def test_a_malformed_ring_is_told_without_showing_keys(settings, ring):
    settings.KEY_RING = ring
    with pytest.raises(ImproperlyConfigured) as told:
        crypto.master_keys()
    assert base64.b64encode(b"n" * 32).decode() not in str(told.value)


def test_production_refuses_the_development_ring_and_an_empty_one(settings):
    settings.PRODUCTION = True
    settings.KEY_RING = crypto.DEVELOPMENT_RING.replace("development:", "mine:")
    with pytest.raises(ImproperlyConfigured, match="development key"):
        crypto.master_keys()
    settings.KEY_RING = f"good:{base64.b64encode(os.urandom(32)).decode()},{crypto.DEVELOPMENT_RING}"
    with pytest.raises(ImproperlyConfigured, match="development key"):
        crypto.master_keys()
    settings.KEY_RING = ""
    with pytest.raises(ImproperlyConfigured):
        crypto.master_keys()
    settings.KEY_RING = RING
    with pytest.raises(ImproperlyConfigured, match="repeats few bytes"):
        crypto.master_keys()
    settings.KEY_RING = ",".join(f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in ("new", "old"))
    assert list(crypto.master_keys()) == ["new", "old"]


def test_fingerprints_tell_equal_texts_within_one_scope_only(settings):
    assert crypto.fingerprint("key", "product:1") == crypto.fingerprint("key", "product:1")
    others = {crypto.fingerprint(*one) for one in [("key", "product:2"), ("Key", "product:1"), ("ey", "product:1\0k")]}
    assert crypto.fingerprint("key", "product:1") not in others
    before = crypto.fingerprint("key", "product:1")
    settings.FINGERPRINT_KEY = "another-key"
    assert crypto.fingerprint("key", "product:1") != before


def test_settings_are_sealed_for_their_row():
    text = crypto.seal_settings({"key": "商户密钥"}, "channel:1")
    assert "商户" not in text
    assert crypto.unseal_settings(text, "channel:1") == {"key": "商户密钥"}
    assert crypto.unseal_settings("", "channel:1") == {}
    for bad in (text[:-4], "a.b", "a.b.c", "nonsense", text.replace(".", ",")):
        with pytest.raises(crypto.DecryptionFailed):
            crypto.unseal_settings(bad, "channel:1")
    with pytest.raises(crypto.DecryptionFailed):
        crypto.unseal_settings(text, "channel:2")
