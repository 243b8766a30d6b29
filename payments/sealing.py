"""Which of this room's columns a master key opens."""

from common.wrapped import SealedText, register
from payments.gateways import change_label, credentials_label
from payments.models import Channel, ChannelChange, PayoutAccount
from payments.payouts import payout_label

register(
    SealedText(model=Channel, column="credentials", label=credentials_label, sealed_by=("payments.services.channels",))
)
register(
    SealedText(
        model=ChannelChange,
        column="credentials",
        label=change_label,
        sealed_by=("payments.services.channel_changes",),
    )
)
register(
    SealedText(
        model=PayoutAccount,
        column="sealed",
        label=lambda account: payout_label(account.public_id),
        sealed_by=("payments.payouts",),
    )
)
