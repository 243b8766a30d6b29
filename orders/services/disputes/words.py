"""What people write in a case. Keys that they copy into it are masked: no key stands in the open in the database."""

from catalog.services.sealing import open_key
from catalog.services.stock import keys_of_lines
from orders.exceptions import BadWords
from orders.models import OrderLine

MIN_WORDS = 5
# A line with more keys is not opened whole for the sake of a text.
LOOKED_AT = 500


def read_words(text: str, *, most: int, least: int = 1) -> str:
    """The text without what no page can show, trimmed. Raises BadWords."""
    text = text.replace("\0", "").replace("\r\n", "\n").strip()
    if not least <= len(text) <= most:
        raise BadWords(field="text", least=least, most=most)
    return text


def conceal_keys(text: str, line: OrderLine) -> str:
    """The text with every key of the line that it holds replaced by the key's masked preview."""
    for key in keys_of_lines([line.pk])[:LOOKED_AT]:
        opened = open_key(key)
        if opened in text:
            text = text.replace(opened, key.preview)
    return text
