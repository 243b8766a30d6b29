"""No key and no code stands in the open in the database, not even where somebody copied it into words of theirs.

Rooms that sell or issue such secrets register here how they are found in a text, in their `concealing.py`. Whoever stores
words that people type about goods asks `conceal` first.
"""

import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """What a text is about: lines of orders, whose goods its writer may have before them, and products."""

    lines: Collection[int] = ()
    products: Collection[int] = ()


# (text, what it is about) → (what stands in it, what is put in its place).
Finder = Callable[[str, About], Iterable[tuple[str, str]]]
_finders: list[Finder] = []


def conceals(find: Finder) -> Finder:
    """Registers a way to find secrets in a text."""
    _finders.append(find)
    return find


def conceal(text: str, *, lines: Collection[int] = (), products: Collection[int] = ()) -> str:
    """The text with what can be redeemed in it masked, in whatever spelling: big or small letters, with or without dashes."""
    about = About(lines, products)
    for find in _finders if text else ():
        # Long ones first: a part of a key is masked with its whole.
        for secret, shown in sorted(find(text, about), key=lambda pair: -len(pair[0])):
            text = _without(text, secret, shown)
    return text


def bare(text: str) -> str:
    """Letters and digits in one spelling."""
    return "".join(letter for letter, _place in _letters(text))


def _letters(text: str) -> list[tuple[str, int]]:
    """Each letter and digit in one spelling, and the place where it stands."""
    return [
        (letter, place)
        for place, written in enumerate(text)
        for letter in unicodedata.normalize("NFKC", written).casefold()
        if letter.isalnum()
    ]


# What is shorter is hidden only as it is written: a few letters are a part of many words.
LEAST = 6


def _without(text: str, secret: str, shown: str) -> str:
    wanted = bare(secret)
    if len(wanted) < LEAST:
        return text.replace(secret, shown)
    letters = _letters(text)
    stands = "".join(letter for letter, _place in letters)
    parts, done, at = [], 0, stands.find(wanted)
    while at >= 0:
        begins, ends = letters[at][1], letters[at + len(wanted) - 1][1] + 1
        parts += [text[done:begins], shown]
        done, at = ends, stands.find(wanted, at + len(wanted))
    return "".join([*parts, text[done:]])
