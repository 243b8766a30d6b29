"""BEpusdt, as v03413/BEpusdt speaks it: a JSON API signed by MD5, a page with an address to pay to, a JSON notify."""

from sandbox.bepusdt.tongue import BepusdtTongue

__all__ = ["BepusdtTongue"]
