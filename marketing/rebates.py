"""The arithmetic of rebates and of months. Reads nothing: figures in, figures out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from common.money import ZERO, round_money

# (from this spend in yuan, this rate of the whole amount), rising.
Steps = Sequence[tuple[Decimal, Decimal]]


@dataclass(frozen=True)
class Next:
    """The next step: at `amount` yuan the rate is `rate`; `missing` yuan are to be spent until then."""

    amount: Decimal
    rate: Decimal
    missing: Decimal

    @property
    def percent(self) -> str:
        return percent(self.rate)


def rate_of(steps: Steps, base: Decimal) -> Decimal:
    """The rate of the highest step that `base` yuan reach; 0 below the first."""
    return max((rate for amount, rate in steps if amount <= base), default=Decimal(0))


def rebate_of(steps: Steps, base: Decimal) -> Decimal:
    """The rebate on `base` yuan: the rate of the highest step reached, on the whole amount, rounded once."""
    return round_money(base * rate_of(steps, base)) if base > 0 else ZERO


def next_step(steps: Steps, base: Decimal) -> Next | None:
    above = sorted((amount, rate) for amount, rate in steps if amount > base)
    return Next(above[0][0], above[0][1], above[0][0] - base) if above else None


def percent(rate: Decimal) -> str:
    """0.0300 → 3%, 0.0325 → 3.25%."""
    return f"{(rate * 100).normalize():f}%"


def dump_steps(steps: Steps) -> list[list[str]]:
    return [[str(amount), str(rate)] for amount, rate in steps]


def load_steps(stored: Sequence[Sequence[str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(amount), Decimal(rate)) for amount, rate in stored]


def month_of(day: date) -> date:
    """The month of a Shanghai day, as its first day."""
    return day.replace(day=1)


def month_after(month: date, count: int = 1) -> date:
    """The month `count` months later (earlier where negative)."""
    number = month.year * 12 + month.month - 1 + count
    return date(number // 12, number % 12 + 1, 1)


def last_day(month: date) -> date:
    return month_after(month) - timedelta(days=1)
