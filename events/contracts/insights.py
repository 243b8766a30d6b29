"""Members who stayed away."""

from datetime import datetime

from events.contracts.base import Contract, contract


@contract("comeback.offered")
class ComebackOffered(Contract):
    """Written to somebody who stayed away: `what` is restock, guide or ask. `product_id` is what is there again, if known.

    Whoever does not want such messages is not told of here.
    """

    spell_id: int
    user_id: int
    what: str
    product_id: int | None
    coupon: bool
    offered_at: datetime
