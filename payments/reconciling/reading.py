"""Typed rows out of a statement's records, by its form."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import BinaryIO

from common.clock import day_of
from common.money import ZERO, round_money
from payments.reconciling.files import Progress, Record, read_records
from payments.reconciling.forms import PAID, REFUND, Form, head, word
from payments.reconciling.rows import Kind, Period, Row, State, Statement, StatementError
from payments.reconciling.values import amount_of, exact_amount, is_rounded, plain, time_of

MAX_ROWS = 300_000
# Titles above the names of the columns.
HEADER_SEARCH = 40
SHOWN = 40
PERIOD = re.compile(r"起始日期[:：]?\s*\[?([^\]]+?)\]?\s+终止日期[:：]?\s*\[?([^\]]+?)\]?\s*$")
COUNTED = re.compile(r"交易合计[:：]\s*(\d+)\s*笔.*?退款合计[:：]\s*(\d+)\s*笔", re.ASCII)
TOTALS = ("合计", "总计", "小计")


def read_statement(file: BinaryIO, form: Form, progress: Progress | None = None) -> Statement:
    """All rows of the file. Raises StatementError, which names the line wherever one is to blame."""
    reader = _Reader(form)
    rows = []
    for row in reader.read(read_records(file, progress)):
        if len(rows) >= MAX_ROWS:
            raise StatementError("too_many_rows", line=row.line, limit=MAX_ROWS)
        rows.append(row)
    reader.finish(rows)
    return Statement(form=form.code, rows=rows, told=reader.told)


@dataclass(frozen=True)
class _Columns:
    """Where each field stands; `names` as the file writes them; `utc` says whether times are in UTC."""

    places: dict[str, int]
    names: list[str]
    utc: bool


class _Reader:
    def __init__(self, form: Form) -> None:
        self.form = form
        self.columns: _Columns | None = None
        self.told: Period | None = None
        self.line = 0
        self.ended = False
        # What the file's own summary says of its rows, and on which line.
        self.summary: tuple[int, int, int | None] | None = None

    def read(self, records: Iterable[Record]) -> Iterator[Row]:
        searched: list[Record] = []
        in_tail = False
        for record in records:
            self.line = record.number
            if record.is_comment:
                self._comment(record)
            elif self.columns is None:
                searched.append(record)
                self.columns = _columns(record.cells, self.form)
                if self.columns is None and len(searched) >= HEADER_SEARCH:
                    raise _no_columns(searched, self.form)
            elif in_tail:
                self._totals(record)
            elif self._is_tail(record.cells):
                in_tail = True
            else:
                yield self._row(record, self.columns)
        if self.columns is None:
            raise _no_columns(searched, self.form) if searched else StatementError("empty")

    def finish(self, rows: Sequence[Row]) -> None:
        """Whether the whole file is there, as far as it says so itself."""
        if self.form.ending and not self.ended:
            raise StatementError("cut_file", line=self.line, missing=self.form.ending)
        if self.form.code == "wechat" and self.summary is None:
            raise StatementError("cut_file", line=self.line, missing=self.form.tail)
        if self.summary is None:
            return
        line, told, refunds = self.summary
        found = len(rows)
        if refunds is not None:
            found = sum(row.kind == Kind.PAYMENT for row in rows)
            told_back, back = refunds, len(rows) - found
            if told_back != back:
                raise StatementError("wrong_count", line=line, told=told_back, found=back)
        if told != found:
            raise StatementError("wrong_count", line=line, told=told, found=found)

    def _comment(self, record: Record) -> None:
        text = record.cells[0]
        if self.form.ending and self.form.ending in text:
            self.ended = True
        if match := COUNTED.search(text):
            self.summary = (record.number, int(match[1]), int(match[2]))
        if match := PERIOD.search(text):
            first, last = (time_of(plain(part), utc=False) for part in match.groups())
            if first and last:
                # A statement of one day ends with the first moment of the next.
                self.told = Period(day_of(first), max(day_of(first), day_of(last - timedelta(microseconds=1))))

    def _is_tail(self, cells: Sequence[str]) -> bool:
        first = next((plain(cell) for cell in cells if plain(cell)), "")
        return bool(self.form.tail) and (first.startswith(self.form.tail) or first.startswith(TOTALS))

    def _totals(self, record: Record) -> None:
        if self.form.code == "wechat" and self.summary is None:
            told = plain(record.cells[0])
            if told.isascii() and told.isdigit() and len(told) < 9:
                self.summary = (record.number, int(told), None)

    def _row(self, record: Record, columns: _Columns) -> Row:
        found, expected = len(record.cells), len(columns.names)
        # A spreadsheet leaves out empty cells at the end of a row; a CSV never does.
        if found < expected and not record.may_be_short:
            raise StatementError("cut_row", line=record.number, found=found, expected=expected)
        return _Values(record, columns, self.form).row()


class _Values:
    """The fields of one record."""

    def __init__(self, record: Record, columns: _Columns, form: Form) -> None:
        self.record, self.columns, self.form = record, columns, form

    def row(self) -> Row:
        kind, state = self._meaning()
        amount = self._amount("amount")
        refund_amount = self._amount("refund_amount")
        if kind == Kind.REFUND or (amount is not None and amount < 0):
            # Forms that know no word for it write money that went back as a negative amount.
            kind, state = REFUND
            amount = refund_amount if refund_amount else amount
        if amount is None:
            raise self._error("amount", "amount")
        number, txn = self._text("number")[:64], self._text("txn")[:64]
        if not number and not txn:
            raise StatementError("no_number", line=self.record.number)
        return Row(
            line=self.record.number,
            kind=kind,
            number=number,
            txn=txn,
            amount=abs(amount),
            fee=self._fee(amount) if kind == Kind.PAYMENT and state != State.UNPAID else None,
            state=state,
            at=self._time(),
            refunded=self._refunded(kind),
            refund_number=self._text("refund_number")[:64] if kind == Kind.REFUND else "",
            currency=self._text("currency").upper()[:8] or "CNY",
        )

    def _text(self, name: str) -> str:
        place = self.columns.places.get(name)
        if place is None or place >= len(self.record.cells):
            return ""
        problem = self.record.bad.get(place)
        text = plain(self.record.cells[place])
        if problem is None and text.startswith("=") and name != "state":
            problem = "formula"
        if problem is None and name in {"number", "txn", "refund_number"} and is_rounded(text):
            problem = "rounded"
        if problem == "rounded" and name in {"amount", "fee", "at", "state", "currency"}:
            problem = None
        if problem:
            raise StatementError(problem, line=self.record.number, column=self._name(name))
        return text

    def _name(self, name: str) -> str:
        place = self.columns.places.get(name)
        return name if place is None else plain(self.columns.names[place])[:SHOWN]

    def _error(self, code: str, name: str) -> StatementError:
        value = self._text(name)[:SHOWN]
        return StatementError(code, line=self.record.number, column=self._name(name), value=value or "–")

    def _meaning(self) -> tuple[Kind, State]:
        if "state" not in self.columns.places:
            return PAID
        found = self.form.words.get(word(self._text("state")))
        if found is None:
            raise self._error("state", "state")
        return found

    def _amount(self, name: str) -> Decimal | None:
        text = self._text(name)
        if not text:
            return None
        found = amount_of(text)
        if found is None:
            raise self._error("amount", name)
        return found

    def _fee(self, amount: Decimal) -> Decimal | None:
        if "fee" in self.columns.places:
            text = self._text("fee")
            if not text:
                return None
            fee = exact_amount(text)
            if fee is None:
                raise self._error("amount", "fee")
            return round_money(fee * self.form.fee_sign)
        net = self._amount("net")
        return None if net is None else amount - net

    def _time(self) -> datetime | None:
        text = self._text("at")
        if not text or text.startswith("0000"):
            return None
        found = time_of(text, utc=self.columns.utc)
        if found is None:
            raise self._error("time", "at")
        return found

    def _refunded(self, kind: Kind) -> Decimal | None:
        if kind == Kind.REFUND or "refunded" not in self.columns.places:
            return None
        found = self._amount("refunded")
        return ZERO if found is None else abs(found)


def _columns(cells: Sequence[str], form: Form) -> _Columns | None:
    """Where the fields stand, when these cells are the names of this form's columns."""
    names = [head(plain(cell)) for cell in cells]
    places = {}
    for name, known in form.columns.items():
        place = next((names.index(head(one)) for one in known if head(one) in names), None)
        if place is not None:
            places[name] = place
    if not set(form.needs) <= set(places):
        return None
    width = max(place for place, name in enumerate(names) if name) + 1
    return _Columns(places, list(cells[:width]), "at" in places and "utc" in names[places["at"]])


def _no_columns(searched: Sequence[Record], form: Form) -> StatementError:
    """What is missing in the record that looks most like the names of columns."""

    def missing(record: Record) -> list[str]:
        names = {head(plain(cell)) for cell in record.cells}
        return [form.columns[one][0] for one in form.needs if not {head(known) for known in form.columns[one]} & names]

    best = min(searched, key=lambda record: len(missing(record)))
    return StatementError("no_columns", line=best.number, missing="、".join(missing(best)))
