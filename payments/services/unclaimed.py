"""Gateway money that nobody expected: it is given an owner, or sent back, once."""

from common.locks import lock_one
from payments.exceptions import AlreadyAssigned
from payments.models import Channel, Refund
from wallet.models import Transfer
from wallet.services import is_posted


def assign_ref(transfer_id: int) -> str:
    """The ledger's reference for giving unclaimed money its owner: it can have but one."""
    return f"unclaimed:{transfer_id}"


def channel_of(transfer: Transfer) -> Channel:
    """The channel that holds the money of such a transfer."""
    return Channel.objects.get(pk=int(transfer.ref.split(":")[1]))


def is_free(transfer_id: int) -> bool:
    """Whether the money of such a transfer was neither given to anybody nor is on its way back."""
    live = Refund.objects.filter(transfer_id=transfer_id).exclude(state=Refund.State.REFUSED)
    return not is_posted(assign_ref(transfer_id)) and not live.exists()


def locked_unclaimed(transfer_id: int) -> Transfer:
    """The transfer that booked such money, locked. Raises AlreadyAssigned where it has gone."""
    transfer = lock_one(Transfer.objects.filter(pk=transfer_id, kind=Transfer.Kind.UNCLAIMED))
    if not is_free(transfer.pk):
        raise AlreadyAssigned
    return transfer
