"""Opening what staff delivered by hand. The label binds a secret to its row."""

from common import crypto
from common.wrapped import SealedText, register
from orders.models import LineSecret


def secret_label(secret_id: int) -> str:
    return f"orders_linesecret:{secret_id}"


def seal_secret(text: str, secret_id: int) -> str:
    return crypto.seal_settings({"text": text}, secret_label(secret_id))


def open_secret(secret: LineSecret) -> str:
    """The text itself. Raises DecryptionFailed when the row was tampered with."""
    return crypto.unseal_settings(secret.sealed, secret_label(secret.pk))["text"]


register(
    SealedText(
        model=LineSecret,
        column="sealed",
        label=lambda secret: secret_label(secret.pk),
        sealed_by=("orders.sealing",),
    )
)
