"""A bar chart drawn on the server: geometry for one inline SVG, no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 8, 12, 26
GRID = 4
# A scale ends at one of these times a power of ten.
ROUND = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
MAX_LABELS = 12


@dataclass(frozen=True)
class Point:
    """One bar: its label below, value and comparison in yuan, a sentence for pointers, and where it leads ("" nowhere)."""

    label: str
    value: Decimal
    before: Decimal
    told: str
    address: str = ""


@dataclass(frozen=True)
class Drawn:
    point: Point
    x: float
    width: float
    top: float
    height: float
    before_y: float
    centre: float
    label: str


@dataclass(frozen=True)
class Line:
    y: float
    label: str


@dataclass(frozen=True)
class Chart:
    bars: list[Drawn]
    grid: list[Line]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM


def ceiling(value: Decimal) -> Decimal:
    """The round number at or above `value` at which a scale ends; 100 for nothing."""
    if value <= 0:
        return Decimal(100)
    power = Decimal(10) ** value.adjusted()
    return next(step * power for step in ROUND if step * power >= value)


def draw(points: Sequence[Point]) -> Chart:
    """Bars for the values, ticks for what they are compared with."""
    top = ceiling(max([max(point.value, point.before) for point in points], default=Decimal(0)))
    room = HEIGHT - TOP - BOTTOM
    slot = (WIDTH - LEFT - RIGHT) / max(1, len(points))
    every = -(-len(points) // MAX_LABELS) or 1

    def y_of(value: Decimal) -> float:
        return round(TOP + room * float(1 - value / top), 2)

    bars = [
        Drawn(
            point=point,
            x=round(LEFT + slot * (n + 0.18), 2),
            width=round(slot * 0.64, 2),
            top=y_of(point.value),
            height=round(HEIGHT - BOTTOM - y_of(point.value), 2),
            before_y=y_of(point.before),
            centre=round(LEFT + slot * (n + 0.5), 2),
            label=point.label if n % every == 0 else "",
        )
        for n, point in enumerate(points)
    ]
    grid = [Line(y_of(top * n / GRID), short(top * n / GRID)) for n in range(GRID + 1)]
    return Chart(bars=bars, grid=grid)


def short(value: Decimal) -> str:
    """The label of a grid line: 12500 → "12,500", 2.5 → "2.5"."""
    return f"{value:,.0f}" if value == value.to_integral() or value >= 100 else f"{value.normalize():f}"
