"""Theirs against ours, and what differs. Pure: no database, no clock.

Days have borders, and the same payment may lie on either side of one: the gateway counts when it was paid, we when we heard
of it. So a payment near a border that this statement does not show is missing only when the statement on the other side
does not show it either; until that one was compared, it waits.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from common.clock import day_of
from common.money import CENT, ZERO, round_money
from payments.reconciling.books import Books, Mark, Neighbour, OurRefund, Ours
from payments.reconciling.models import ReconciliationCase
from payments.reconciling.rows import YUAN, Kind, Period, Row, State

Aspect, CaseKind = ReconciliationCase.Aspect, ReconciliationCase.Kind
# How far apart the gateway's time of a payment and ours may lie around midnight.
TOLERANCE = timedelta(minutes=30)
# Fees are rounded by the gateway per payment, per batch or not at all.
FEE_TOLERANCE = CENT
PROGRESS_EVERY = 1000
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Difference:
    kind: CaseKind
    aspect: Aspect
    reference: str
    day: date
    amount: Decimal
    line: int | None = None
    attempt_id: int | None = None
    transfer_id: int | None = None
    ours: dict[str, str] = field(default_factory=dict)
    theirs: dict[str, str] = field(default_factory=dict)


@dataclass
class Compared:
    """What came of it. `seen` is the money of ours that the statement shows; `beyond` what of it is outside its days. `outside`
    rows are of other days than were asked for, and were not compared."""

    rows: int = 0
    matched: int = 0
    their_amount: Decimal = ZERO
    our_amount: Decimal = ZERO
    differences: list[Difference] = field(default_factory=list)
    seen: set[Mark] = field(default_factory=set)
    beyond: set[Mark] = field(default_factory=set)
    waiting: set[Mark] = field(default_factory=set)
    outside: int = 0


def compare(
    rows: Sequence[Row], books: Books, period: Period, progress: Progress | None = None, *, whole: bool = False
) -> Compared:
    """Every difference between a statement's rows and our books, within `period`. `whole`: nobody chose days of it, so that
    rows beyond the days that it claims are compared, too."""
    return _Comparison(books, period, progress, whole=whole).run(rows)


def row_facts(row: Row) -> dict[str, str]:
    facts: dict[str, Any] = {
        "number": row.number,
        "txn": row.txn,
        "amount": row.amount,
        "fee": row.fee,
        "state": row.state,
        "at": row.at,
        "refunded": row.refunded or None,
        "refund_number": row.refund_number,
        "currency": "" if row.currency == YUAN else row.currency,
    }
    return _texts(facts)


def our_facts(ours: Ours) -> dict[str, str]:
    amount = ours.asked if ours.amount is None else ours.amount
    foreign = f"{ours.foreign.normalize():f} {ours.currency}" if ours.foreign is not None else ""
    return _texts(
        {
            "currency": foreign,
            "number": ours.number,
            "txn": ours.txn,
            "amount": amount,
            "state": ours.state,
            "at": ours.at,
        }
    )


def _texts(facts: Mapping[str, Any]) -> dict[str, str]:
    """Texts of what is there; times in UTC, as they are stored."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else str(value)
        for name, value in facts.items()
        if value not in (None, "")
    }


