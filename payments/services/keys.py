"""The keys by which gateways sign, where they change them: fetched ahead of time, and when a signature names an unknown one."""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from common import clock
from common.queue import send
from payments import rsa
from payments.gateways import kind_of, provider_of
from payments.models import Channel, PlatformCertificate
from payments.replies import Unreadable
from payments.selectors import usable_channels
from payments.transport import NoAnswer

logger = logging.getLogger(__name__)
EVERY = timedelta(hours=11)
# However many callbacks name keys that we do not know.
SHORTEST_GAP = timedelta(minutes=10)
KEEP_ENDED = timedelta(days=90)


def fetch_keys(*, channel_id: int, gap: timedelta = SHORTEST_GAP) -> int:
    """Ask a gateway for its keys and keep them, unless that was done within `gap`; returns how many it gave.

    What cannot be had leaves those that are known. Network; no transaction may be open.
    """
    at = clock.now()
    idle = Q(keys_asked_at=None) | Q(keys_asked_at__lte=at - gap)
    if not Channel.objects.filter(idle, pk=channel_id).update(keys_asked_at=at):
        return 0
    channel = Channel.objects.get(pk=channel_id)
    try:
        found = provider_of(channel).platform_keys()
    except (NoAnswer, Unreadable, rsa.BadKey) as error:
        # A merchant of today has a public key and no certificates: the gateway says so here.
        logger.warning("channel %s gives no certificates: %s", channel.code, error)
        return 0
    with transaction.atomic():
        for one in found:
            facts = {"pem": one.pem, "valid_from": one.valid_from, "valid_to": one.valid_to, "fetched_at": at}
            PlatformCertificate.objects.update_or_create(channel=channel, serial=one.serial, defaults=facts)
        PlatformCertificate.objects.filter(channel=channel, valid_to__lt=at - KEEP_ENDED).delete()
    return len(found)


def fetch_due_keys() -> int:
    """Ask every gateway whose keys are half a day old; returns how many keys came. One that fails stops no other."""
    fetched = 0
    for channel in usable_channels().filter(is_active=True):
        if kind_of(channel).changes_keys:
            fetched += _fetched_safely(channel)
    return fetched


def _fetched_safely(channel: Channel) -> int:
    try:
        return fetch_keys(channel_id=channel.pk, gap=EVERY)
    except Exception:
        # Such as credentials that no longer open: staff reads the log, the others go on.
        logger.exception("cannot fetch keys of channel %s", channel.pk)
        return 0


def expect_keys(channel: Channel) -> None:
    """Let a worker fetch the channel's keys soon: it is new, or something was signed by one that is not known."""
    asked = channel.keys_asked_at
    if kind_of(channel).changes_keys and (asked is None or asked <= clock.now() - SHORTEST_GAP):
        transaction.on_commit(lambda: send("payments.tasks.fetch_keys", channel.pk))
