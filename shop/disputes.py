"""After-sale as a buyer reads it: what may be reported on a line, where a case stands, what comes next and by when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from catalog.models import Key
from catalog.services.sealing import open_key
from common import clock
from common.money import ZERO
from orders.models import Dispute, DisputeMove, DisputePicture, DisputePiece, DisputeRules, OrderLine
from orders.selectors import (
    CAUSES,
    Delivered,
    Piece,
    delivered_on_line,
    disputes_of_lines,
    may_report,
    pieces_of,
    report_until,
    reported_of,
    rules_of_disputes,
    story_of,
)
from orders.services import refundable_of

State, Outcome = Dispute.State, Dispute.Outcome
# A line with more keys is not listed key by key: bad ones are pasted.
LISTED = 50
TONES = {
    State.SELLER: "primary",
    State.OPERATOR: "primary",
    State.RESTOCK: "warn",
    State.DECIDED: "success",
    State.APPEALED: "primary",
    State.CLOSED: "",
    State.WITHDRAWN: "",
}
OUTCOME_TONES = {
    Outcome.REPLACE: "success",
    Outcome.REFUND: "success",
    Outcome.PARTIAL: "success",
    Outcome.REJECT: "danger",
}


def tone_of(dispute: Dispute) -> str:
    if dispute.state in {State.DECIDED, State.CLOSED} and dispute.outcome:
        return OUTCOME_TONES[Outcome(dispute.outcome)]
    return TONES[State(dispute.state)]


def label_of(dispute: Dispute) -> str:
    """The state in a word or two: how it ended is worth more than that it ended."""
    if dispute.state in {State.DECIDED, State.CLOSED} and dispute.outcome:
        return str(dispute.get_outcome_display())
    return str(dispute.get_state_display())


@dataclass(frozen=True)
class Entry:
    """After-sale beside one line of an order: the cases so far, and whether another may be opened until `until`."""

    line: OrderLine
    disputes: Sequence[Dispute]
    until: datetime | None

    @property
    def shown(self) -> list[tuple[Dispute, str, str]]:
        return [(one, label_of(one), tone_of(one)) for one in self.disputes]


def entries_of(lines: Iterable[OrderLine]) -> dict[int, Entry]:
    """Entries by line, for lines about which there is something to say or to do."""
    delivered = [line for line in lines if line.delivered_at is not None]
    if not delivered:
        return {}
    rules, at = rules_of_disputes(), clock.now()
    known = disputes_of_lines([line.pk for line in delivered])
    found = {}
    for line in delivered:
        disputes = known.get(line.pk, [])
        # What was given for a key is free again once its case is over.
        taken = sum(
            piece.is_taken and (one.is_open or piece.replacement_id is None)
            for one in disputes
            for piece in one.pieces.all()
        )
        whole = any(piece.is_taken and piece.key_id is None for one in disputes for piece in one.pieces.all())
        free = taken < line.pieces_delivered and not whole and may_report(line, rules, at)
        if disputes or free:
            found[line.pk] = Entry(line, disputes, report_until(line, rules) if free else None)
    return found


@dataclass(frozen=True)
class Choice:
    """A piece that may be chosen, or is in a case already."""

    piece: Piece
    text: str

    @property
    def value(self) -> str:
        return str(self.piece.key.pk) if self.piece.key else "whole"


@dataclass(frozen=True)
class Report:
    """What the form about one line needs. `choices` is empty where keys are pasted; `why_not` says why nothing can be sent."""

    line: OrderLine
    rules: DisputeRules
    until: datetime | None
    choices: list[Choice]
    pasted: bool
    is_open: bool
    cases: list[Dispute]

    @property
    def only(self) -> Choice | None:
        """The one choice of a line with one piece: there is nothing to choose."""
        return self.choices[0] if len(self.choices) == 1 and not self.choices[0].piece.dispute else None


def report_of(line: OrderLine) -> Report:
    rules, at = rules_of_disputes(), clock.now()
    pieces = pieces_of(line) if line.state == OrderLine.State.DELIVERED else []
    pasted = len(pieces) > LISTED
    texts = _texts([] if pasted or not pieces else delivered_on_line(line, limit=LISTED))
    choices = [Choice(piece, texts.get(piece.key.pk, "") if piece.key else "") for piece in pieces]
    return Report(
        line=line,
        rules=rules,
        until=report_until(line, rules),
        choices=[] if pasted else choices,
        pasted=pasted,
        is_open=may_report(line, rules, at) and any(piece.dispute is None for piece in pieces),
        cases=list({piece.dispute.pk: piece.dispute for piece in pieces if piece.dispute}.values()),
    )


def _texts(delivered: Iterable[Delivered]) -> dict[int | None, str]:
    return {one.key_id: one.text for one in delivered}


@dataclass(frozen=True)
class Step:
    """One thing that happened in the case, as its buyer reads it."""

    move: DisputeMove
    title: Any
    note: str
    pictures: list[DisputePicture]


@dataclass(frozen=True)
class CaseView:
    dispute: Dispute
    steps: list[Step]
    pieces: list[DisputePiece]
    title: str
    text: str
    fresh: list[tuple[str, str]]

    @property
    def tone(self) -> str:
        return tone_of(self.dispute)

    @property
    def may_add(self) -> bool:
        return self.dispute.state in Dispute.AT_DESK

    @property
    def may_withdraw(self) -> bool:
        return self.dispute.state in Dispute.AT_DESK

    @property
    def may_accept(self) -> bool:
        return self.dispute.state == State.DECIDED

    @property
    def may_appeal(self) -> bool:
        return self.dispute.state == State.DECIDED and not self.dispute.is_appeal

    @property
    def waits(self) -> bool:
        return self.dispute.state == State.RESTOCK

    @property
    def question(self) -> str:
        """What staff asked and the buyer has not replied to."""
        said = [step.move for step in self.steps if step.move.cause in {"asked", "added"}]
        return said[0].text if self.may_add and said and said[0].cause == "asked" else ""


def case_view(dispute: Dispute) -> CaseView:
    """The case with the keys that were given anew, opened. Only for whoever may see its order."""
    pieces = reported_of(dispute)
    title, text = _next(dispute)
    steps = [
        Step(move, CAUSES.get(move.cause, move.cause), _note(move), list(move.pictures.all()))
        for move in reversed(story_of(dispute))
    ]
    fresh = [(f"fresh-{piece.pk}", open_key(piece.replacement)) for piece in pieces if _is_held(piece.replacement)]
    return CaseView(dispute, steps, pieces, title, text, fresh)


def _is_held(key: Key | None) -> bool:
    """Whether the buyer still has the key that was given anew: it may have been replaced in turn."""
    return key is not None and key.state == Key.State.SOLD


def _note(move: DisputeMove) -> str:
    if move.cause == "answered" and move.outcome:
        return _("愿意：%(outcome)s") % {"outcome": move.get_outcome_display()}
    if move.amount:
        return f"{move.get_outcome_display()} ¥{move.amount:,}"
    return str(move.get_outcome_display()) if move.outcome else ""


def _next(dispute: Dispute) -> tuple[str, str]:
    """(where the case stands, what comes next and by when)."""
    until = clock_text(dispute.due_at) if dispute.due_at else ""
    values = {"until": until}
    if dispute.state == State.SELLER:
        return _("等卖家答复"), _("最晚 %(until)s 前答复；逾期没有答复，自动转平台裁定。") % values
    if dispute.state == State.OPERATOR:
        return _("等平台裁定"), _("最晚 %(until)s 前给出结果，会发消息告诉你。") % values
    if dispute.state == State.APPEALED:
        return _("申诉中"), _(
            "由另一位员工复核，最晚 %(until)s；到时没有其他员工复核的，可以由原裁定人复核。结果不再更改。"
        ) % values
    if dispute.state == State.RESTOCK:
        values["amount"] = str(refundable_of(dispute))
        return _("同意换新，正在等补货"), _("到货自动换新；%(until)s 还没有货，自动退 ¥%(amount)s。") % values
    if dispute.state == State.DECIDED:
        return _decided(dispute), _("不同意的话，可以在 %(until)s 前申诉一次；到时自动结束。") % values
    if dispute.state == State.WITHDRAWN:
        return _("已撤销"), _("质保期内还可以再次报告问题。")
    return _decided(dispute), _("售后已结束。")


def _decided(dispute: Dispute) -> str:
    if dispute.outcome == Outcome.REPLACE:
        return _("已换新")
    if dispute.refunded > ZERO:
        return _("已退款 ¥%(amount)s") % {"amount": f"{dispute.refunded:,}"}
    if dispute.outcome == Outcome.REJECT:
        return _("没有通过")
    return str(dispute.get_outcome_display() or dispute.get_state_display())


def clock_text(at: datetime) -> str:
    return f"{at.astimezone(clock.SHANGHAI):%m-%d %H:%M}"
