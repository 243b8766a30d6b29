"""Reading the audit log."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from audit.models import Approval, AuditEntry, ChainAnchor, ChainCheck
from audit.services.chain import waiting_since
from common.registries import TimelineEntry, act_names

SHOWN = 50
# What the log keeps for its own page: names that the reader is looking at, codes and references, what something was before.
UNTOLD = {"act", "before", "kind", "name", "owner", "ref"}


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


# Entries are sealed every half minute, and the chain is looked through every night.
SEALED_WITHIN = timedelta(minutes=10)
CHECKED_WITHIN = timedelta(hours=50)


@dataclass(frozen=True)
class ChainState:
    """How the chain of the log stands. `last` is the newest check that ended, `faults` what it found."""

    last: ChainCheck | None
    anchor: ChainAnchor | None
    waiting: timedelta
    faults: int
    late: bool


def alarming_checks() -> QuerySet[ChainCheck]:
    """The newest check that ended and one that is going on, where they found something."""
    ended = ChainCheck.objects.exclude(finished_at=None).order_by("-id").values("pk")[:1]
    return ChainCheck.objects.filter(Q(finished_at=None) | Q(pk__in=ended), faults__gt=0)


def chain_state(*, at: datetime) -> ChainState:
    last = ChainCheck.objects.exclude(finished_at=None).order_by("-id").first()
    open_faults = sum(ChainCheck.objects.filter(finished_at=None).values_list("faults", flat=True))
    waiting = waiting_since(at=at)
    # Anchors are made every day too: where there are some, there should have been a check.
    began = ChainAnchor.objects.order_by("id").values_list("made_at", flat=True).first()
    checked = last.finished_at if last else began
    return ChainState(
        last=last,
        anchor=ChainAnchor.objects.order_by("-id").first(),
        waiting=waiting,
        faults=(last.faults if last else 0) + open_faults,
        late=waiting > SEALED_WITHIN or (checked is not None and at - checked > CHECKED_WITHIN),
    )


def open_approvals(*, at: datetime) -> Counter[str]:
    """How many of each kind wait for a second person."""
    waiting = Approval.objects.filter(state=Approval.State.ASKED, ends_at__gt=at)
    return Counter(dict(waiting.order_by().values_list("kind").annotate(count=Count("pk"))))
