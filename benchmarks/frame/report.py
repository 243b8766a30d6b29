"""What a benchmark tells, as a table for people and as JSON for machines."""

import json
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """A measured value. `target` is "<= 1" or ">= 0.25", in the unit of the value; empty for what is only told."""

    name: str
    value: float
    unit: str = ""
    target: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def met(self) -> bool | None:
        if not self.target:
            return None
        sign, bound = self.target.split()
        return {"<=": self.value <= float(bound), ">=": self.value >= float(bound), "==": self.value == float(bound)}[
            sign
        ]


@dataclass
class Bench:
    """Given to a benchmark: what it may use, and where it tells what it found."""

    name: str
    seed: int
    folder: Path
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    samples: dict[str, list] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """One line of progress."""
        sys.stderr.write(f"· {text}\n")
        sys.stderr.flush()

    def figure(self, name: str, value: float, unit: str = "", *, target: str = "", of: Sequence[float] = ()) -> None:
        """Tell a value; `of` are the values of the single runs whose spread is shown."""
        low, high = (min(of), max(of)) if of else (None, None)
        self.figures.append(Figure(name, value, unit, target, low, high))

    def note(self, text: str) -> None:
        """Something that a reader must know to understand the figures: reduced sizes, what was left out."""
        self.notes.append(text)

    def keep(self, name: str, values: Sequence) -> None:
        """Raw samples, for the file."""
        self.samples.setdefault(name, []).extend(values)

    @property
    def missed(self) -> list[Figure]:
        return [one for one in self.figures if one.met is False]


def as_json(bench: Bench, about: dict) -> dict:
    figures = [{**asdict(one), "met": one.met} for one in bench.figures]
    return {"benchmark": bench.name, "seed": bench.seed, **about, "figures": figures, "notes": bench.notes}


def store(bench: Bench, result: dict, stamp: str) -> Path:
    """Write the result with its raw samples beside those of earlier runs."""
    file = bench.folder / f"{bench.name}-{stamp}.json"
    file.write_text(json.dumps({**result, "samples": bench.samples}, ensure_ascii=False) + "\n")
    return file


def table(bench: Bench, about: dict) -> str:
    rows = [("", "median", "spread", "target", "")]
    for one in bench.figures:
        spread = "" if one.low is None or one.high is None else f"{_number(one.low)} … {_number(one.high)}"
        met = {None: "", True: "met", False: "MISSED"}[one.met]
        rows.append((one.name, f"{_number(one.value)} {one.unit}".strip(), spread, one.target, met))
    widths = [max(_width(row[column]) for row in rows) for column in range(5)]
    lines = ["", f"{bench.name}: {about['title']}", ""]
    lines += [
        "  " + "  ".join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines += ["", *(f"  {note}" for note in bench.notes)]
    machine = about["machine"]
    lines.append(
        f"  {machine['cores']} × {machine['processor']}, PostgreSQL {machine['postgresql']}, Python {machine['python']}, "
        f"commit {machine['commit']}, seed {bench.seed}, load before {machine['load_before']}"
    )
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    if isinstance(value, int) or value == int(value) and abs(value) >= 100:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
