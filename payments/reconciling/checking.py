"""A statement is read and compared; what would become of it is kept until somebody confirms it."""

import hashlib
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common import clock
from common.exceptions import Conflict
from payments.models import Channel
from payments.reconciling.comparing import CaseKind, Compared, Difference, Progress, compare
from payments.reconciling.forms import form_for
from payments.reconciling.models import Reconciliation
from payments.reconciling.ours import books_for
from payments.reconciling.reading import read_statement
from payments.reconciling.rows import Period, State, Statement, StatementError

# More differences than anybody looks at: the wrong channel, the wrong day, or a statement of another shop.
MAX_DIFFERENCES = 5_000
# What was compared so long ago may no longer be so.
PREVIEW_FOR = timedelta(hours=2)
# Previews that nobody confirmed hold what a statement says; they are emptied.
UNCONFIRMED_FOR = timedelta(days=1)


class TooManyDifferences(Conflict):
    code = "too_many_differences"
    message = _("差异多达 %(count)s 处（最多 %(limit)s 处），请核对渠道、日期和账单格式是否选对")


class RunMoved(Conflict):
    """Confirmed, dropped or replaced by now."""

    code = "reconciliation_moved"
    message = _("这次对账已经处理过")


class PreviewOld(Conflict):
    code = "preview_old"
    message = _("预览已超过 %(hours)s 小时，请重新上传账单")


def check_statement(
    *,
    channel: Channel,
    file: BinaryIO,
    filename: str,
    form: str = "",
    period: Period | None = None,
    actor: User | None = None,
    reading: Progress | None = None,
    comparing: Progress | None = None,
) -> Reconciliation:
    """Compare a statement with our books and keep what was found, to be confirmed; makes no cases.

    `form` overrules the channel's own; without a period the statement's own days count. `reading` and `comparing` are told
    (done, of how many). Raises StatementError, TooManyDifferences.
    """
    statement = read_statement(
        file, form_for(chosen=form, protocol=channel.provider, settings=channel.settings), reading
    )
    whole = period is None
    if period is None:
        period = statement.period()
    else:
        _check_days(statement, period)
    # One picture of our side, however many queries it takes.
    with transaction.atomic():
        books = books_for(channel, period, statement.rows)
    found = compare(statement.rows, books, period, comparing, whole=whole)
    if len(found.differences) > MAX_DIFFERENCES:
        raise TooManyDifferences(count=len(found.differences), limit=MAX_DIFFERENCES)
    with transaction.atomic():
        return Reconciliation.objects.create(
            channel=channel,
            form=statement.form,
            filename=filename[-200:],
            digest=_digest(file),
            first_day=period.first,
            last_day=period.last,
            **_counts(found),
            found=[as_json(one) for one in found.differences],
            borders={name: sorted(getattr(found, name), key=str) for name in ("beyond", "waiting", "seen")},
            created_by_id=actor.pk if actor else None,
            created_at=clock.now(),
        )


def earlier_run(run: Reconciliation) -> Reconciliation | None:
    """The confirmed comparison of the very same file and days."""
    return (
        Reconciliation.objects.filter(
            channel_id=run.channel_id,
            digest=run.digest,
            first_day=run.first_day,
            last_day=run.last_day,
            state=Reconciliation.State.CONFIRMED,
        )
        .exclude(pk=run.pk)
        .first()
    )


def forget_unconfirmed() -> int:
    """Drop what nobody confirmed within a day, with what was found; returns how many."""
    old = Reconciliation.objects.filter(
        state=Reconciliation.State.CHECKED, created_at__lt=clock.now() - UNCONFIRMED_FOR
    )
    return old.update(state=Reconciliation.State.DROPPED, found=[], borders={})


def _check_days(statement: Statement, period: Period) -> None:
    """A statement that has times, and none of these days, is one of other days. One without any row is of no sales."""
    times = [row.at for row in statement.rows if row.at is not None and row.state != State.UNPAID]
    told = statement.told
    if told is not None and (told.last < period.first or told.first > period.last):
        raise StatementError("outside", first=period.first, last=period.last)
    if times and not any(period.holds(at) for at in times):
        raise StatementError("outside", first=period.first, last=period.last)


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _counts(found: Compared) -> dict[str, Any]:
    kinds = [one.kind for one in found.differences]
    return {
        "rows": found.rows,
        "matched": found.matched,
        "waiting": len(found.waiting),
        "outside": found.outside,
        "their_amount": found.their_amount,
        "our_amount": found.our_amount,
        **{str(kind): kinds.count(kind) for kind in CaseKind},
    }


def as_json(difference: Difference) -> dict[str, Any]:
    return {
        **asdict(difference),
        "kind": str(difference.kind),
        "aspect": str(difference.aspect),
        "day": difference.day.isoformat(),
        "amount": str(difference.amount),
    }


def from_json(stored: dict[str, Any]) -> Difference:
    return Difference(
        **{**stored, "day": date.fromisoformat(stored["day"]), "amount": Decimal(stored["amount"])},
    )
