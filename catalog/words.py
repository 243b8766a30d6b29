"""Words of the search index: Chinese in single characters and pairs, pinyin, initials, and plain words.

PostgreSQL has no Chinese dictionary here, so the lexemes are made in Python and handed over as a finished tsvector:
no parser or locale of the server has a say in them.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from pypinyin import lazy_pinyin

HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
RUN = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+")
LETTERS_OR_DIGITS = re.compile(r"[^\W\d_]+|\d+")
# A lexeme holds at most 2,046 bytes; nobody types this many syllables.
MAX_SYLLABLES = 12
MAX_QUERY = 60
MAX_QUERY_RUNS = 8


def plain(text: str) -> str:
    """The text as search compares it: full-width folded, lower case, only letters, digits and single spaces."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return " ".join(RUN.findall(folded))


def _is_han(run: str) -> bool:
    return bool(re.match(f"[{HAN}]", run))


def words(text: str) -> list[str]:
    """Lexemes of a text: characters and pairs of Chinese, whole words, and `win` and `11` of `win11`."""
    found: list[str] = []
    for run in plain(text).split():
        if _is_han(run):
            found += [*run, *(run[i : i + 2] for i in range(len(run) - 1))]
        else:
            found.append(run)
            pieces = LETTERS_OR_DIGITS.findall(run)
            found += pieces if len(pieces) > 1 else []
    return [word[:100] for word in found]


def syllables(text: str) -> list[str]:
    """Pinyin of each character; a Latin word counts as one syllable. `QQ音乐` gives qq, yin, yue."""
    found: list[str] = []
    for run in plain(text).split():
        found += [one[:40] for one in lazy_pinyin(run) if one] if _is_han(run) else [run[:40]]
    return found


def pinyin_words(text: str) -> list[str]:
    """Pinyin and initials from every syllable on, so that a prefix match finds any run of them within the name."""
    spoken = syllables(text)
    found = []
    for start in range(len(spoken)):
        rest = spoken[start : start + MAX_SYLLABLES]
        found.append("".join(rest))
        found.append("".join(part if part.isdigit() else part[0] for part in rest))
        if start == 0 and not _is_han(text[:1]):
            # `qqyy` for QQ音乐: a short Latin word at the start is typed whole.
            found.append(rest[0] + "".join(part[0] for part in rest[1:]))
    return found


def sort_key(text: str) -> str:
    """By what names are sorted: pinyin, syllable by syllable."""
    return " ".join(syllables(text))[:400]


def tsvector(parts: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A tsvector literal out of (weight A to D, lexemes)."""
    lexemes = [f"'{word}':1{weight}" for weight, found in parts for word in dict.fromkeys(found)]
    return " ".join(lexemes)


def query_runs(text: str) -> list[str]:
    return plain(text[:MAX_QUERY]).split()[:MAX_QUERY_RUNS]


def tsquery(text: str) -> str:
    """A tsquery literal for what somebody typed; empty when it holds no letter and no digit.

    Chinese must occur as typed, pair by pair; a Latin word may be the beginning of a word, of pinyin or of initials.
    """
    terms: list[str] = []
    for run in query_runs(text):
        if not _is_han(run):
            terms.append(_latin_term(run))
        elif len(run) == 1:
            terms.append(f"'{run}'")
        else:
            terms += [f"'{run[i : i + 2]}'" for i in range(len(run) - 1)]
    return " & ".join(dict.fromkeys(terms))


def _latin_term(run: str) -> str:
    """`win11` is written Windows 11 as well."""
    pieces = LETTERS_OR_DIGITS.findall(run)
    if len(pieces) < 2:
        return f"'{run}':*"
    apart = " & ".join(f"'{piece}':*" for piece in pieces)
    return f"('{run}':* | ({apart}))"


def homophone_query(text: str) -> str:
    """A tsquery for names that sound like the query: the usual typo of a Chinese input method."""
    spoken = "".join(syllables(text[:MAX_QUERY])[:MAX_SYLLABLES])
    return f"'{spoken}':*" if spoken else ""


def sound(text: str) -> str:
    """What trigrams compare: the words as they are, and how they sound."""
    return f"{plain(text)} {''.join(syllables(text))}"
