"""Which of this room's columns a master key opens."""

from common.wrapped import SealedText, register
from payments.gateways import credentials_label
from payments.models import Channel

register(
    SealedText(model=Channel, column="credentials", label=credentials_label, sealed_by=("payments.services.channels",))
)
