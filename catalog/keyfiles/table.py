"""CSV in whatever dialect a Windows program wrote it, one record at a time."""

import itertools
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .columns import header_score, known_names
from .lines import Line
from .normal import clean
from .rows import MAX_KEY_CHARS, RowError

DELIMITERS = (",", "\t", ";", "|", "，", "；")
QUOTE = '"'
SAMPLE_LINES = 60
# Titles and empty rows above the header; suppliers write at most a delivery note's worth.
HEADER_SEARCH = 15
# A quoted cell may hold line breaks, but not a page of them: past this the quote was simply never closed.
MAX_RECORD_LINES = 40


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a table. `error` spoils the row; one in `cell_errors` only where its column is part of the key."""

    number: int
    cells: tuple[str, ...] = ()
    error: RowError | None = None
    cell_errors: dict[int, RowError] | None = None


def read_records(lines: Iterable[Line], delimiter: str) -> Iterator[Record]:
    """Records of a CSV. A quote that is never closed costs the line it stands on, not the rest of the file."""
    ahead: deque[Line] = deque()
    source = iter(lines)
    while True:
        line = ahead.popleft() if ahead else next(source, None)
        if line is None:
            return
        if line.error:
            yield Record(line.number, error=line.error)
            continue
        cells, open_quote = split_record(line.text, delimiter)
        if not open_quote:
            yield Record(line.number, tuple(cells))
            continue
        yield _finish_quoted(line, delimiter, ahead, source)


def _finish_quoted(first: Line, delimiter: str, ahead: deque[Line], source: Iterator[Line]) -> Record:
    """The record that starts on `first` inside an open quote; lines that turn out not to belong stay in `ahead`."""
    text = first.text
    for count in range(MAX_RECORD_LINES):
        if count >= len(ahead):
            line = next(source, None)
            if line is None:
                break
            ahead.append(line)
        if ahead[count].error or len(text) > MAX_KEY_CHARS:
            break
        text = f"{text}\n{ahead[count].text}"
        cells, open_quote = split_record(text, delimiter)
        if not open_quote:
            for _ in range(count + 1):
                ahead.popleft()
            return Record(first.number, tuple(cells))
    return Record(first.number, error=RowError("open_quote"))


def split_record(text: str, delimiter: str) -> tuple[list[str], bool]:
    """The cells of one record, and whether the last one is still inside its quotes.

    RFC 4180 with what Excel does: only a quote at the start of a cell opens one, anything after the closing quote is
    kept as it is.
    """
    if QUOTE not in text:
        return text.split(delimiter), False
    cells: list[str] = []
    position = 0
    while True:
        start = position
        while start < len(text) and text[start] == " " and delimiter != " ":
            start += 1
        if start < len(text) and text[start] == QUOTE:
            value, position, closed = _quoted(text, start + 1)
            if not closed:
                return [*cells, value], True
        else:
            value = ""
        end = text.find(delimiter, position)
        tail = text[position:] if end < 0 else text[position:end]
        cells.append(value + tail.rstrip() if value or start < position else tail)
        if end < 0:
            return cells, False
        position = end + len(delimiter)


def _quoted(text: str, start: int) -> tuple[str, int, bool]:
    """Inside of a quoted cell from `start`, the position after its closing quote, and whether there was one."""
    pieces: list[str] = []
    while True:
        end = text.find(QUOTE, start)
        if end < 0:
            return "".join([*pieces, text[start:]]), len(text), False
        pieces.append(text[start:end])
        if not text.startswith(QUOTE, end + 1):
            return "".join(pieces), end + 1, True
        pieces.append(QUOTE)
        start = end + 2


def sample(lines: Iterable[Line]) -> list[Line]:
    """The first lines that hold something, to guess a dialect from."""
    return list(itertools.islice((line for line in lines if not line.error and clean(line.text)), SAMPLE_LINES))


def guess_delimiter(texts: Sequence[str]) -> str:
    """The delimiter that names key columns in a header, else the one that gives the steadiest number of columns."""
    best, best_score = "", (0, 0.0)
    for delimiter in DELIMITERS:
        records = [split_record(text, delimiter)[0] for text in texts]
        widths = Counter(len(cells) for cells in records)
        width, times = widths.most_common(1)[0]
        named = max((header_score(cells) for cells in records[:HEADER_SEARCH] if len(cells) > 1), default=0)
        steady = times / len(records) if width > 1 else 0.0
        if (named or steady >= 0.8) and (named, steady) > best_score:
            best, best_score = delimiter, (named, steady)
    return best


def find_header(rows: Sequence[tuple[int, Sequence[str]]]) -> tuple[int, tuple[str, ...]]:
    """The number of the header row among the first `(number, cells)`, and the column names; (0, ()) without a header.

    The row that names most parts of a key, and then most known columns, is the header. A merged cell has its text only
    at the top left of its area, so a column that the header row leaves empty takes the last name above it.
    """
    scores = [(header_score(cells), known_names(cells)) for _, cells in rows[:HEADER_SEARCH]]
    top = max(scores, default=(0, 0))
    if not top[0]:
        return 0, ()
    index = scores.index(top)
    names = []
    for column in range(max(len(cells) for _, cells in rows[: index + 1])):
        above = [
            cells[column].strip() for _, cells in rows[: index + 1] if column < len(cells) and cells[column].strip()
        ]
        names.append(clean(above[-1]) if above else "")
    return rows[index][0], tuple(names)
