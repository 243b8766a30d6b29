"""Who listens to what. Rooms register their handlers when Django starts."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol


class Handler(Protocol):
    def __call__(self, event: Any, *, at: datetime) -> None: ...


_handlers: dict[str, tuple[str, Handler]] = {}


def subscribe(contract: Any, name: str) -> Callable[[Handler], Handler]:
    """Registers a handler under a stable name such as "membership.record_order".

    The handler gets the event and the time at which it occurred, inside the transaction that marks the delivery as done:
    what it writes and the mark commit together. It may be called again after a failure, and in any order.
    """

    def register(handler: Handler) -> Handler:
        known = _handlers.get(name)
        if known is not None and known[1] is not handler:
            raise ValueError(f"two handlers are called {name!r}")
        _handlers[name] = (contract.kind, handler)
        return handler

    return register


def subscribers_of(kind: str) -> list[str]:
    return sorted(name for name, (wanted, _) in _handlers.items() if wanted == kind)


def handler_of(name: str) -> Handler | None:
    found = _handlers.get(name)
    return found[1] if found else None
