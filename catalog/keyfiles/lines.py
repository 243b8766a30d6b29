"""Physical lines out of a binary file, decoded one by one, in memory that does not grow with the file."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .rows import MAX_KEY_CHARS, MAX_LINE_BYTES, RowError

CHUNK = 64 * 1024
# What U+FFFD turns into when it is saved as UTF-8 and read as GBK: the original letters are gone.
TWICE_BROKEN = "锟斤拷"
LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number from 1, and its text or why there is none."""

    number: int
    text: str = ""
    error: RowError | None = None


@dataclass(frozen=True, slots=True)
class Encoding:
    """`wide` is utf-16-le, utf-16-be or empty. `has_gbk` says that some line can only be GBK."""

    wide: str = ""
    has_gbk: bool = False


def detect_encoding(file: BinaryIO) -> Encoding:
    """Read the whole file once and say how its lines are to be decoded."""
    file.seek(0)
    head = file.read(4096)
    if head.startswith(codecs.BOM_UTF16_LE) or _every_other_is_nul(head, 1):
        return Encoding(wide="utf-16-le")
    if head.startswith(codecs.BOM_UTF16_BE) or _every_other_is_nul(head, 0):
        return Encoding(wide="utf-16-be")
    has_gbk = any(not _is(raw, "utf-8") and _is(raw, "gb18030") for _, raw in _byte_lines(_chunks(file, "")) if raw)
    return Encoding(has_gbk=has_gbk)


def read_lines(file: BinaryIO, encoding: Encoding) -> Iterator[Line]:
    """Every line of the file. A line too long or in no known encoding is a row error and the next ones go on."""
    for number, raw in _byte_lines(_chunks(file, encoding.wide)):
        if raw is None:
            yield Line(number, error=RowError("too_long", {"limit": MAX_KEY_CHARS}))
            continue
        text = _decode(raw, encoding.has_gbk)
        if text is None:
            yield Line(number, error=RowError("encoding"))
        elif "\ufffd" in text or TWICE_BROKEN in text:
            yield Line(number, error=RowError("damaged"))
        else:
            yield Line(number, text)


def _every_other_is_nul(head: bytes, offset: int) -> bool:
    """UTF-16 without a mark: ASCII in it has a NUL for every other byte, and on one side only."""
    if len(head) < 8:
        return False
    return head[offset::2].count(0) > 0.4 * len(head) / 2 and head[1 - offset :: 2].count(0) < 0.05 * len(head) / 2


def _chunks(file: BinaryIO, wide: str) -> Iterator[bytes]:
    """The file from its start in UTF-8, GBK, or whatever mix of the two it is in; UTF-16 is turned into UTF-8."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(wide)("replace") if wide else None
    while chunk := file.read(CHUNK):
        yield decoder.decode(chunk).encode("utf-8", "replace") if decoder else chunk
    if decoder:
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _byte_lines(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines without their ends, None for one longer than the limit.

    No byte of a line end occurs inside a character of UTF-8 or GB18030, so splitting comes before decoding.
    """
    number, rest, overlong = 1, b"", False
    for chunk in chunks:
        data = rest + chunk
        # A CR at the very end may be half of CRLF: it waits for the next chunk.
        held = b"\r" if data.endswith(b"\r") else b""
        pieces = LINE_END.split(data[: len(data) - len(held)])
        rest = pieces.pop() + held
        for piece in pieces:
            yield number, None if overlong or len(piece) > MAX_LINE_BYTES else piece
            number, overlong = number + 1, False
        if len(rest) > MAX_LINE_BYTES:
            rest, overlong = held, True
    rest = rest.removesuffix(b"\r")
    if overlong or rest:
        yield number, None if overlong or len(rest) > MAX_LINE_BYTES else rest


def _decode(raw: bytes, has_gbk: bool) -> str | None:
    """The text of a line. Shops glue files together, so one file may hold UTF-8 and GBK lines.

    A GBK line can happen to be valid UTF-8; then its characters all come out below U+0800 (Latin, Greek, Cyrillic …),
    which is taken for GBK in a file that is known to hold GBK.
    """
    if raw.isascii():
        return raw.decode("ascii")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError:
            return None
    if has_gbk and max(text) < "\u0800" and _is(raw, "gb18030"):
        return raw.decode("gb18030")
    return text


def _is(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
