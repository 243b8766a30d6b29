"""Win-back: flag who stays away, do what helps once in a spell, close the spell when they are back.

Every step may be run again: an open spell is unique per member, what was done is looked at under the spell's lock, and the
coupon has the spell's reference.
"""

import logging
from datetime import datetime, timedelta

from django.db import connection, transaction

from accounts.models import User
from catalog.selectors import shown_stock
from common import clock
from common.clock import day_of
from common.exceptions import DomainError
from common.locks import lock_one
from events.contracts import ComebackOffered
from events.services import emit
from insights.models import ONLY_ID, Spell, WinBackChoice, WinBackPlan
from insights.selectors.away import find_away, group_of, infer_reasons, spells_to_act_on, still_away, win_back_plan
from marketing.services import issue_coupon

logger = logging.getLogger(__name__)
SLICE = 1000
Reason, Group, Action = Spell.Reason, Spell.Group, Spell.Action
# What answers a reason for good; a question does not.
FINAL = {Action.RESTOCK, Action.GUIDE}

_ORDERED = """
UPDATE insights_spell s SET ordered_at = o.first
FROM (
    SELECT s.id, (SELECT min(paid_at) FROM orders_order o WHERE o.buyer_id = s.user_id AND o.paid_at > s.flagged_at) AS first
    FROM insights_spell s WHERE s.ordered_at IS NULL AND (s.ended_at IS NULL OR s.flagged_at > %s)
) o
WHERE o.id = s.id AND o.first IS NOT NULL
"""


def run_win_back(*, at: datetime) -> dict[str, int]:
    """One night: note who ordered, close spells that are over, flag new ones, act. Returns the counts of each.

    Does nothing while the plan is off.
    """
    plan = win_back_plan()
    if not plan.is_active:
        return {"ordered": 0, "ended": 0, "flagged": 0, "acted": 0}
    return {
        "ordered": note_orders(plan=plan, at=at),
        "ended": end_spells(plan=plan, at=at),
        "flagged": flag_away(plan=plan, at=at),
        "acted": act_on_spells(plan=plan, at=at),
    }


