"""Figures for monitors about the audit log's chain."""

from collections.abc import Iterable

from audit.selectors import chain_state
from common import clock
from common.metrics import Sample, add_gauge


def faults() -> Iterable[Sample]:
    yield Sample(chain_state(at=clock.now()).faults)


def waiting() -> Iterable[Sample]:
    yield Sample(chain_state(at=clock.now()).waiting.total_seconds())


add_gauge("audit_chain_faults", "Faults that the newest look through the audit log's chain found.", faults)
add_gauge("audit_chain_waiting_seconds", "How long the oldest audit entry has waited to be chained.", waiting)
