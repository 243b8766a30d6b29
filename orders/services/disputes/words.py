"""What people write in a case."""

from orders.exceptions import BadWords

MIN_WORDS = 5


def read_words(text: str, *, most: int, least: int = 1) -> str:
    """The text without what no page can show, trimmed. Raises BadWords."""
    text = text.replace("\0", "").replace("\r\n", "\n").strip()
    if not least <= len(text) <= most:
        raise BadWords(field="text", least=least, most=most)
    return text