def note_orders(*, plan: WinBackPlan, at: datetime) -> int:
    """Write down the first order after each flag; a spell that is over is watched on until its days are."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ORDERED, [at - timedelta(days=plan.watch_days + 2)])
        return cursor.rowcount


def end_spells(*, plan: WinBackPlan, at: datetime) -> int:
    """Close the spells of members who are not away any more."""
    ended, after = 0, 0
    while rows := list(
        Spell.objects.filter(ended_at=None, pk__gt=after).order_by("pk").values_list("pk", "user")[:SLICE]
    ):
        after = rows[-1][0]
        away = still_away(plan, today=day_of(at), user_ids=[user_id for _pk, user_id in rows])
        back = [pk for pk, user_id in rows if user_id not in away]
        with transaction.atomic():
            ended += Spell.objects.filter(pk__in=back, ended_at=None, flagged_at__lte=at).update(ended_at=at)
    return ended


def flag_away(*, plan: WinBackPlan, at: datetime) -> int:
    """Open a spell for everybody who is away and has none. Group and reason are decided now and stay."""
    flagged, after = 0, 0
    while away := find_away(plan, today=day_of(at), after=after, most=SLICE):
        after = away[-1].user_id
        users = [one.user_id for one in away]
        reasons = infer_reasons(users, at=at)
        off = set(WinBackChoice.objects.filter(pk__in=users).values_list("pk", flat=True))
        rows = [
            Spell(
                user_id=one.user_id,
                flagged_at=at,
                quiet=one.quiet,
                no_order=one.no_order,
                last_seen=one.last_seen,
                last_order=one.last_order,
                reason=reasons[one.user_id].reason,
                sku_id=reasons[one.user_id].sku_id,
                group=Group.LEFT_OUT
                if one.user_id in off
                else group_of(one.user_id, control_percent=plan.control_percent),
            )
            for one in away
        ]
        with transaction.atomic():
            before = Spell.objects.filter(user__in=users, flagged_at=at).count()
            Spell.objects.bulk_create(rows, ignore_conflicts=True)
            flagged += Spell.objects.filter(user__in=users, flagged_at=at).count() - before
    return flagged


def act_on_spells(*, plan: WinBackPlan, at: datetime) -> int:
    """Do for open spells what their reason asks for, the latest first and no more than the plan allows in a night."""
    today = day_of(at)
    done = Spell.objects.filter(acted_at__gte=clock.start_of_day(today), acted_at__lte=at).count()
    left = max(plan.most_per_night - done, 0)
    waiting = list(spells_to_act_on(plan, at=at).values_list("pk", flat=True)[:left])
    return sum(act_on_spell(spell_id=pk, at=at) for pk in waiting)


def act_on_spell(*, spell_id: int, at: datetime) -> bool:
    """Write to one member, once in a spell; False where there is nothing to say yet. Locks the spell, then the coupon."""
    with transaction.atomic():
        spell = lock_one(Spell.objects.filter(pk=spell_id))
        plan = win_back_plan()
        if spell.action or not _may_write(spell, plan, at):
            return False
        return _act(spell, plan, at)


def state_reason(*, user: User, reason: str) -> Spell | None:
    """A member says why they stayed away; what helps comes at once. None where they are not away.

    Locks the spell, then the coupon. In the control group the words are kept and nothing is done.
    """
    with transaction.atomic():
        at = clock.now()
        spell = Spell.objects.filter(user=user, ended_at=None).first()
        if spell is None:
            return None
        spell = lock_one(Spell.objects.filter(pk=spell.pk))
        spell.stated, spell.stated_at = Reason(reason), at
        spell.save(update_fields=["stated", "stated_at"])
        wanted = {Reason.STOCK, Reason.HARD}
        if spell.group == Group.TREATED and spell.action not in FINAL and spell.stated in wanted:
            _act(spell, win_back_plan(), at)
    return spell


def choose_comeback(*, user: User, wanted: bool) -> None:
    """Whether such messages may come."""
    with transaction.atomic():
        if wanted:
            WinBackChoice.objects.filter(pk=user.pk).delete()
        else:
            WinBackChoice.objects.get_or_create(pk=user.pk, defaults={"off_at": clock.now()})


def save_win_back_plan(*, plan: WinBackPlan) -> None:
    with transaction.atomic():
        plan.pk = ONLY_ID
        plan.save()


def _may_write(spell: Spell, plan: WinBackPlan, at: datetime) -> bool:
    if spell.ended_at is not None or spell.group != Group.TREATED:
        return False
    if WinBackChoice.objects.filter(pk=spell.user_id).exists():
        return False
    rested = at - timedelta(days=plan.rest_days)
    return not Spell.objects.filter(user=spell.user_id, acted_at__gt=rested).exists()


def _act(spell: Spell, plan: WinBackPlan, at: datetime) -> bool:
    action = {Reason.STOCK: Action.RESTOCK, Reason.HARD: Action.GUIDE}.get(spell.known_reason, Action.ASK)
    if action == Action.RESTOCK:
        if spell.sku is not None and not shown_stock([spell.sku])[spell.sku_id]:
            return False  # it is told when it is there
        spell.coupon = _coupon(spell, plan, at)
    spell.action, spell.acted_at = action, at
    spell.save(update_fields=["action", "acted_at", "coupon"])
    emit(
        ComebackOffered(
            spell_id=spell.pk,
            user_id=spell.user_id,
            what=action,
            product_id=spell.sku.product_id if spell.sku is not None and action == Action.RESTOCK else None,
            coupon=spell.coupon is not None,
            offered_at=at,
        ),
        at=at,
    )
    return True


def _coupon(spell: Spell, plan: WinBackPlan, at: datetime):
    """The plan's coupon; none where it is sold out or switched off, and then none is promised."""
    if plan.coupon_id is None:
        return None
    try:
        with transaction.atomic():
            return issue_coupon(template_id=plan.coupon_id, user_id=spell.user_id, ref=f"comeback:{spell.pk}", at=at)
    except DomainError as refusal:
        logger.warning("no coupon for spell %s: %s", spell.pk, refusal.code)
        return None
