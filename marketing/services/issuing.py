"""Coupons come to members: claimed, or given. Each once per reference.

An advisory lock per template and member makes that member's claims wait for each other and nobody else's; a place of a
limited template is a slot row taken with SKIP LOCKED. Behind both stand UNIQUE (template, owner, number) and the slot's
UNIQUE coupon.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import OperationalError, connection, transaction

from accounts.models import User
from audit.services import record
from common import clock
from common.clock import day_of, start_of_day
from common.locks import lock_name
from common.reasons import read_reason
from marketing.exceptions import (
    CouponLimitReached,
    CouponsSoldOut,
    NotClaimable,
    RefReused,
    TemplateNotFound,
)
from marketing.models import Coupon, CouponSlot, CouponTemplate
from membership.selectors import perks_for

# Somebody who holds the last slot may give it back: wait this long before "sold out".
RETRY_WAIT = "300ms"
MOST_AT_ONCE = 1000
_FREE = (
    "SELECT id FROM marketing_couponslot WHERE template_id = %s AND coupon_id IS NULL ORDER BY id LIMIT 1 FOR UPDATE"
)


def issue_coupon(*, template_id: int, user_id: int, ref: str, at: datetime) -> Coupon:
    """Give a member one coupon, once per `ref`; the same call again answers with the same coupon.

    The limit per member is for what members take themselves and does not hold here. Locks template and member (advisory),
    then a slot. Raises TemplateNotFound, NotClaimable for a template that is switched off or over, CouponsSoldOut,
    RefReused.
    """
    with transaction.atomic():
        template = held_template(template_id)
        known = known_coupon(ref, template, user_id)
        return known or add_coupon(template, user_id, ref, at)


def claim_coupon(*, user_id: int, template: str, storefront_id: int, ref: str) -> Coupon:
    """A member takes a coupon (by its template's public id), once per `ref`.

    Locks as `issue_coupon`. Raises what it raises, and CouponLimitReached.
    """
    with transaction.atomic():
        at = clock.now()
        found = held_template(template_pk(template))
        known = known_coupon(ref, found, user_id)
        if known is not None:
            return known
        check_takeable(found, user_id=user_id, storefront_id=storefront_id, at=at)
        if found.source != CouponTemplate.Source.CLAIM:
            raise NotClaimable
        return add_coupon(found, user_id, ref, at, most=found.per_member)


def issue_to_members(
    *, template_id: int, user_ids: Sequence[int], ref: str, reason: str, actor: User, address: str | None = None
) -> int:
    """Staff give each of these members a coupon, at most MOST_AT_ONCE; returns how many hold one now by `ref`.

    All or none, in one transaction and the audit log. Raises what `issue_coupon` raises, ReasonNeeded.
    """
    reason = read_reason(reason)
    with transaction.atomic():
        at = clock.now()
        members = sorted(set(user_ids))[:MOST_AT_ONCE]
        for user_id in members:
            issue_coupon(template_id=template_id, user_id=user_id, ref=f"staff:{ref}:{user_id}", at=at)
        record(
            action="marketing.coupons.issue",
            at=at,
            actor=actor,
            target_type=CouponTemplate._meta.label,
            target_id=template_id,
            detail={"members": len(members), "reason": reason, "ref": ref},
            address=address,
        )
    return len(members)


def template_pk(public_id: str) -> int:
    """The number behind a template's public id. Raises TemplateNotFound."""
    found = CouponTemplate.objects.filter(public_id=public_id).values_list("pk", flat=True).first()
    if found is None:
        raise TemplateNotFound
    return found


def held_template(template_id: int) -> CouponTemplate:
    """The template, kept from changing until the transaction ends; claims do not wait for each other by it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM marketing_coupontemplate WHERE id = %s FOR KEY SHARE", [template_id])
        if cursor.fetchone() is None:
            raise TemplateNotFound
    return CouponTemplate.objects.get(pk=template_id)


def known_coupon(ref: str, template: CouponTemplate, user_id: int) -> Coupon | None:
    """What this reference gave before, with the member's other claims of the template held off. Raises RefReused."""
    lock_name(f"coupon:{template.pk}:{user_id}")
    known = Coupon.objects.filter(source_ref=ref).select_related("template").first()
    if known is not None and (known.template_id, known.owner_id) != (template.pk, user_id):
        raise RefReused
    return known


def check_takeable(template: CouponTemplate, *, user_id: int, storefront_id: int, at: datetime) -> None:
    """Whether this member may take it at this time in this storefront. Raises NotClaimable."""
    is_open = template.starts_at <= at and (template.ends_at is None or at < template.ends_at)
    if not is_open or template.storefront_id not in {None, storefront_id}:
        raise NotClaimable
    if template.event_code:
        perks = perks_for(user_id=user_id, storefront_id=storefront_id)
        if template.event_code not in perks.events:
            raise NotClaimable


def add_coupon(template: CouponTemplate, user_id: int, ref: str, at: datetime, *, most: int | None = None) -> Coupon:
    """Write the coupon, at most `most` of the template for this member. Needs what `known_coupon` locked."""
    if not template.is_active:
        raise NotClaimable
    ends = expiry(template, at)
    if ends <= at:
        raise NotClaimable
    number = Coupon.objects.filter(template=template, owner=user_id).count() + 1
    if most is not None and number > most:
        raise CouponLimitReached(limit=most)
    slot_id = _take_slot(template) if template.total_limit is not None else None
    coupon = Coupon.objects.create(
        template=template, owner_id=user_id, number=number, source_ref=ref, issued_at=at, expires_at=ends
    )
    if slot_id is not None:
        CouponSlot.objects.filter(pk=slot_id).update(coupon=coupon)
    return coupon


def expiry(template: CouponTemplate, at: datetime) -> datetime:
    """The last second of a coupon issued at `at`: the end of a Shanghai day, or the template's own end."""
    ends = []
    if template.valid_days is not None:
        ends.append(start_of_day(day_of(at) + timedelta(days=template.valid_days + 1)) - timedelta(seconds=1))
    if template.valid_until is not None:
        ends.append(template.valid_until)
    return min(ends)


def _take_slot(template: CouponTemplate) -> int:
    """A free slot, locked. Raises CouponsSoldOut."""
    found = _free_slot(template, f"{_FREE} SKIP LOCKED") or _wait_for_slot(template)
    if found is None:
        raise CouponsSoldOut
    return found


def _wait_for_slot(template: CouponTemplate) -> int | None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{RETRY_WAIT}'")
            found = _free_slot(template, _FREE)
            cursor.execute("SET LOCAL lock_timeout = DEFAULT")
            return found
    except OperationalError:
        return _free_slot(template, f"{_FREE} SKIP LOCKED")


def _free_slot(template: CouponTemplate, statement: str) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [template.pk])
        row = cursor.fetchone()
    return row[0] if row else None
