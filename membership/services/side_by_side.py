"""Work that is done several pieces at a time, each on a connection to the database of its own."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

from django.db import connection

T = TypeVar("T")
HANDS = 2
Hands = Callable[[Sequence[Callable[[], T]]], Iterator[T]]


@contextmanager
def several_hands(number: int = HANDS) -> Iterator[Hands]:
    """Yields what takes pieces of work and answers what came of them, in their order.

    Within a transaction, into which other connections cannot see, one after the other on its own.
    """
    if connection.in_atomic_block:
        yield lambda pieces: (piece() for piece in pieces)
        return
    with ThreadPoolExecutor(number) as pool:

        def do(pieces: Sequence[Callable[[], T]]) -> Iterator[T]:
            waiting = [pool.submit(copy_context().run, _on_own_connection, piece) for piece in pieces]
            return (one.result() for one in waiting)

        yield do


def _on_own_connection(piece: Callable[[], T]) -> T:
    try:
        return piece()
    finally:
        connection.close()
