"""Codes of recharge and gift cards in words that people type: a code is money."""

import re
from collections.abc import Iterable

from common.concealing import About, conceals
from wallet.codes import LENGTH, digest, normal
from wallet.models import Card

# Twenty letters and digits, with or without dashes and blanks between them.
WRITTEN = re.compile(r"(?:[0-9A-Za-z][-‐-―－ ]?){%d,}" % LENGTH)  # noqa: UP031 - braces of the pattern
SHOWN = "****-****-****-****-****"


@conceals
def cards(text: str, about: About) -> Iterable[tuple[str, str]]:
    """Codes that were issued, as they stand in this text."""
    marks = {}
    for run in WRITTEN.findall(text):
        letters = [one for one in run if one.isalnum()]
        for start in range(min(len(letters) - LENGTH + 1, 60)):
            piece = "".join(letters[start : start + LENGTH])
            if code := normal(piece):
                marks[digest(code)] = piece
    for mark in Card.objects.filter(digest__in=list(marks)).values_list("digest", flat=True):
        yield marks[bytes(mark)], SHOWN
