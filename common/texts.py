"""Texts that the shop keeps in two languages: Chinese always, English where somebody wrote it."""

from collections.abc import Iterable
from typing import Any

from django.utils.functional import lazy
from django.utils.translation import get_language, gettext, override

CHINESE, ENGLISH = "zh-hans", "en"


def in_language(chinese: str, english: str) -> str:
    """The English text for English readers where there is one; Chinese otherwise."""
    return english if english and (get_language() or "").startswith("en") else chinese


def foreign(english: str) -> str:
    """The lang attribute of a text that has no English version, for an English reader; else empty."""
    return "" if english or not (get_language() or "").startswith("en") else "zh-Hans"


def in_both(text: Any) -> tuple[str, str]:
    """A lazy text in Chinese and in English, to be stored: whoever reads it later may read the other language."""
    with override(CHINESE):
        chinese = str(text)
    with override(ENGLISH):
        return chinese, str(text)


def listed(items: Iterable[Any]) -> str:
    """Several names in one line, joined as the reader's language joins them."""
    return gettext("、").join(map(str, items))


def clauses(items: Iterable[Any]) -> str:
    """Several half-sentences in one line, parted as the reader's language parts them."""
    return gettext("；").join(map(str, items))


def led_by(heading: Any, text: Any) -> str:
    """`标题：文字` with the reader's colon; the heading alone where there is no text."""
    return f"{heading}{gettext('：')}{text}" if text else str(heading)


def with_remark(text: Any, remark: Any) -> str:
    """`文字（附注）` with the reader's brackets; the text alone where there is nothing to remark."""
    return gettext("%(text)s（%(more)s）") % {"text": text, "more": remark} if remark else str(text)


def _told(form: Any, **values: Any) -> str:
    return str(form) % {name: str(value) for name, value in values.items()}


# A lazy sentence with lazy values in it: `told(gettext_lazy("满 %(count)s 件"), count=10)`.
told = lazy(_told, str)
