"""Keys of our stock that are cards of the wallet room: whoever has the text has the money."""

from collections.abc import Iterable

from catalog.models import Key
from catalog.services.sealing import open_key
from common.crypto import DecryptionFailed
from wallet.models import Card
from wallet.selectors import cards_with_codes


def cards_of_keys(keys: Iterable[Key]) -> dict[int, Card]:
    """The cards among these keys, by the key's id, however they came into stock. `data_key` should be selected.

    The texts are opened to be compared and go nowhere. What does not open is nobody's card: its buyer could not read it.
    """
    texts = {}
    for key in keys:
        try:
            texts[key.pk] = open_key(key)
        except DecryptionFailed:
            continue
    known = cards_with_codes(texts.values())
    return {pk: known[text] for pk, text in texts.items() if text in known}
