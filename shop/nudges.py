"""Nudges where they help: after an order, with goods left before one, when a streak is about to break.

What is shown is counted as shown; each kind once a day at most (membership.services.nudges).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.http import HttpRequest
from django.utils.translation import gettext as _

from common import clock
from common.exceptions import DomainError
from common.money import round_money
from membership.models import Nudge
from membership.selectors import (
    Person,
    Standing,
    is_evening,
    just_shown,
    order_counts,
    person_of,
    rate_text,
    shown_lately,
    streak_at_risk,
)
from membership.services import CART_WAIT, may_nudge, note_dwell, note_nudge, show_nudge
from orders.models import Order
from orders.services import CartSaving, Item, cart_saving
from shop import visitor

Kind = Nudge.Kind
# An order is news for so long.
FRESH = timedelta(hours=24)


@dataclass(frozen=True)
class Word:
    """A nudge in words. `public_id` is followed to where it leads."""

    public_id: str
    kind: str
    text: str
    more: str
    action: str


@dataclass(frozen=True)
class Waiting:
    """Goods left before an order: the nudge, or after how many seconds to ask again; 0 for never."""

    word: Word | None = None
    seconds: int = 0


def after_order(request: HttpRequest, order: Order, standing: Standing) -> Word | None:
    """The gap to the next tier, right after an order that counts. Equal to what the stored trace says."""
    above, member, at = standing.next, standing.member, clock.now()
    if (
        above is None
        or not above.todo
        or member is None
        or order.delivered_at is None
        or at - order.delivered_at > FRESH
        or not order_counts(standing, order_id=order.pk)
    ):
        return None
    subject = f"order:{order.pk}"
    known = shown_lately(user_id=member.user_id, kind=Kind.ORDER, subject=subject, at=at)
    nudge = known or show_nudge(
        user_id=member.user_id,
        storefront_id=order.storefront_id,
        kind=Kind.ORDER,
        subject=subject,
        detail={"rank": above.rank, "todo": above.todo},
        at=at,
    )
    if nudge is None:
        return None
    text = _("%(todo)s，即可成为%(tier)s") % {"todo": above.todo, "tier": above.name}
    more = _("、").join(benefit.text for benefit in above.benefits[:2])
    return Word(nudge.public_id, nudge.kind, text, more, _("看看怎么升级"))


def before_order(request: HttpRequest, items: Sequence[Item], at: datetime) -> Waiting:
    """The true saving at the next tier that is cheaper, once the same goods have been looked at for two minutes."""
    user = visitor.member(request)
    if user is None or not items:
        return Waiting()
    storefront = request.storefront
    dwelled = note_dwell(user_id=user.pk, storefront_id=storefront.pk, mark=mark_of(items), at=at)
    if dwelled < CART_WAIT:
        return Waiting(seconds=_whole_seconds(CART_WAIT - dwelled))
    # What it costs at other tiers is asked only when it may be said.
    may = may_nudge(user_id=user.pk, kind=Kind.CART, at=at)
    return Waiting(_saving(request, items, at) if may else None)


def _whole_seconds(left: timedelta) -> int:
    """Rounded up: whoever asks again after so long is not too early."""
    return -(-left // timedelta(seconds=1))


def _saving(request: HttpRequest, items: Sequence[Item], at: datetime) -> Word | None:
    user, storefront = request.user, request.storefront
    try:
        saving = cart_saving(storefront=storefront, user_id=user.pk, items=items)
    except DomainError:
        return None  # What cannot be bought as it is saves nothing.
    if saving is None:
        return None
    nudge = show_nudge(
        user_id=user.pk,
        storefront_id=storefront.pk,
        kind=Kind.CART,
        subject=mark_of(items),
        detail={"rank": saving.rank, "now": str(saving.now), "then": str(saving.then)},
        at=at,
    )
    if nudge is None:
        return None
    more = _("¥%(now)s → ¥%(then)s，省 ¥%(saved)s") % {"now": saving.now, "then": saving.then, "saved": saving.saved}
    return Word(nudge.public_id, nudge.kind, _saving_text(saving), more, _("看看怎么升级"))


def _saving_text(saving: CartSaving) -> str:
    rate = (saving.then / saving.now).quantize(Decimal("0.001"))
    if rate == 1:
        # Too little to say as a rate.
        return _("成为%(tier)s，这一单更便宜") % {"tier": saving.tier}
    # A cent that rounding makes is no difference.
    exact = round_money(rate * saving.now) == saving.then
    return (_("成为%(tier)s，这一单额外%(rate)s") if exact else _("成为%(tier)s，这一单额外约%(rate)s")) % {
        "tier": saving.tier,
        "rate": rate_text(rate).replace(" 折", "折"),
    }


def mark_of(items: Sequence[Item]) -> str:
    """The same for the same goods in the same quantities, in whatever order."""
    goods = "\n".join(sorted(f"{item.sku}:{item.quantity}" for item in items))
    return hashlib.sha256(goods.encode()).hexdigest()


def before_midnight(request: HttpRequest, person: Person | None = None) -> Word | None:
    """A streak of check-ins that ends tonight. `person` is the visitor, where the page has read them already."""
    user, at = visitor.member(request), clock.now()
    if user is None or not is_evening(at):
        return None
    person = person or person_of(user_id=user.pk, at=at)
    streak = streak_at_risk(person)
    nudge = _streak_nudge(request, person, streak) if streak else None
    if nudge is None:
        return None
    text = _("已连续签到 %(days)s 天，今天还没签") % {"days": streak}
    return Word(nudge.public_id, nudge.kind, text, _("零点前签到，连续天数就不会断。"), _("去签到"))


def _streak_nudge(request: HttpRequest, person: Person, streak: int) -> Nudge | None:
    """The day's reminder: the one that was just shown, or a new one for who wants it and had none today."""
    if not person.choices.nudge_streak:
        return None
    if person.reminded is not None:
        return person.reminded if just_shown(person.reminded, person.at) else None
    return note_nudge(
        user_id=person.user_id,
        storefront_id=request.storefront.pk,
        kind=Kind.STREAK,
        subject=f"streak:{clock.day_of(person.at)}",
        detail={"streak": streak},
        at=person.at,
    )
