"""After-sale. A case moves by compare-and-set under the lock of its order, and every word and move leaves a row.

Locks: the order, the accounts, then keys (docs/locking.md).
"""

from orders.services.disputes.answering import answer_dispute, say_in_dispute
from orders.services.disputes.buying import accept_decision, appeal_decision, take_money_instead, withdraw_dispute
from orders.services.disputes.deciding import Decision, decide_dispute, decides_alone, may_decide, restockable
from orders.services.disputes.opening import OPEN_LIMIT, Complaint, open_dispute
from orders.services.disputes.paying_back import refundable_of, route_of
from orders.services.disputes.pictures import open_picture
from orders.services.disputes.sweeping import serve_restocked, sweep_disputes

__all__ = [
    "OPEN_LIMIT",
    "Complaint",
    "Decision",
    "accept_decision",
    "answer_dispute",
    "appeal_decision",
    "decide_dispute",
    "decides_alone",
    "may_decide",
    "open_dispute",
    "open_picture",
    "refundable_of",
    "restockable",
    "route_of",
    "say_in_dispute",
    "serve_restocked",
    "sweep_disputes",
    "take_money_instead",
    "withdraw_dispute",
]
