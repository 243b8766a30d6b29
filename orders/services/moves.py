"""Moving an order or line: compare-and-set, and the history row in the same transaction."""

from datetime import datetime, timedelta

from orders.exceptions import IllegalMove
from orders.models import Order, OrderLine, OrderMove


def move_order(
    order: Order, to: str, *, at: datetime, cause: str, actor_id: int | None = None, note: str = "", **changes
) -> None:
    """Move `order` from the state that it was read in, together with other columns; writes the history row.

    Raises IllegalMove when the model declares no such move, or somebody else moved it first.
    """
    came_from = order.state
    if to not in Order.MOVES[came_from]:
        raise IllegalMove
    if not Order.objects.filter(pk=order.pk, state=came_from).update(state=to, **changes):
        raise IllegalMove
    order.state = to
    for name, value in changes.items():
        setattr(order, name, value)
    OrderMove.objects.create(
        order=order, from_state=came_from, to_state=to, cause=cause, actor_id=actor_id, note=note[:200], at=at
    )


def note_act(order: Order, *, at: datetime, cause: str, actor_id: int | None, note: str = "") -> None:
    """A row in the order's history for an act that left its state as it was."""
    OrderMove.objects.create(
        order=order,
        from_state=order.state,
        to_state=order.state,
        cause=cause,
        actor_id=actor_id,
        note=note[:200],
        at=at,
    )


def move_line(line: OrderLine, to: str, **changes) -> None:
    """Move `line` from the state that it was read in; a delivered one settles at the end of its warranty.

    Raises IllegalMove like `move_order`.
    """
    if to not in OrderLine.MOVES[line.state]:
        raise IllegalMove
    if to == OrderLine.State.DELIVERED:
        changes |= _settling(line, changes["delivered_at"])
    if not OrderLine.objects.filter(pk=line.pk, state=line.state).update(state=to, **changes):
        raise IllegalMove
    line.state = to
    for name, value in changes.items():
        setattr(line, name, value)


def _settling(line: OrderLine, delivered_at: datetime) -> dict[str, datetime]:
    if not line.warranty_days:
        return {"settles_at": delivered_at, "settled_at": delivered_at}
    return {"settles_at": delivered_at + timedelta(days=line.warranty_days)}
