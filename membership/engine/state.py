"""What a member's state is between two moments, and how it is stored."""

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any

ACTIVE, WARNED, GRACE = "active", "warned", "grace"


@dataclass(frozen=True, slots=True)
class Offer:
    """Lower thresholds for one tier, frozen as they were offered: by the key of each leaf, in its unit, as text.

    `until` is the first day on which it is over. `stay` and `mean_stay` are days, `slope` points a day: the figures of
    the public formula.
    """

    rank: int
    formula: str
    factor: str
    since: date
    until: date
    thresholds: tuple[tuple[str, str], ...]
    stay: int
    mean_stay: str
    slope: str
    # The tier was entered while the offer held: what is kept is measured by it too.
    taken: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """`rank`, `since`, `stage` are what the rules say; `shown` and `shown_stage` what overrides make of it, as of `at`.

    `blocked` is the tier that a failed gate took away. `jumps` are those that were used, with the rank that each led to.
    A member whose tier is protected from newer rules is judged by the version `kept_by`, until `kept_until` (None: as
    long as the tier is held).
    """

    rank: int
    since: datetime
    shown: int
    shown_since: datetime
    at: datetime
    stage: str = ACTIVE
    grace_until: datetime | None = None
    shown_stage: str = ACTIVE
    version: int | None = None
    blocked: int | None = None
    jumps: tuple[tuple[str, int], ...] = ()
    offers: tuple[Offer, ...] = ()
    kept_by: int | None = None
    kept_until: datetime | None = None

    def stands_like(self, other: "State") -> bool:
        """Whether nothing differs but the moment."""
        return all(getattr(self, name) == getattr(other, name) for name in _STANDING)

    @property
    def shown_grace_until(self) -> datetime | None:
        return self.grace_until if self.shown_stage == GRACE else None


_STANDING = tuple(field.name for field in fields(State) if field.name != "at")
_TIMES = ("since", "shown_since", "at", "grace_until", "kept_until")
_DAYS = ("since", "until")


def written(at: datetime) -> str:
    """A time as states are stored: in UTC, so that one moment is one text however it was reached."""
    return at.astimezone(UTC).isoformat()


def dump_state(state: State) -> dict[str, Any]:
    """The state as JSON; `load_state` reads it back."""
    document = {field.name: getattr(state, field.name) for field in fields(State)}
    for name in _TIMES:
        if document[name] is not None:
            document[name] = written(document[name])
    document["jumps"] = [list(jump) for jump in state.jumps]
    document["offers"] = [_dump_offer(offer) for offer in state.offers]
    return {key: value for key, value in document.items() if value not in (None, [])}


def load_state(document: dict[str, Any]) -> State:
    """Raises KeyError, TypeError or ValueError for a document that `dump_state` did not write."""
    known = dict(document)
    for name in _TIMES:
        if name in known:
            known[name] = datetime.fromisoformat(known[name])
    known["jumps"] = tuple((name, rank) for name, rank in known.get("jumps", []))
    known["offers"] = tuple(_load_offer(offer) for offer in known.get("offers", []))
    return State(**known)


def _dump_offer(offer: Offer) -> dict[str, Any]:
    document = {field.name: getattr(offer, field.name) for field in fields(Offer)}
    return document | {
        "since": offer.since.isoformat(),
        "until": offer.until.isoformat(),
        "thresholds": dict(offer.thresholds),
    }


def _load_offer(document: dict[str, Any]) -> Offer:
    days = {name: date.fromisoformat(document[name]) for name in _DAYS}
    return Offer(**{**document, **days, "thresholds": tuple(document["thresholds"].items())})
