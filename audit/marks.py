"""What only the shop can make: HMACs under a key that is not in the database, of what an entry says, of how far a check is."""

import ipaddress
import json
from datetime import UTC
from typing import Any

from audit.models import AuditEntry, ChainCheck
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
    """Of all that an entry says and of its id, so that a genuine one is no pattern for a second."""
    return fingerprint(f"{entry.pk}|{content_of(entry)}", "audit-entry-by-id")


def mark_without_id(entry: AuditEntry) -> bytes:
    """The mark as it was before ids were in it."""
    return fingerprint(content_of(entry), "audit-entry")


def mark_of_check(check: ChainCheck) -> bytes:
    """Of how far a check has come and what it found; who forged it would have the rest of the check look away."""
    parts = [check.pk, check.started_at.timestamp(), check.position, check.era, check.faults, check.findings]
    return fingerprint(json.dumps(parts, sort_keys=True, separators=(",", ":")), "audit-check")


def _plain(value: Any) -> Any:
    """Numbers as the database gives them back: it writes 1e2 as 100."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value
