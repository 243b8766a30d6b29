"""The chain's end, kept in Redis after each round of sealing: where who writes to the database does not reach.

An anchor is made once a day. What was sealed since then and is taken out again together with its links would leave a chain
that is sound by itself; Redis still knows how far it went. An end that the chain does not bear out any more is not replaced:
it stays as evidence until it lapses. Redis may forget; then the anchors tell, a day later.
"""

import logging
from datetime import timedelta

from django.core.cache import cache
from django.db import connection

from audit.models import ChainLink

KEPT = timedelta(days=8)

logger = logging.getLogger(__name__)


def keep(position: int, value: bytes) -> None:
    """Note that the chain ends here now, unless it lost what was noted before. Called after the commit."""
    if not lost():
        cache.set(_key(), {"position": position, "hash": value.hex()}, KEPT.total_seconds())


def kept() -> list[dict]:
    """The end that was noted last, as an anchor: `position` and `hash` (hex); empty where Redis knows of none."""
    found = cache.get(_key())
    return [found] if found else []


def lost() -> bool:
    """Whether the chain does not hold any more what was noted."""
    for end in kept():
        link = ChainLink.objects.filter(position=end["position"]).first()
        if link is None or bytes(link.hash).hex() != end["hash"]:
            logger.error("audit chain: position %s is not what it was", end["position"])
            return True
    return False


def forget() -> None:
    """For a database that begins anew."""
    cache.delete(_key())


def _key() -> str:
    return f"audit:end:{connection.settings_dict['NAME']}"
