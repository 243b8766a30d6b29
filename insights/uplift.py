"""Whether something worked, said honestly: two shares, their difference, and between what it may well lie.

The interval is Newcombe's (1998, method 10): Wilson's intervals of both shares, squared and added. It holds for small
counts and for shares at 0 and 1, where the usual formula would pretend to know.
"""

from dataclasses import dataclass
from math import sqrt

Z95 = 1.959964


@dataclass(frozen=True)
class Share:
    """`hits` of `count`."""

    hits: int
    count: int

    @property
    def rate(self) -> float | None:
        return self.hits / self.count if self.count else None


@dataclass(frozen=True)
class Uplift:
    """`difference` of the rates, treated less control, and its 95 % interval; None where a group is empty."""

    treated: Share
    control: Share
    difference: float | None
    low: float | None
    high: float | None

    @property
    def is_certain(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def wilson(share: Share, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval of a share."""
    n, p = share.count, share.hits / share.count
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def uplift(treated: Share, control: Share) -> Uplift:
    if treated.rate is None or control.rate is None:
        return Uplift(treated, control, None, None, None)
    difference = treated.rate - control.rate
    (low_t, high_t), (low_c, high_c) = wilson(treated), wilson(control)
    low = difference - sqrt((treated.rate - low_t) ** 2 + (high_c - control.rate) ** 2)
    high = difference + sqrt((high_t - treated.rate) ** 2 + (control.rate - low_c) ** 2)
    return Uplift(treated, control, difference, low, high)
