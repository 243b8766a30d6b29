"""People."""

from datetime import datetime

from events.contracts.base import Contract, contract


@contract("user.registered")
class UserRegistered(Contract):
    """`invite_code` is what the link that brought them said; nobody has checked it."""

    user_id: int
    storefront_id: int
    registered_at: datetime
    invite_code: str = ""
