"""Regular expressions that people type, matched by RE2.

Python's own engine tries every way to match: `(a+)+b` against thirty letters holds the whole process for minutes, while
no other thread runs. RE2 takes time in proportion to the text. For that it knows no lookaround and no back reference.
Source: https://github.com/google/re2/wiki/Syntax
"""

from functools import lru_cache

import re2

MAX_PATTERN = 500
_MEMORY = 1024 * 1024


class BadPattern(ValueError):
    """It cannot be read as a regular expression, or not by RE2."""


def check_pattern(text: str) -> None:
    """Raises BadPattern unless `fits` can use this regular expression."""
    _compiled(text)


def fits(pattern: str, text: str) -> bool:
    """Whether the whole of `text` matches. Raises BadPattern."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=256)
def _compiled(text: str):
    if len(text) > MAX_PATTERN:
        raise BadPattern(f"longer than {MAX_PATTERN}")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise BadPattern(str(error)) from error
