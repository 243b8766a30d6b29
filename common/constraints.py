"""Conditions for CHECK constraints that several rooms need."""

from django.db.models import F, Q


def apart(one: str, other: str) -> Q:
    """Two columns that both hold somebody, and not the same one. A comparison with nothing is neither true nor false, and a
    CHECK lets that pass."""
    there = Q(**{f"{one}__isnull": False, f"{other}__isnull": False})
    return there & (Q(**{f"{one}__lt": F(other)}) | Q(**{f"{one}__gt": F(other)}))
