"""Credit lines, and cards whose codes were taken."""

from datetime import datetime
from decimal import Decimal

from events.contracts.base import Contract, contract


@contract("credit.noticed")
class CreditNoticed(Contract):
    """Something about a member's credit line: `what` is granted, due (on `due_on`, a date), frozen or unfrozen."""

    line_id: int
    user_id: int
    what: str
    used: Decimal
    limit: Decimal
    due_on: str
    noticed_at: datetime


@contract("cards.codes_taken")
class CardCodesTaken(Contract):
    """Somebody downloaded the codes of a batch of cards; `fetches` how often so far."""

    release_id: int
    batch_id: int
    batch: str
    actor_id: int
    actor: str
    cards: int
    fetches: int
    taken_at: datetime
