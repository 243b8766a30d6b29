"""Setting up channels."""

from django.db import transaction

from common import crypto
from payments.gateways import credentials_label
from payments.models import Channel


def save_channel(*, channel: Channel, key: str = "") -> Channel:
    """Check and save a channel; a given key is sealed and replaces the one that is there. Raises ValidationError."""
    with transaction.atomic():
        if key:
            channel.credentials = crypto.seal_settings({"key": key}, credentials_label(channel))
        channel.full_clean()
        channel.save()
    return channel
