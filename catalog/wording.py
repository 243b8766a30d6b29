"""Reading what people typed into a review: tidy it, and find what staff should look at twice. No database, no decisions."""

import re
import unicodedata
from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

# What `flags_of` may find besides words of the operator's list.
KINDS = {
    "contact": _("疑似联系方式"),
    "link": _("疑似网址"),
    "key": _("疑似卡密"),
    "repeat": _("大量重复"),
}
# Marks that are stacked on one letter to break the lines above and below it; no language needs more.
MOST_MARKS = 4
_KEPT_FORMATS = {"\u200d"}  # joins emoji
_LINK = re.compile(r"(?:https?:|www\.|[a-z0-9-]{2,}\.(?:com|cn|net|org|top|xyz|shop|vip|cc|me|io)\b)", re.I)
_CONTACT = re.compile(r"\d{7,}")
_KEY = re.compile(r"[A-Z0-9]{4,}(?:[- ][A-Z0-9]{4,}){2,}|(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z0-9]{12,}", re.I)
_REPEAT = re.compile(r"(.{1,6}?)\1{7,}", re.S)


def tidy(text: str) -> str:
    """The text as it is kept and shown: NFC, plain line breaks, no control or direction characters, no piled-up marks."""
    lines = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept: list[str] = []
    marks = 0
    for one in lines:
        kind = unicodedata.category(one)
        marks = marks + 1 if kind in {"Mn", "Me"} and one != "\ufe0f" else 0
        hidden = kind in {"Cc", "Cf", "Cs", "Co"} and one != "\n" and one not in _KEPT_FORMATS
        if not hidden and marks <= MOST_MARKS:
            kept.append(" " if kind in {"Zs", "Zl", "Zp"} and one != "\u3000" else one)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \u3000]+\n", "\n", "".join(kept))).strip()


def says_something(text: str, *, at_least: int) -> bool:
    """Whether there are so many characters beside blanks."""
    return sum(not one.isspace() and one not in _KEPT_FORMATS for one in text) >= at_least


def bare(text: str) -> str:
    """Only letters and digits, in one width and case: "加 V-信" and "加Ｖ信" are the same word."""
    return "".join(one for one in unicodedata.normalize("NFKC", text).casefold() if one.isalnum())


def flags_of(text: str, words: Iterable[str]) -> dict[str, list[str]]:
    """{"words": those of the list that occur, "kinds": codes of KINDS}; {} where nothing was found."""
    plain, digits = bare(text), unicodedata.normalize("NFKC", text)
    found = [word for word in words if (wanted := bare(word)) and wanted in plain]
    kinds = [
        kind
        for kind, is_there in (
            ("contact", _CONTACT.search(re.sub(r"[\s.-]", "", digits))),
            ("link", _LINK.search(digits)),
            ("key", _KEY.search(digits)),
            ("repeat", _REPEAT.search(text)),
        )
        if is_there
    ]
    return {"words": found, "kinds": kinds} if found or kinds else {}


def masked(name: str) -> str:
    """The first character of a name: "小***"."""
    return f"{name[:1]}***"
