"""Reading the audit log."""

from collections.abc import Iterable
from typing import Any

from audit.models import AuditEntry
from common.registries import TimelineEntry, act_names

SHOWN = 50
# What the log keeps for its own page: names that the reader is looking at, references, what something was before.
UNTOLD = {"name", "ref", "before"}


def history_of(obj: Any, *, but: Iterable[str] = (), limit: int = SHOWN) -> list[TimelineEntry]:
    """The newest entries about an object as history; `but` leaves out acts that the object's room tells better itself."""
    rows = AuditEntry.objects.filter(target_type=obj._meta.label, target_id=str(obj.pk)).exclude(action__in=list(but))
    return [
        TimelineEntry(
            at=row.at,
            title=act_names.get(row.action, row.action),
            icon="policy",
            tone="warning" if "reveal" in row.action else "",
            detail=_words(row.detail),
            actor_id=row.actor_id,
        )
        for row in rows.order_by("-id")[:limit]
    ]


def _words(detail: dict) -> str:
    """What the entry says for reading: its plain values; nested ones are for the log's own page."""
    shown = (
        value for key, value in detail.items() if key not in UNTOLD and isinstance(value, str | int) and value != ""
    )
    return " · ".join(str(value) for value in shown)
