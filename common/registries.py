"""Where higher rooms leave what a lower one shows or calls without knowing them. Filled when Django starts.

A room registers where Django loads it at start (its `admin.py`, its `handlers.py`); whoever asks does so per request.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.utils.translation import gettext_lazy as _

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


@dataclass(frozen=True)
class Panel:
    """A box on an object's page in the admin: facts as (label, value), then a short table, then links as (text, address)."""

    title: Any
    facts: Sequence[tuple[Any, Any]] = ()
    columns: Sequence[Any] = ()
    rows: Sequence[Sequence[Any]] = ()
    links: Sequence[tuple[Any, str]] = ()

    @property
    def labelled(self) -> list[list[tuple[Any, Any]]]:
        """The rows with each value under its column's name, for narrow screens."""
        return label_rows(self.columns, self.rows)


def label_rows(columns: Sequence[Any], rows: Sequence[Sequence[Any]]) -> list[list[tuple[Any, Any]]]:
    """(column, value) pairs row by row; values beyond the last column go without a name."""
    names = [*columns, *[""] * max((len(row) - len(columns) for row in rows), default=0)]
    return [list(zip(names, row, strict=False)) for row in rows]


# (object, user who looks) → what there is to tell. A contributor leaves out what that user may not see.
Contributor = Callable[[Any, Any], Iterable[TimelineEntry]]
PanelContributor = Callable[[Any, Any], Panel | None]

# Inline classes, boxes and history that higher rooms add to the admin page of a lower room's model.
admin_inlines: Registry[type] = Registry()
panels: Registry[PanelContributor] = Registry()
timelines: Registry[Contributor] = Registry()


def panels_of(obj: Any, user: Any) -> list[Panel]:
    """The boxes of all rooms for `obj`, in the order of registration."""
    made = (make(obj, user) for make in panels.of(obj._meta.label))
    return [panel for panel in made if panel is not None]


def timeline_of(obj: Any, user: Any) -> list[TimelineEntry]:
    """Everything that any room has to tell about `obj`, oldest first."""
    entries = [entry for tell in timelines.of(obj._meta.label) for entry in tell(obj, user)]
    return sorted(entries, key=lambda entry: entry.at)


# What an act is called, by its code in the audit log; rooms name their own.
act_names: dict[str, Any] = {
    "admin.add": _("新增"),
    "admin.change": _("修改"),
    "admin.delete": _("删除"),
    "admin.export": _("导出"),
}
# What a way of paying is called, by what orders store in `paid_with`.
pay_names: dict[str, Any] = {}


@dataclass(frozen=True)
class WayBack:
    """A way by which money goes back to whoever paid it, and how much of it, in yuan."""

    label: Any
    amount: Decimal


_ways_back: list[Callable[[Any, Decimal], list[WayBack]]] = []


def set_ways_back(find: Callable[[Any, Decimal], list[WayBack]]) -> None:
    """The room of the gateways says how an order's money could go back."""
    _ways_back[:] = [find]


def ways_back(order: Any, amount: Decimal) -> list[WayBack]:
    """How `amount` (yuan) of an order would go back by the original route; may come to less, and to nothing."""
    return _ways_back[0](order, amount) if _ways_back else []


# Fills a temporary table with what was sold (see orders.sales.collect_sales); the room of the orders registers it.
_sales: list[Callable[..., None]] = []


def set_sales_collector(collect: Callable[..., None]) -> None:
    _sales[:] = [collect]


def collect_sales(*, table: str, since: datetime, until: datetime) -> None:
    """Fill the temporary table `table` (user_id, storefront_id, sku_id, product_id, quantity, list_price, cash).

    What was paid for within the time, one row a line: list_price in yuan a piece, cash in yuan for the whole line, less what
    was refunded. Nothing where no room knows of sales.
    """
    for collect in _sales:
        collect(table=table, since=since, until=until)


# Which of some codes nobody has, by what they are codes of: a room that others name rows of by code registers its own.
_code_keepers: dict[str, Callable[[Iterable[str]], set[str]]] = {}


def set_code_keeper(what: str, unknown: Callable[[Iterable[str]], set[str]]) -> None:
    _code_keepers[what] = unknown


def unknown_codes(what: str, codes: Iterable[str]) -> set[str]:
    """Those of the codes, such as of what="coupon", under which there is nothing. All where no room keeps such rows."""
    keeper = _code_keepers.get(what)
    return keeper(codes) if keeper is not None else set(codes)


_recorders: list[Callable[..., Any]] = []


def set_recorder(record: Callable[..., Any]) -> None:
    """The audit room's `record`, so that the base admin can write entries from below it."""
    _recorders[:] = [record]


def record_act(**entry: Any) -> None:
    """Write an audit entry (see audit.services.record) in the caller's transaction. Raises when no room keeps a log."""
    if not _recorders:
        raise RuntimeError("no audit log is registered")
    _recorders[0](**entry)
