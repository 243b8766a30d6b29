"""Flows between tiers as a picture: two columns of bars and bands between them, as geometry for one inline SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Of the picture and of the labels on each side, on screens that have room and on phones.
WIDTH, LABELS = 720, 132
NARROW_WIDTH, NARROW_LABELS = 340, 92
BAR = 14
GAP = 18
TALLEST = 260
THINNEST = 3.0


@dataclass(frozen=True)
class Flow:
    before: int
    after: int
    members: int


@dataclass(frozen=True)
class Bar:
    """A tier on one side: `x`, `y`, `height` of the bar, and where its label stands."""

    rank: int
    name: str
    members: int
    x: float
    y: float
    height: float

    @property
    def middle(self) -> float:
        return round(self.y + self.height / 2, 2)


@dataclass(frozen=True)
class Band:
    """`path` is the outline of the band; `way` up or down."""

    flow: Flow
    path: str
    way: str


@dataclass(frozen=True)
class Picture:
    left: list[Bar]
    right: list[Bar]
    bands: list[Band]
    height: float
    width: int = WIDTH
    bar: int = BAR


def draw_flows(
    flows: Sequence[Flow], names: Mapping[int, str], *, width: int = WIDTH, labels: int = LABELS
) -> Picture | None:
    """The highest tier on top; thickness tells how many. None when nobody moved."""
    if not flows:
        return None
    total = sum(flow.members for flow in flows)
    scale = TALLEST / total
    left = _column(flows, [flow.before for flow in flows], names, scale, labels)
    right = _column(flows, [flow.after for flow in flows], names, scale, width - labels - BAR)
    ordered = sorted(flows, key=lambda flow: (-flow.before, -flow.after))
    starts = {rank: bar.y for rank, bar in left.items()}
    bands_from = {}
    for flow in ordered:
        bands_from[flow] = starts[flow.before]
        starts[flow.before] += _thick(flow, scale)
    ends = {rank: bar.y for rank, bar in right.items()}
    bands = []
    for flow in sorted(flows, key=lambda flow: (-flow.after, -flow.before)):
        ways = (labels + BAR, width - labels - BAR)
        bands.append(_band(flow, ways, bands_from[flow], ends[flow.after], _thick(flow, scale)))
        ends[flow.after] += _thick(flow, scale)
    height = max(bar.y + bar.height for bar in [*left.values(), *right.values()]) + GAP / 2
    return Picture([*left.values()], [*right.values()], bands, round(height, 2), width)


def _column(
    flows: Sequence[Flow], ranks: Sequence[int], names: Mapping[int, str], scale: float, x: float
) -> dict[int, Bar]:
    bars, y = {}, GAP / 2
    for rank in sorted(set(ranks), reverse=True):
        mine = [flow for flow, one in zip(flows, ranks, strict=True) if one == rank]
        height = sum(_thick(flow, scale) for flow in mine)
        members = sum(flow.members for flow in mine)
        bars[rank] = Bar(rank, names.get(rank, str(rank)), members, x, round(y, 2), round(height, 2))
        y += height + GAP
    return bars


def _thick(flow: Flow, scale: float) -> float:
    """A single member among thousands is still a line that can be seen."""
    return max(THINNEST, flow.members * scale)


def _band(flow: Flow, ways: tuple[int, int], y_from: float, y_to: float, thick: float) -> Band:
    x_from, x_to = ways
    middle = (x_from + x_to) / 2
    path = (
        f"M{x_from} {y_from:.2f}C{middle} {y_from:.2f} {middle} {y_to:.2f} {x_to} {y_to:.2f}"
        f"V{y_to + thick:.2f}C{middle} {y_to + thick:.2f} {middle} {y_from + thick:.2f} {x_from} {y_from + thick:.2f}Z"
    )
    return Band(flow, path, "up" if flow.after > flow.before else "down")
