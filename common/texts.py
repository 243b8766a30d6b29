"""Texts that the shop keeps in two languages: Chinese always, English where somebody wrote it."""

from django.utils.translation import get_language


def in_language(chinese: str, english: str) -> str:
    """The English text for English readers where there is one; Chinese otherwise."""
    return english if english and (get_language() or "").startswith("en") else chinese
