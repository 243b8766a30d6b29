"""Keys of the stock in words that people type: those that the writer has, opened; others by the fingerprints of words."""

import re
from collections.abc import Iterable, Iterator

from catalog.keyfiles import clean, mask, normal_form
from catalog.keyfiles.normal import SEPARATOR
from catalog.models import Key
from catalog.services.sealing import fingerprint, open_key
from catalog.services.stock import keys_of_lines
from common.concealing import LEAST, About, conceals
from common.crypto import DecryptionFailed

# A line with more keys is not opened whole for the sake of a text.
OPENED = 500
# A word is what stands between blanks, Chinese and quotes; longer and more ones are not looked up.
WORD = re.compile(r"[!-~]{6,200}")
WORDS = 60
_AROUND = ".,;:!?()[]{}<>\"'`"
_INSIDE = re.compile(r"[=:,;/|]")


@conceals
def keys(text: str, about: About) -> Iterable[tuple[str, str]]:
    """Keys in this text, as they are, with their previews."""
    held = keys_of_lines(about.lines, most=OPENED) if about.lines else []
    for key in held:
        try:
            yield from _with_parts(open_key(key), key.preview)
        except DecryptionFailed:
            # Its buyer cannot read it either, and complains of that in this text.
            continue
    products = {*about.products, *(key.product_id for key in held)}
    yield from _in_stock(text, products)


def _with_parts(opened: str, preview: str) -> Iterator[tuple[str, str]]:
    """A key, and what stands behind its first separator, which opens as much by itself."""
    yield opened, preview
    for part in opened.split(SEPARATOR)[1:]:
        if len(part) >= LEAST:
            yield part, "******"


def _in_stock(text: str, products: set[int]) -> Iterator[tuple[str, str]]:
    """Keys of these products that stand in the text as a word. Case makes another key, so each is tried in three."""
    if not products:
        return
    runs = WORD.findall(normal_form(clean(text)))[:WORDS]
    words = {word for run in runs for word in (run, run.strip(_AROUND), *_INSIDE.split(run)) if len(word) >= LEAST}
    marks = {
        fingerprint(form, product_id=product): word
        for word in words
        for form in {word, word.upper(), word.lower()}
        for product in products
    }
    found = Key.objects.filter(product_id__in=products, fingerprint__in=list(marks))
    for mark in found.values_list("fingerprint", flat=True):
        word = marks[bytes(mark)]
        yield word, mask(word)
