"""A what-if as its page shows it: the matrix as a table, the members who would move with what the engine found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from membership.models import TierDecision
from membership.selectors.standing import DecisionText, decision_text
from membership.selectors.what_ifs import Picture, Sample, Segment, WhatIfResult

# The shades of a cell; one that nobody is in has none.
SHADES = 5


@dataclass(frozen=True)
class Cell:
    """`share` is per cent of the row; `shade` 0 to SHADES; `way` is same, up or down."""

    before: int
    after: int
    members: int
    share: int
    shade: int
    way: str


@dataclass(frozen=True)
class Row:
    rank: int
    name: str
    members: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class SampledMove:
    before: int
    after: int
    name_before: str
    name_after: str
    members: int
    samples: tuple[tuple[Sample, DecisionText], ...]


@dataclass(frozen=True)
class SegmentGroup:
    name: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class _Named:
    """Reads like a version to `decision_text`: the tiers by rank, of which it asks the names."""

    tiers: Mapping[int, str]


def heat_rows(result: WhatIfResult, picture: Picture) -> list[Row]:
    """From each tier into each, by rank; every cell of the table, the empty ones too."""
    return [_row(result, picture, rank) for rank in result.ranks]


def _row(result: WhatIfResult, picture: Picture, before: int) -> Row:
    counts = {after: picture.count(before, after) for after in result.ranks}
    total = sum(counts.values())
    cells = tuple(_cell(before, after, count, total) for after, count in counts.items())
    return Row(before, result.tiers[before], total, cells)


def _cell(before: int, after: int, count: int, total: int) -> Cell:
    share = count / total if total else 0
    shade = min(SHADES, 1 + int(share * SHADES)) if count else 0
    way = "same" if before == after else "up" if after > before else "down"
    return Cell(before, after, count, round(100 * share), shade, way)


def sampled_moves(result: WhatIfResult, picture: Picture, at: datetime) -> list[SampledMove]:
    """The sampled members by where from and where to, in words; the largest step first."""
    ordered = sorted(picture.samples, key=lambda one: (-abs(one.after - one.before), one.before, one.after))
    moves = groupby(ordered, key=lambda one: (one.before, one.after))
    return [
        SampledMove(
            before=before,
            after=after,
            name_before=result.tiers.get(before, str(before)),
            name_after=result.tiers.get(after, str(after)),
            members=picture.count(before, after),
            samples=tuple((one, _told(one, result.tiers, at)) for one in samples),
        )
        for (before, after), samples in moves
    ]


def _told(sample: Sample, names: Mapping[int, str], at: datetime) -> DecisionText:
    decision = TierDecision(
        from_rank=sample.before,
        to_rank=sample.after,
        cause=sample.cause,
        trace=sample.trace,
        gap=sample.gap,
        day=sample.day,
        at=at,
    )
    return decision_text(decision, _Named(names))


def segment_groups(segments: Iterable[Segment]) -> list[SegmentGroup]:
    return [SegmentGroup(name, tuple(rows)) for name, rows in groupby(segments, key=lambda one: one.kind_name)]
