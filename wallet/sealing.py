"""Sealing the codes of cards until they leave. The label binds them to their batch."""

from common.crypto import seal_settings, unseal_settings
from common.wrapped import SealedText, register
from wallet.models import CardBatch


def codes_label(batch_id: int) -> str:
    return f"wallet_cardbatch:{batch_id}"


def seal_codes(codes: list[str], batch_id: int) -> str:
    return seal_settings({"codes": codes}, codes_label(batch_id))


def open_codes(batch: CardBatch) -> list[str]:
    """The codes. Raises DecryptionFailed when the row was tampered with."""
    return unseal_settings(batch.sealed_codes, codes_label(batch.pk))["codes"]


register(
    SealedText(
        model=CardBatch,
        column="sealed_codes",
        label=lambda batch: codes_label(batch.pk),
        sealed_by=("wallet.sealing",),
    )
)
