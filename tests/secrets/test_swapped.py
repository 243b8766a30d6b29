"""Ten thousand ciphertexts put where they do not belong: none opens."""

import random
from itertools import pairwise

import pytest

from catalog.models import Key, Product, ReusableSecret
from catalog.services.keys import set_reusable
from catalog.services.sealing import open_key, open_reusable
from common.crypto import DecryptionFailed, rewrap_settings, seal_settings, unseal_settings

SEED = 20261130
SWAPS = 10_000


def opens(read, row) -> bool:
    try:
        read(row)
    except DecryptionFailed:
        return False
    return True


def test_of_ten_thousand_swapped_ciphertexts_none_opens(shelf):
    chance = random.Random(SEED)
    skus = [shelf.sku() for _ in range(4)]
    for sku in skus:
        shelf.stock(sku, 60)
    keys = list(Key.objects.select_related("data_key"))
    assert all(opens(open_key, key) for key in keys)
    opened = 0
    for number in range(SWAPS):
        one, other = chance.sample(keys, 2)
        swapped = Key(pk=one.pk, data_key=one.data_key, seller_id=one.seller_id, ciphertext=one.ciphertext)
        # Another row's ciphertext; with its data key; moved to another row, seller or data key.
        match number % 4:
            case 0:
                swapped.ciphertext = other.ciphertext
            case 1:
                swapped.ciphertext, swapped.data_key = other.ciphertext, other.data_key
            case 2:
                swapped.seller_id = chance.randint(1, 10**6)
            case 3:
                swapped.pk = chance.choice([key.pk for key in keys if key.pk != one.pk][:5])
        opened += opens(open_key, swapped)
    assert opened == 0


def test_a_key_does_not_open_as_what_everybody_gets_and_credentials_not_in_another_row(shelf):
    shelf.stock(shelf.sku(), 1)
    key = Key.objects.select_related("data_key").get()
    secret = set_reusable(sku=shelf.sku(kind=Product.Kind.REUSABLE), text="SHARED")
    swapped = ReusableSecret(pk=key.pk, data_key=key.data_key, ciphertext=key.ciphertext)
    assert not opens(open_reusable, swapped)
    assert not opens(open_key, Key(pk=secret.pk, data_key=secret.data_key, ciphertext=secret.ciphertext))
    texts = [(f"row:{number}", seal_settings({"n": number}, f"row:{number}")) for number in range(20)]
    for (label, _), (_, text) in pairwise(texts):
        for read in (unseal_settings, rewrap_settings):
            with pytest.raises(DecryptionFailed):
                read(text, label)
