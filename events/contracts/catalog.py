"""Stock, reviews, and keys in plain text."""

from datetime import datetime

from events.contracts.base import Contract, contract


@contract("stock.low")
class StockLow(Contract):
    sku_id: int
    available: int
    threshold: int
    noticed_at: datetime


@contract("stock.arrived")
class StockArrived(Contract):
    sku_id: int
    added: int
    arrived_at: datetime


@contract("review.published")
class ReviewPublished(Contract):
    """Told at every publication. `line_id` is the order line that the review is about: one review a line.

    `published_at` is that of the first publication and stays, so that a review which was edited and published again is
    counted once, on one day; `occurred_at` is that of this publication.
    """

    review_id: int
    user_id: int
    storefront_id: int
    product_id: int
    line_id: int
    stars: int
    published_at: datetime
    occurred_at: datetime


@contract("review.withdrawn")
class ReviewWithdrawn(Contract):
    """A review that was told as published counts no more. An edit alone is not told: the review waits, still counted,
    until somebody decides on it. `published_at` as in ReviewPublished; `cause` is author, removed (by staff) or rejected
    (an edited one). A rejected one may be edited and told as published again: of two tellings the later `occurred_at` holds.
    """

    review_id: int
    user_id: int
    storefront_id: int
    product_id: int
    line_id: int
    stars: int
    published_at: datetime
    occurred_at: datetime
    cause: str = "author"


@contract("review.rejected")
class ReviewRejected(Contract):
    """Staff did not let it be seen; its author reads why on the page of own reviews."""

    review_id: int
    user_id: int
    storefront_id: int
    product_id: int
    line_id: int
    occurred_at: datetime


@contract("keys.export_moved")
class KeyExportMoved(Contract):
    """Somebody asks for keys in plain text, agrees, refuses, cancels or has fetched them; `state` is the approval's,
    `fetches` how often the file was fetched."""

    export_id: int
    mark: str
    state: str
    actor_id: int
    actor: str
    keys: int
    occurred_at: datetime
    fetches: int = 0
