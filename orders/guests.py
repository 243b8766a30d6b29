"""How a guest proves an order: by the contact that the guest typed and a secret that we made. Neither secret nor proof can
be read from the database.
"""

import unicodedata

from common import crypto

_SPEAKABLE = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
SECRET_LENGTH = 10


def secret_of(public_id: str) -> str:
    """The secret of the order with this public id; derived, so that no database holds it."""
    digest = int.from_bytes(crypto.fingerprint(public_id, "order-secret"))
    characters = []
    for _ in range(SECRET_LENGTH):
        digest, index = divmod(digest, len(_SPEAKABLE))
        characters.append(_SPEAKABLE[index])
    return "".join(characters)


def plain_contact(contact: str) -> str:
    """A contact as it is compared: one form for full and half width, big and small letters, with or without spaces."""
    return "".join(unicodedata.normalize("NFKC", contact).casefold().split())


def lookup_mark(contact: str, secret: str) -> bytes:
    """What an order keeps of contact and secret together: finds it, and tells neither."""
    return crypto.fingerprint(f"{plain_contact(contact)}\0{secret.strip().upper()}", "order-lookup")
