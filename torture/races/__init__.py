"""Races over what is scarce. Each has a naive twin on a table of its own, which must lose before the shop may run."""
