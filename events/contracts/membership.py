"""Tiers, and what members earn."""

from datetime import datetime

from events.contracts.base import Contract, contract


@contract("tier.changed")
class TierChanged(Contract):
    decision_id: int
    user_id: int
    from_rank: int | None
    to_rank: int
    to_name: str
    cause: str
    changed_at: datetime


@contract("invitee.spent")
class InviteeSpent(Contract):
    """The spend of somebody who was invited has changed with an order: what is mirrored to the inviter is read again."""

    invitee_id: int
    storefront_id: int
    order_id: int
    heard_at: datetime


@contract("invitee.active")
class InviteeActive(Contract):
    """Somebody who was invited has been active on as many days as the rules ask for. May be told more than once."""

    referral_id: int
    invitee_id: int
    active_days: int
    reached_at: datetime


@contract("reward.granted")
class RewardGranted(Contract):
    """A member got something that they did not see coming on the page: `what` is invite, invited or feedback.

    `name` is a friend's masked name or the kind of feedback.
    """

    ref: str
    user_id: int
    what: str
    name: str
    points: int
    granted_at: datetime


@contract("feedback.declined")
class FeedbackDeclined(Contract):
    feedback_id: int
    user_id: int
    declined_at: datetime


@contract("birthday.gift")
class BirthdayGiftGiven(Contract):
    """What the member's tier gives on a birthday; `coupon` says whether one came with it."""

    ref: str
    user_id: int
    points: int
    coupon: bool
    given_at: datetime
