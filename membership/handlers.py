"""What membership does when it hears of registrations, friends, orders and reviews."""

from collections.abc import Collection, Sequence
from datetime import datetime

from common import clock
from common.metrics import add_gauge
from events.contracts import (
    DisputeClosed,
    InviteeActive,
    InviteeSpent,
    OrderDelivered,
    OrderPaid,
    OrderRefunded,
    OrderSettled,
    ReviewPublished,
    ReviewWithdrawn,
    UserRegistered,
)
from events.registry import News, handles_many, subscribe
from membership import services
from membership.models import Task
from membership.selectors import nudged_users, orders_for_tasks, orders_that_wait
from membership.selectors.differences import count_differences, pass_ages, passes_open


@subscribe(UserRegistered, "membership.ensure_member")
def welcome(event: UserRegistered, *, at: datetime) -> None:
    services.ensure_member(user_id=event.user_id, storefront_id=event.storefront_id, at=clock.now())


@subscribe(OrderDelivered, "membership.record_order_lines", first=True)
def count_lines(event: OrderDelivered, *, at: datetime) -> None:
    at = clock.now()
    services.record_order(order=event, at=at)
    services.tell_inviter(user_id=event.user_id, order_id=event.order_id, at=at)


@subscribe(OrderDelivered, "membership.give_points_back")
def give_points(event: OrderDelivered, *, at: datetime) -> None:
    services.give_points_back(order=event, at=clock.now())


@handles_many("membership.give_points_back")
def give_many_points(news: Sequence[News]) -> Collection[News]:
    return _left(news, services.note_nothing_back(orders=_orders(news)))


@subscribe(OrderRefunded, "membership.take_points_back")
def take_points(event: OrderRefunded, *, at: datetime) -> None:
    services.take_points_back(refund=event, at=clock.now())


@subscribe(OrderRefunded, "membership.record_refund", first=True)
def take_back(event: OrderRefunded, *, at: datetime) -> None:
    at = clock.now()
    services.record_refund(refund=event, at=at)
    services.tell_inviter(user_id=event.user_id, order_id=event.order_id, at=at)


@subscribe(OrderSettled, "membership.record_settlement")
def count_settled(event: OrderSettled, *, at: datetime) -> None:
    at = clock.now()
    services.record_settlement(order=event, at=at)
    services.tell_inviter(user_id=event.user_id, order_id=event.order_id, at=at)


@handles_many("membership.record_settlement")
def count_many_settled(news: Sequence[News]) -> Collection[News]:
    return _left(news, orders_that_wait(one.event for one in news))


@subscribe(DisputeClosed, "membership.record_dispute")
def count_dispute(event: DisputeClosed, *, at: datetime) -> None:
    services.record_dispute(case=event, at=clock.now())


@subscribe(UserRegistered, "membership.note_inviter")
def note_inviter(event: UserRegistered, *, at: datetime) -> None:
    if event.invite_code:
        services.note_inviter(
            user_id=event.user_id, code=event.invite_code, storefront_id=event.storefront_id, at=clock.now()
        )


@subscribe(InviteeActive, "membership.reward_referral")
def reward_referral(event: InviteeActive, *, at: datetime) -> None:
    services.reward_referral(referral_id=event.referral_id, at=clock.now())


@subscribe(InviteeSpent, "membership.mirror_order")
def mirror_order(event: InviteeSpent, *, at: datetime) -> None:
    services.mirror_order(invitee_id=event.invitee_id, order_id=event.order_id, at=clock.now())


@subscribe(OrderDelivered, "membership.count_order_tasks")
def count_tasks(event: OrderDelivered, *, at: datetime) -> None:
    services.count_order_tasks(order=event)


@handles_many("membership.count_order_tasks")
def count_many_tasks(news: Sequence[News]) -> Collection[News]:
    return _left(news, orders_for_tasks(_orders(news)))


@subscribe(OrderRefunded, "membership.take_back_order_tasks")
def take_back_tasks(event: OrderRefunded, *, at: datetime) -> None:
    services.take_back_order_tasks(refund=event)


@subscribe(OrderPaid, "membership.note_nudge_effect")
def note_nudge_effect(event: OrderPaid, *, at: datetime) -> None:
    if event.user_id is not None:
        services.note_order_effect(user_id=event.user_id, order_id=event.order_id, paid_at=event.paid_at)
        services.forget_dwell(user_id=event.user_id, storefront_id=event.storefront_id)


@handles_many("membership.note_nudge_effect")
def note_many_effects(news: Sequence[News]) -> Collection[News]:
    paid = [one for one in news if one.event.user_id is not None]
    services.forget_dwells(places={(one.event.user_id, one.event.storefront_id) for one in paid})
    nudged = nudged_users(one.event.user_id for one in paid)
    return [one for one in paid if one.event.user_id in nudged]


@subscribe(ReviewPublished, "membership.count_review_task")
def count_review(event: ReviewPublished, *, at: datetime) -> None:
    _count_review(event, counts=True)


@subscribe(ReviewWithdrawn, "membership.take_back_review_task")
def take_back_review(event: ReviewWithdrawn, *, at: datetime) -> None:
    _count_review(event, counts=False)


@subscribe(ReviewPublished, "membership.record_review")
def record_review(event: ReviewPublished, *, at: datetime) -> None:
    services.record_review(news=event)


@subscribe(ReviewWithdrawn, "membership.take_back_review")
def take_back_published_review(event: ReviewWithdrawn, *, at: datetime) -> None:
    services.record_review(news=event)


def _orders(news: Sequence[News]) -> list[OrderDelivered]:
    return [one.event for one in news]


def _left(news: Sequence[News], orders: Collection[int]) -> list[News]:
    """The news of the orders with these ids: more than one may be told of the same."""
    return [one for one in news if one.event.order_id in orders]


def _count_review(event: ReviewPublished | ReviewWithdrawn, *, counts: bool) -> None:
    services.count_step(
        user_id=event.user_id,
        storefront_id=event.storefront_id,
        kind=Task.Kind.REVIEW,
        subject=f"review:{event.review_id}",
        at=event.published_at,
        told_at=event.occurred_at,
        counts=counts,
    )


add_gauge(
    "tier_differences", "Members stored otherwise than recomputed, waiting for somebody, by kind.", count_differences
)
add_gauge("tier_pass_age_seconds", "Seconds since a pass over members last ended, by scope.", pass_ages)
add_gauge("tier_pass_evaluated", "Members that an unfinished pass has looked at so far, by scope.", passes_open)
