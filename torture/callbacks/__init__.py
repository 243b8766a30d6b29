"""Callbacks as each protocol has them, genuine and forged. `PROTOCOLS` has one entry for each that the shop speaks."""