class _Comparison:
    def __init__(self, books: Books, period: Period, progress: Progress | None, *, whole: bool) -> None:
        self.books, self.period, self.progress, self.whole = books, period, progress, whole
        self.booked = [*books.attempts, *books.further]
        known = [one for one in self.booked if one.attempt_id is not None]
        self.by_txn = {one.txn: one for one in known if one.txn}
        # First payments before further ones.
        self.by_number: dict[str, list[Ours]] = defaultdict(list)
        for one in known:
            self.by_number[one.number].append(one)
        self.unexpected = {one.txn: one for one in books.further if one.attempt_id is None}
        self.found = Compared()
        # Payments whose row was compared; another one is a further payment.
        self.compared: set[Mark] = set()
        self.references: dict[tuple, int] = defaultdict(int)

    def run(self, rows: Sequence[Row]) -> Compared:
        wanted = [row for row in rows if self._is_wanted(row)]
        self.found.rows, self.found.outside = len(wanted), len(rows) - len(wanted)
        payments = [row for row in wanted if row.kind == Kind.PAYMENT]
        # Whose transaction we know goes first: of two payments with one number, the other one is the second.
        payments.sort(key=lambda row: row.txn not in self.by_txn)
        known_rows: dict[tuple, int] = defaultdict(int)
        for count, row in enumerate(payments, start=1):
            if self.progress is not None and count % PROGRESS_EVERY == 0:
                self.progress(count, len(payments))
            self._payment(row, known_rows)
        self._refunds([row for row in wanted if row.kind == Kind.REFUND])
        self._missing()
        if self.progress is not None:
            self.progress(len(payments), len(payments))
        return self.found

    def _is_wanted(self, row: Row) -> bool:
        """Rows of other days are another comparison's; near the border they help this one."""
        return self.whole or self._is_near(row)

    def _is_near(self, row: Row) -> bool:
        return row.at is None or self.period.start - TOLERANCE <= row.at < self.period.end + TOLERANCE

    def _is_of_period(self, row: Row, ours: Ours | None) -> bool:
        if row.at is None or self.period.holds(row.at):
            return True
        # Near the border, what we know is the neighbour's; a statement's other rows are in no other one.
        return self.whole and (ours is None or not self._is_near(row))

    def _ours(self, row: Row) -> Ours | None:
        """The payment that a row is about. Where a statement tells no transactions, that of its amount among several."""
        if row.txn and row.txn in self.by_txn:
            return self.by_txn[row.txn]
        some = self.by_number.get(row.number) or [None]
        if row.txn or len(some) == 1:
            return some[0]
        return min(some, key=lambda one: (one.mark in self.compared, one.booked_in(row.currency) != row.amount))

    def _payment(self, row: Row, known_rows: dict[tuple, int]) -> None:
        ours = self._ours(row)
        if row.txn in self.unexpected and row.state != State.UNPAID:
            self._see(self.unexpected[row.txn])
        if not self._is_of_period(row, ours):
            # Its facts are for the statement of its own day; here it only shows that the payment is not missing.
            if ours is not None and row.state != State.UNPAID:
                self._see(ours)
            return
        if row.state == State.UNPAID:
            self._unpaid(row, ours)
            return
        amount = ours.in_yuan(row.amount, row.currency) if ours else row.amount
        self.found.their_amount += amount
        key = (row.txn, row.number if not row.txn else "")
        known_rows[key] += 1
        if known_rows[key] > (1 if row.txn else max(1, len(self.by_number.get(row.number, ())))):
            self._add_row(CaseKind.DUPLICATE, Aspect.ROW, row, amount, again=known_rows[key])
        elif ours is None:
            self._add_row(CaseKind.EXTRA, Aspect.UNKNOWN, row, amount)
        elif not ours.is_paid:
            self._add_row(CaseKind.EXTRA, Aspect.UNPAID, row, amount, ours)
        elif ours.mark in self.compared:
            self._add_row(CaseKind.DUPLICATE, Aspect.TWICE, row, amount, ours)
        else:
            self.compared.add(ours.mark)
            self._see(ours)
            self._facts(row, ours)

    def _unpaid(self, row: Row, ours: Ours | None) -> None:
        if ours is None or not ours.is_paid:
            return
        if row.txn and ours.txn and row.txn != ours.txn:
            # Another try of the buyer under the same number, which came to nothing.
            return
        self.compared.add(ours.mark)
        self._see(ours)
        self._add_row(CaseKind.DIFFERENT, Aspect.STATE, row, -(ours.amount or ZERO), ours)

    def _see(self, ours: Ours) -> None:
        self.found.seen.add(ours.mark)
        if ours.at is not None and not self.period.holds(ours.at):
            self.found.beyond.add(ours.mark)

    def _facts(self, row: Row, ours: Ours) -> None:
        """What both sides say of a payment that both know."""
        before = len(self.found.differences)
        booked = ours.booked_in(row.currency)
        if booked is None:
            self._add_row(CaseKind.DIFFERENT, Aspect.CURRENCY, row, ZERO, ours)
        elif row.amount != booked:
            differs = ours.in_yuan(row.amount, row.currency) - (ours.amount or ZERO)
            self._add_row(CaseKind.DIFFERENT, Aspect.AMOUNT, row, differs, ours)
        if (row.number and row.number != ours.number) or (row.txn and row.txn != ours.txn):
            self._add_row(CaseKind.DIFFERENT, Aspect.NUMBER, row, ZERO, ours)
        if row.fee is not None and self.books.fee_rate:
            expected = round_money(row.amount * self.books.fee_rate)
            if abs(row.fee - expected) > FEE_TOLERANCE:
                differs = ours.in_yuan(row.fee - expected, row.currency)
                self._add_row(CaseKind.DIFFERENT, Aspect.FEE, row, differs, ours, fee=expected)
        self._refunded(row, ours)
        if len(self.found.differences) == before:
            self.found.matched += 1

    def _refunded(self, row: Row, ours: Ours) -> None:
        """Where a payment's own row says what was given back of it until now."""
        told = row.refunded
        if row.state == State.REFUNDED:
            told = row.refunded or row.amount
        if told is None:
            return
        # We have only first payments given back.
        mine = () if ours.is_further else self.books.refunds
        own = sum((one.amount for one in mine if one.payment == ours.number), ZERO)
        told = ours.in_yuan(told, row.currency)
        # A part of foreign money is rounded to its own cents.
        if abs(told - own) > (ZERO if row.currency == YUAN or ours.rate is None else ours.rate * CENT):
            self._add_row(CaseKind.DIFFERENT, Aspect.REFUND, row, own - told, ours, refunded=own)

    def _refunds(self, rows: Sequence[Row]) -> None:
        """Refunds that the statement lists in rows of their own, against those of our days."""
        left: dict[str, list[OurRefund]] = defaultdict(list)
        for one in self.books.refunds:
            left[one.payment].append(one)
        known: set[tuple] = set()
        for row in rows:
            ours = self._ours(row)
            payment = ours.number if ours else row.number
            key = (row.refund_number, payment or row.txn, row.amount if not row.refund_number else None)
            if row.refund_number and key in known:
                self._add_row(CaseKind.DUPLICATE, Aspect.ROW, row, -row.amount, ours, refund=True)
                continue
            known.add(key)
            match = _match(row, left[payment])
            if match is None:
                if self._is_of_period(row, ours):
                    self._add_row(CaseKind.EXTRA, Aspect.REFUND, row, -row.amount, ours, refund=True)
                continue
            left[payment].remove(match)
            if match.amount != row.amount:
                self._add_row(
                    CaseKind.DIFFERENT,
                    Aspect.REFUND,
                    row,
                    match.amount - row.amount,
                    ours,
                    refund=True,
                    refunded=match.amount,
                )
            else:
                self.found.matched += 1
        # A file without any refund row may be one that never lists them.
        for one in (one for ones in left.values() for one in ones if rows and self._is_well_inside(one.at)):
            facts = _texts({"number": one.payment, "refund_number": one.number, "refunded": one.amount, "at": one.at})
            attempt = next(iter(self.by_number.get(one.payment, ())), None)
            self._add(
                kind=CaseKind.MISSING,
                aspect=Aspect.REFUND,
                reference=one.number,
                day=day_of(one.at),
                amount=one.amount,
                attempt_id=attempt.attempt_id if attempt else None,
                ours=facts,
            )

    def _is_well_inside(self, at: datetime) -> bool:
        return self.period.start + TOLERANCE <= at < self.period.end - TOLERANCE

    def _missing(self) -> None:
        start, end = self.period.start, self.period.end
        for ours in self.booked:
            at = ours.at
            if not ours.is_paid or at is None:
                continue
            inside = start <= at < end
            if inside:
                self.found.our_amount += ours.amount or ZERO
            if ours.mark in self.found.seen or ours.mark in self.books.beyond:
                continue
            if abs(at - start) < TOLERANCE:
                self._at_border(ours, inside, self.books.before)
            elif abs(at - end) < TOLERANCE:
                self._at_border(ours, inside, self.books.after)
            elif inside:
                self._miss(ours)

    def _at_border(self, ours: Ours, inside: bool, neighbour: Neighbour | None) -> None:
        if neighbour is None:
            if inside:
                self.found.waiting.add(ours.mark)
        elif inside or ours.mark in neighbour.waiting:
            # Inside: what the neighbour showed of our days is in `beyond`, and was passed over already.
            self._miss(ours)

    def _miss(self, ours: Ours) -> None:
        self._add(
            kind=CaseKind.MISSING,
            aspect=Aspect.PAYMENT,
            reference=ours.reference,
            day=day_of(ours.at) if ours.at else self.period.first,
            amount=-(ours.amount or ZERO),
            attempt_id=ours.attempt_id,
            transfer_id=ours.transfer_id,
            ours=our_facts(ours),
        )

    def _add_row(
        self,
        kind: CaseKind,
        aspect: Aspect,
        row: Row,
        amount: Decimal,
        ours: Ours | None = None,
        *,
        again: int = 0,
        refund: bool = False,
        **expected: Decimal,
    ) -> None:
        reference = row.txn or row.number
        if refund:
            reference = f"{reference}:{row.refund_number or row.amount}"
        if again:
            reference = f"{reference}:{again}"
        own = our_facts(ours) if ours else {}
        self._add(
            kind=kind,
            aspect=aspect,
            reference=reference,
            day=day_of(row.at) if row.at else self.period.first,
            line=row.line,
            amount=amount,
            attempt_id=ours.attempt_id if ours else None,
            transfer_id=self.books.unclaimed.get(row.txn),
            ours={**own, **_texts(expected)},
            theirs=row_facts(row),
        )

    def _add(self, *, reference: str, **facts: Any) -> None:
        # Two rows may say the very same, such as two refunds of one amount without numbers: each is a difference.
        key = (facts["kind"], facts["aspect"], reference)
        self.references[key] += 1
        if self.references[key] > 1:
            reference = f"{reference}:{self.references[key]}"
        self.found.differences.append(Difference(reference=reference, **facts))


def _match(row: Row, candidates: Iterable[OurRefund]) -> OurRefund | None:
    """Our refund that a row tells of: by its number, else one of the same amount."""
    candidates = list(candidates)
    if row.refund_number:
        return next((one for one in candidates if one.number == row.refund_number), None)
    return next((one for one in candidates if one.amount == row.amount), None)
