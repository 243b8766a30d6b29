"""Where higher rooms leave what a lower one shows or calls without knowing them. Filled when Django starts.

A room registers where Django loads it at start (its `admin.py`, its `handlers.py`); whoever asks does so per request.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """Things by the label of the model that they belong to, such as "orders.Order"; in the order of registration."""

    def __init__(self) -> None:
        self._items: dict[str, list[T]] = {}

    def add(self, label: str, item: T) -> T:
        items = self._items.setdefault(label.lower(), [])
        if item not in items:
            items.append(item)
        return item

    def of(self, label: str) -> list[T]:
        return list(self._items.get(label.lower(), []))


@dataclass(frozen=True)
class TimelineEntry:
    """Something that happened to an object, for its page in the admin.

    `icon` is a Material Symbols name; `tone` one of "", success, warning, danger, info; `actor_id` a user or None for the
    system; `facts` are (label, value) pairs; `url` opens the row that the entry tells of.
    """

    at: datetime
    title: Any
    icon: str = "circle"
    tone: str = ""
    detail: Any = ""
    actor_id: int | None = None
    facts: tuple[tuple[Any, Any], ...] = ()
    url: str = ""


# (object, user who looks) → entries. A contributor leaves out what that user may not see.
Contributor = Callable[[Any, Any], Iterable[TimelineEntry]]

# Inline classes that higher rooms add to the admin page of a lower room's model.
admin_inlines: Registry[type] = Registry()
timelines: Registry[Contributor] = Registry()


def timeline_of(obj: Any, user: Any) -> list[TimelineEntry]:
    """Everything that any room has to tell about `obj`, oldest first."""
    entries = [entry for tell in timelines.of(obj._meta.label) for entry in tell(obj, user)]
    return sorted(entries, key=lambda entry: entry.at)


_recorders: list[Callable[..., Any]] = []


def set_recorder(record: Callable[..., Any]) -> None:
    """The audit room's `record`, so that the base admin can write entries from below it."""
    _recorders[:] = [record]


def record_act(**entry: Any) -> None:
    """Write an audit entry (see audit.services.record) in the caller's transaction. Raises when no room keeps a log."""
    if not _recorders:
        raise RuntimeError("no audit log is registered")
    _recorders[0](**entry)
