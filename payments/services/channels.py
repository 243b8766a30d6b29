"""Setting up channels."""

from django.db import transaction

from accounts.models import User
from audit.services import record
from common import clock, crypto
from payments.gateways import credentials_label
from payments.models import Channel


def save_channel(*, channel: Channel, key: str = "", actor: User | None = None, address: str | None = None) -> Channel:
    """Check and save a channel; a given key replaces the sealed one. Raises ValidationError.

    The audit entry says who changed which columns, never the key.
    """
    with transaction.atomic():
        if key:
            channel.credentials = crypto.seal_settings({"key": key}, credentials_label(channel))
        before = Channel.objects.filter(pk=channel.pk).values().first() or {}
        channel.full_clean()
        channel.save()
        after = Channel.objects.filter(pk=channel.pk).values().get()
        changed = sorted(name for name, value in after.items() if before.get(name) != value)
        record(
            action="payments.save_channel",
            at=clock.now(),
            actor=actor,
            target=channel,
            detail={"changed": changed},
            address=address,
        )
    return channel
