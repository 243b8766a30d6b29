"""Showing nudges and counting what comes of them. The time rules are kept here, by stored times and the shop's clock.

A kind is shown once a day at most: what is about buying waits 24 hours, so that an evening and the next morning are not
two days; a streak ends at midnight, so that its reminder goes by days. The unique (member, kind, day) is the last line.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction

from common.clock import day_of
from common.sql import run
from membership.models import Dwell, EarningPreference, Nudge

Kind = Nudge.Kind
CART_WAIT = timedelta(seconds=120)
REST = {Kind.ORDER: timedelta(hours=24), Kind.CART: timedelta(hours=24), Kind.STREAK: timedelta(0)}
# Goods that nobody has looked at for so long were left, and come back to anew.
DWELL_ENDS = timedelta(minutes=30)
# Within which time what a nudge asks for counts as its effect.
EFFECT_WITHIN = {Kind.ORDER: timedelta(days=7), Kind.CART: timedelta(hours=24), Kind.STREAK: timedelta(hours=24)}
# Long enough to compare a month with the same one of last year.
NUDGES_KEPT = timedelta(days=400)
SWITCHES = {Kind.ORDER: "nudge_order", Kind.CART: "nudge_cart", Kind.STREAK: "nudge_streak"}

_NOTE_DWELL = """
INSERT INTO membership_dwell AS known (user_id, storefront_id, mark, opened_at, seen_at)
VALUES (%(user)s, %(storefront)s, %(mark)s, %(at)s, %(at)s)
ON CONFLICT (user_id, storefront_id) DO UPDATE SET
    opened_at = CASE WHEN known.mark = EXCLUDED.mark AND known.seen_at >= %(ended)s
        THEN LEAST(known.opened_at, EXCLUDED.opened_at) ELSE EXCLUDED.opened_at END,
    mark = EXCLUDED.mark,
    seen_at = EXCLUDED.seen_at
RETURNING opened_at
"""
_FORGET_DWELLS = """
DELETE FROM membership_dwell WHERE id IN (
    SELECT dwell.id FROM membership_dwell AS dwell
    JOIN unnest(%s::bigint[], %s::bigint[]) AS place (user_id, storefront_id) USING (user_id, storefront_id)
    ORDER BY dwell.id FOR UPDATE OF dwell
)
"""


def note_dwell(*, user_id: int, storefront_id: int, mark: str, at: datetime) -> timedelta:
    """Write down that a member has these goods before them; returns for how long they have.

    Other goods, or the same after a pause, begin anew. One statement.
    """
    values = {"user": user_id, "storefront": storefront_id, "mark": mark, "at": at, "ended": at - DWELL_ENDS}
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_DWELL, values)
        [opened_at] = cursor.fetchone()
    return at - opened_at


def forget_dwell(*, user_id: int, storefront_id: int) -> None:
    """Nothing lies before the member any more: it was bought or taken out."""
    Dwell.objects.filter(user=user_id, storefront=storefront_id).delete()


def forget_dwells(*, places: Collection[tuple[int, int]]) -> None:
    """The same for many, each a user and a storefront. Locks the rows by id."""
    if places:
        run(_FORGET_DWELLS, [list(column) for column in zip(*places, strict=True)])


def may_nudge(*, user_id: int, kind: str, at: datetime) -> bool:
    """Whether the member wants this kind and has had enough rest from it."""
    if EarningPreference.objects.filter(pk=user_id, **{SWITCHES[Kind(kind)]: False}).exists():
        return False
    shown = Nudge.objects.filter(user=user_id, kind=kind, day__gte=day_of(at - REST[Kind(kind)]))
    return not any(one.day == day_of(at) or one.shown_at > at - REST[Kind(kind)] for one in shown)


def show_nudge(
    *, user_id: int, storefront_id: int, kind: str, subject: str, detail: Mapping[str, Any], at: datetime
) -> Nudge | None:
    """Count a nudge as shown; None where it is not to be shown now. Of two pages at once only one shows it."""
    if not may_nudge(user_id=user_id, kind=kind, at=at):
        return None
    return note_nudge(user_id=user_id, storefront_id=storefront_id, kind=kind, subject=subject, detail=detail, at=at)


def note_nudge(
    *, user_id: int, storefront_id: int, kind: str, subject: str, detail: Mapping[str, Any], at: datetime
) -> Nudge | None:
    """Count a nudge as shown, for who knows already that it may be; None where another page was first."""
    nudge = Nudge(user_id=user_id, storefront_id=storefront_id, kind=kind, subject=subject, detail=dict(detail))
    nudge.day, nudge.shown_at = day_of(at), at
    try:
        with transaction.atomic():
            nudge.save(force_insert=True)
    except IntegrityError as error:
        if "nudge_once_a_day" not in str(error):
            raise
        return None
    return nudge


def note_click(*, user_id: int, public_id: str, at: datetime) -> Nudge | None:
    """The member followed a nudge; the first time counts. None for what is not theirs."""
    nudge = Nudge.objects.filter(user=user_id, public_id=public_id).first()
    if nudge is not None and nudge.clicked_at is None:
        Nudge.objects.filter(pk=nudge.pk, clicked_at=None).update(clicked_at=at)
    return nudge


def note_effect(*, user_id: int, kind: str, at: datetime, other_than: str = "") -> int:
    """What nudges of a kind ask for has happened at `at`: those shown shortly before worked. `other_than` is a subject
    that does not count: the order that a nudge followed is not its effect. Returns how many it were."""
    rows = Nudge.objects.filter(
        user=user_id,
        kind=kind,
        converted_at=None,
        shown_at__gte=at - EFFECT_WITHIN[Kind(kind)],
        shown_at__lte=at,
    )
    return rows.exclude(subject=other_than).update(converted_at=at)


def note_order_effect(*, user_id: int, order_id: int, paid_at: datetime) -> None:
    """A paid order: what nudges about buying ask for. The order that a nudge followed is not its effect."""
    note_effect(user_id=user_id, kind=Kind.CART, at=paid_at)
    note_effect(user_id=user_id, kind=Kind.ORDER, at=paid_at, other_than=f"order:{order_id}")


def forget_old_nudges(*, at: datetime) -> int:
    """Delete what was shown more than NUDGES_KEPT ago, and goods that nobody has looked at for a day; returns how many
    nudges it were."""
    Dwell.objects.filter(seen_at__lt=at - timedelta(days=1)).delete()
    return Nudge.objects.filter(day__lt=day_of(at - NUDGES_KEPT)).delete()[0]


def choose_nudges(*, user_id: int, wanted: Mapping[str, bool]) -> None:
    """Remember which kinds a person wants; kinds that are not named stay as they are."""
    chosen = {SWITCHES[Kind(kind)]: is_wanted for kind, is_wanted in wanted.items()}
    EarningPreference.objects.update_or_create(user_id=user_id, defaults=chosen)
