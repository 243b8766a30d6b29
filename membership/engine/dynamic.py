"""The dynamic threshold, by the formula that the rules page publishes.

A member who has stayed in a tier for longer than members do on average, and whose activity rises, needs only `factor` of
what the next tier asks for. The offer is frozen as it is made, made once for a tier, and ends after OFFER_DAYS.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

from common.clock import day_of
from membership.engine.book import ONE_DAY, Book
from membership.engine.state import Offer, State
from membership.rules.dump import dump_value
from membership.rules.evaluate import Personal
from membership.rules.nodes import OFFER_DAYS, Leaf, RuleSet, Tier, Value, leaves, rounded_up


class Stays(Protocol):
    def mean(self, day: date, rank: int) -> Decimal | None:
        """The mean stay in a tier as a day begins, in days: completed stays and those that go on. None: not known."""


class NoStays:
    """Where nobody measures stays, nothing is offered."""

    def mean(self, day: date, rank: int) -> Decimal | None:
        return None


def target(rules: RuleSet, state: State) -> Tier | None:
    """The nearest tier above whose thresholds may be lowered, unless they once were."""
    for tier in rules.tiers:
        if tier.rank > state.rank and tier.enter is not None and any(leaf.dyn for leaf in leaves(tier.enter)):
            return None if any(offer.rank == tier.rank for offer in state.offers) else tier
    return None


def new_offers(
    rules: RuleSet, state: State, book: Book, stays: Stays, *, now: datetime, midnight: bool
) -> tuple[Offer, ...]:
    """What the member is offered now. At midnight the days up to yesterday are looked at, else today too."""
    tier = target(rules, state)
    if tier is None or tier.enter is None:
        return ()
    today = day_of(now)
    last = today - ONE_DAY if midnight else today
    names = sorted({leaf.dyn for leaf in leaves(tier.enter) if leaf.dyn})
    slopes = {name: rise(book, last, rules.dynamic[name].rising_days) for name in names}
    rising = {name: slope for name, slope in slopes.items() if slope > 0}
    # Few rise, and what others stay may have to be asked of the database: that comes last.
    mean = stays.mean(today, state.rank) if rising else None
    stay = (today - day_of(state.since)).days
    if mean is None or stay <= mean:
        return ()
    return tuple(
        Offer(
            rank=tier.rank,
            formula=name,
            factor=f"{rules.dynamic[name].factor:f}",
            since=today,
            until=today + timedelta(days=OFFER_DAYS),
            thresholds=tuple(_lowered(tier, name, rules.dynamic[name].factor)),
            stay=stay,
            mean_stay=f"{mean:.2f}",
            slope=f"{float(slope):.4f}",
        )
        for name, slope in rising.items()
    )


def rise(book: Book, last: date, days: int) -> Fraction:
    """The slope of the least-squares line through the points of each of `days` days up to `last`, in points a day."""
    first = last - timedelta(days=days - 1)
    weighted = sum(
        (2 * (day - first).days - (days - 1)) * entry.quantity
        for day, _, entry in book.between("activity", first, last)
    )
    return Fraction(6 * weighted, days * (days * days - 1))


def may_rise(rules: RuleSet, state: State, book: Book, today: date) -> bool:
    """Whether days that pass may bring an offer: without activity in the days looked at, they cannot."""
    if target(rules, state) is None:
        return False
    longest = max(formula.rising_days for formula in rules.dynamic.values())
    return book.earliest("activity", today - timedelta(days=longest), today) is not None


def personal_for(rank: int, state: State, today: date, scale: Decimal = Decimal(1)) -> Personal | None:
    """The thresholds of a tier for this member. `scale` is what keeping asks for of what entering does.

    An offer counts while it holds; one with which the tier was entered, as long as it is held.
    """
    if not state.offers:
        return None
    offers = {
        offer.formula: offer
        for offer in state.offers
        if offer.rank == rank and (offer.since <= today < offer.until or offer.taken and state.rank >= rank)
    }
    if not offers:
        return None

    def personal(leaf: Leaf) -> tuple[Value, Mapping[str, Any]] | None:
        offer = offers.get(leaf.dyn or "")
        if offer is None:
            return None
        lowered = rounded_up(leaf, Decimal(leaf.v) * Decimal(offer.factor))
        frozen = dict(offer.thresholds).get(leaf.key)
        if frozen is not None:
            lowered = min(lowered, rounded_up(leaf, Decimal(frozen) * scale))
        return min(Decimal(leaf.v), lowered), _formula(leaf, offer)

    return personal


def taken(state: State, rank: int, today: date) -> tuple[Offer, ...]:
    """The offers, once the tier of `rank` was entered: those for it that hold were taken."""
    return tuple(
        Offer(**{name: getattr(offer, name) for name in Offer.__slots__} | {"taken": True})
        if offer.rank == rank and offer.since <= today < offer.until
        else offer
        for offer in state.offers
    )


def _lowered(tier: Tier, name: str, factor: Decimal) -> Iterator[tuple[str, str]]:
    found: dict[str, Decimal] = {}
    for leaf in leaves(tier.enter) if tier.enter is not None else ():
        if leaf.dyn == name:
            value = rounded_up(leaf, Decimal(leaf.v) * factor)
            found[leaf.key] = max(value, found.get(leaf.key, value))
    for key, value in sorted(found.items()):
        yield key, f"{value:f}"


def _formula(leaf: Leaf, offer: Offer) -> dict[str, Any]:
    return {
        "name": offer.formula,
        "factor": offer.factor,
        "base": dump_value(leaf.v, leaf.metric.kind),
        "stay_days": offer.stay,
        "mean_stay_days": offer.mean_stay,
        "slope": offer.slope,
        "since": offer.since.isoformat(),
        "until": offer.until.isoformat(),
    }
