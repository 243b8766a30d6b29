"""What only the shop can make of an entry: an HMAC of all that it says, under a key that is not in the database."""

import ipaddress
import json
from datetime import UTC
from typing import Any

from audit.models import AuditEntry
from common.crypto import fingerprint


def content_of(entry: AuditEntry) -> str:
    """All that an entry says, but for its id, in one form whether it was just made or read back."""
    address = entry.address
    parts = [
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.actor_id,
        entry.actor,
        entry.action,
        entry.target_type,
        entry.target_id,
        _plain(json.loads(json.dumps(entry.detail))),
        ipaddress.ip_address(str(address)).packed.hex() if address else None,
    ]
    return json.dumps(parts, sort_keys=True, separators=(",", ":"))


def mark_of(entry: AuditEntry) -> bytes:
    return fingerprint(content_of(entry), "audit-entry")


def _plain(value: Any) -> Any:
    """Numbers as the database gives them back: it writes 1e2 as 100."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value
