"""The three forms of a key: what is delivered, what is fingerprinted, what is shown.

Two mistakes are possible and neither is cheap. If two writings of one key get two fingerprints, the key is sold twice.
If two keys get one fingerprint, the second is refused and a paid key lies unused. So the forms fold exactly what a
keyboard, a word processor or an export changes by itself, and nothing that an issuer could mean:

* Characters that nobody can see or type (BOM, zero width, direction marks, soft hyphens) go. Control characters go from
  the ends, where programs pad; inside they stand for letters that were lost, and `is_torn` says so.
* White space at both ends goes; inside, the fingerprint sees any run of it as one space.
* A Chinese input method's full-width letters and digits become ASCII: no issuer prints them, no redeem page takes them.
* Full-width punctuation between two ASCII characters becomes ASCII; after a Chinese word (`账号：`) it is prose and
  stays.
* Dashes that word processors put for hyphens (`—`, `–`, `－`, `─`) become hyphens between ASCII characters. A run of
  them is the separator `----` between an account and its password, whatever its length was.

Case stays: most codes are case-sensitive. NFKC as a whole is not used, because it also makes `①` into `1` and `ﬁ` into
`fi`, which differ in a password.
"""

import re

SEPARATOR = "----"

_CONTROLS = "\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f"
_INVISIBLE = (
    f"{_CONTROLS}"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
INVISIBLE = re.compile(f"[{_INVISIBLE}]+")
CONTROL = re.compile(f"[{_CONTROLS}]")
PADDING = re.compile(rf"\A[\s{_INVISIBLE}]+|[\s{_INVISIBLE}]+\Z")
# Line and page breaks of other systems: one key per line is what they meant.
BREAKS = re.compile("\r\n|[\n\r\u000b\u000c\u0085\u2028\u2029]")

_DASHES = "\u2010-\u2015\u2212\u2500\u2501\ufe58\ufe63\uff0d"
DASH = re.compile(f"[{_DASHES}]")
DASH_RUN = re.compile(f"[ \t\u3000]*(?:[{_DASHES}][-{_DASHES}]+|-+[{_DASHES}][-{_DASHES}]*)[ \t\u3000]*")
SPACED_SEPARATOR = re.compile(f"[ \t\u00a0\u3000]*{SEPARATOR}[ \t\u00a0\u3000]*")
LONG_HYPHENS = re.compile(r" ?-{3,} ?")
SPACES = re.compile(r"\s+")

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
WIDE_TO_ASCII = {**_WIDE, 0x3000: 0x20}
WIDE_WORDS = {code: plain for code, plain in _WIDE.items() if chr(plain).isalnum()}
WIDE_MARK = re.compile(r"(?<=[!-~])[\uff01-\uff5e](?=[!-~])")
LONE_DASH = re.compile(f"(?<=[!-~])[{_DASHES}](?=[!-~])")

PREVIEW_CHARS = 48


def clean(raw: str) -> str:
    """The text a buyer gets: everything visible as it was written, nothing invisible, separators as `----`."""
    if not raw.isascii():
        raw = INVISIBLE.sub("", raw).translate(WIDE_WORDS)
        raw = WIDE_MARK.sub(lambda mark: chr(_WIDE[ord(mark.group())]), raw)
        raw = LONE_DASH.sub("-", DASH_RUN.sub(SEPARATOR, raw))
    elif not raw.isprintable():
        raw = INVISIBLE.sub("", raw)
    raw = raw.strip()
    if "\t" in raw:
        # A tab is what is between two cells pasted from a spreadsheet; inside a key nobody could see it.
        raw = re.sub(r"[ \t]*\t[ \t]*", SEPARATOR, raw)
    if SEPARATOR in raw:
        raw = SPACED_SEPARATOR.sub(SEPARATOR, raw)
    return raw


def trim(raw: str) -> str:
    """Without what surrounds a text unseen."""
    return raw.strip() if raw.isprintable() else PADDING.sub("", raw)


def is_torn(raw: str) -> bool:
    """Whether control characters stand inside: what the issuer printed in their place is not known."""
    return not raw.isprintable() and bool(CONTROL.search(trim(raw)))


def normal_form(text: str) -> str:
    """The form of a cleaned key whose HMAC is its fingerprint."""
    if not text.isascii():
        text = DASH.sub("-", text.translate(WIDE_TO_ASCII))
    text = SPACES.sub(" ", text)
    return LONG_HYPHENS.sub(SEPARATOR, text)


def parts(text: str) -> list[str]:
    """Account, password and what else a line holds between separators."""
    return text.split(SEPARATOR)


def mask(text: str) -> str:
    """A preview that lets an operator or a buyer who chooses recognise a key without being able to use it.

    At most a third of a single key's letters show, at its two ends, and its shape. Of a pair the account shows like a
    single key; everything after the first separator is hidden with its length.
    """
    first, *rest = parts(SPACES.sub(" ", text))
    shown = [_mask_one(first), *("******" for part in rest if part)]
    preview = SEPARATOR.join(shown)
    return preview if len(preview) <= PREVIEW_CHARS else preview[: PREVIEW_CHARS - 1] + "…"


def _mask_one(text: str) -> str:
    total = sum(character.isalnum() for character in text)
    ends = min(4, total // 6)
    shown, seen = [], 0
    for character in text:
        if not character.isalnum():
            shown.append(character)
            continue
        shown.append(character if seen < ends or seen >= total - ends else "*")
        seen += 1
    masked = "".join(shown)
    if len(masked) > PREVIEW_CHARS - 16:
        half = (PREVIEW_CHARS - 17) // 2
        return f"{masked[:half]}…{masked[-half:]}"
    return masked
