"""Rounds over many rows, each on its own: one that fails is in the log for staff, and the others go on."""

import logging
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
logger = logging.getLogger(__name__)


def safely(act: Callable[..., T], what: str, number: int, *, failed: T) -> T:
    """What `act` returns, or `failed` where it raises; then "cannot `what` `number`" is in the log. In no transaction of
    the caller's, which the error would have broken."""
    try:
        return act()
    except Exception:
        # Whatever it is, such as a row that a fault of ours left half written: the next one is no worse for it.
        logger.exception("cannot %s %s", what, number)
        return failed
