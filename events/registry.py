"""Who listens to what. Rooms register their handlers when Django starts."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class News:
    """One event on its way to one subscriber, with when it occurred. `delivery` is the number of the way."""

    delivery: int
    event: Any
    at: datetime


class Handler(Protocol):
    def __call__(self, event: Any, *, at: datetime) -> None: ...


class ManyHandler(Protocol):
    def __call__(self, news: Sequence[News]) -> Collection[News] | None: ...


@dataclass(frozen=True, slots=True)
class Subscription:
    kind: str
    handler: Handler
    is_first: bool = False
    many: ManyHandler | None = None


_handlers: dict[str, Subscription] = {}


def subscribe(contract: Any, name: str, *, first: bool = False) -> Callable[[Handler], Handler]:
    """Registers a handler under a stable name such as "membership.record_order".

    The handler gets the event and the time at which it occurred, inside the transaction that marks the delivery as done:
    what it writes and the mark commit together. It may be called again after a failure, and in any order. What somebody
    waits for on the page goes `first`: before the deliveries of all others, which have their turn all the same.
    """

    def register(handler: Handler) -> Handler:
        known = _handlers.get(name)
        if known is not None and known.handler is not handler:
            raise ValueError(f"two handlers are called {name!r}")
        _handlers[name] = Subscription(contract.kind, handler, first)
        return handler

    return register


def handles_many(name: str) -> Callable[[ManyHandler], ManyHandler]:
    """Registers, beside the handler of that name, one that takes many deliveries to it in one transaction.

    It takes its locks in one order whatever the order of the news, holds no MemberTier, and returns the news that it did
    not deal with: each of those is given to the handler by itself. When it fails, all of them are.
    """

    def register(many: ManyHandler) -> ManyHandler:
        _handlers[name] = replace(_handlers[name], many=many)
        return many

    return register


def subscriptions() -> list[tuple[str, Subscription]]:
    """Every subscriber by name."""
    return sorted(_handlers.items())


def subscription_of(name: str) -> Subscription | None:
    return _handlers.get(name)
