"""A price line as SVG coordinates: prices are steps, so the line goes along and then up or down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

WIDTH = 320
HEIGHT = 64
EDGE = 4


@dataclass(frozen=True)
class Sparkline:
    """`points` for an SVG polyline in a box of WIDTH × HEIGHT; `low` and `high` in yuan."""

    points: str
    low: Decimal
    high: Decimal
    width: int = WIDTH
    height: int = HEIGHT


def sparkline(history: Sequence[tuple[datetime, Decimal]], *, until: datetime) -> Sparkline:
    """`history` is (from when, price), oldest first, at least one; the last price holds until `until`."""
    prices = [price for _at, price in history]
    low, high = min(prices), max(prices)
    start, length = history[0][0], (until - history[0][0]).total_seconds() or 1.0
    spread = float(high - low) or 1.0

    def x(at: datetime) -> float:
        return round(EDGE + (at - start).total_seconds() / length * (WIDTH - 2 * EDGE), 1)

    def y(price: Decimal) -> float:
        return round(HEIGHT - EDGE - float(price - low) / spread * (HEIGHT - 2 * EDGE), 1)

    corners = [(x(history[0][0]), y(prices[0]))]
    for at, price in history[1:]:
        corners += [(x(at), corners[-1][1]), (x(at), y(price))]
    corners.append((x(until), corners[-1][1]))
    return Sparkline(" ".join(f"{left},{top}" for left, top in corners), low, high)
