"""Figures for monitors, in Prometheus' text format. Rooms add theirs from their `handlers.py`; each is read when asked for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Sample:
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gauge:
    """A figure that goes up and down. `help` is English: whoever reads it is a machine or its keeper."""

    name: str
    help: str
    read: Callable[[], Iterable[Sample]]


_gauges: dict[str, Gauge] = {}


def add_gauge(name: str, help: str, read: Callable[[], Iterable[Sample]]) -> None:
    """`name` without the prefix `kameng_`."""
    _gauges[name] = Gauge(f"kameng_{name}", help, read)


def exposition() -> str:
    """Every figure, read now."""
    return "".join(_told(gauge) for _, gauge in sorted(_gauges.items()))


def _told(gauge: Gauge) -> str:
    lines = [f"# HELP {gauge.name} {gauge.help}", f"# TYPE {gauge.name} gauge"]
    lines += [f"{gauge.name}{_labels(one.labels)} {one.value:.15g}" for one in gauge.read()]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
