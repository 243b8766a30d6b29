from orders.services.carts import add_to_cart, merge_carts, set_cart_quantity
from orders.services.closing import cancel, expire, expire_due
from orders.services.comparing import CartSaving, MonthSaving, cart_saving, month_saving
from orders.services.crediting import claim_credit, give_credit, pay_out_credit
from orders.services.delivering import deliver_by_hand, redeliver
from orders.services.disputes import (
    OPEN_LIMIT,
    Complaint,
    Decision,
    accept_decision,
    answer_dispute,
    appeal_decision,
    decide_dispute,
    may_decide,
    open_dispute,
    open_picture,
    refundable_of,
    restockable,
    say_in_dispute,
    serve_restocked,
    sweep_disputes,
    take_money_instead,
    withdraw_dispute,
)
from orders.services.holding import WAITING_FOR_GOODS, hold_line, release_held
from orders.services.paying import WALLET, PaymentOutcome, pay_from_wallet, receive_payment
from orders.services.placing import Buyer, place
from orders.services.quoting import AUTO, Item, Quote, QuoteLine, Step, coupon_offers, preview, quote, with_offer
from orders.services.refunding import refund, refund_overdue_short
from orders.services.settling import settle_due
from orders.services.staff import reveal, set_note

__all__ = [
    "AUTO",
    "OPEN_LIMIT",
    "WALLET",
    "WAITING_FOR_GOODS",
    "Buyer",
    "CartSaving",
    "Complaint",
    "Decision",
    "MonthSaving",
    "accept_decision",
    "answer_dispute",
    "appeal_decision",
    "cart_saving",
    "month_saving",
    "Item",
    "PaymentOutcome",
    "Quote",
    "QuoteLine",
    "Step",
    "add_to_cart",
    "cancel",
    "claim_credit",
    "coupon_offers",
    "decide_dispute",
    "deliver_by_hand",
    "expire",
    "expire_due",
    "give_credit",
    "hold_line",
    "may_decide",
    "merge_carts",
    "open_dispute",
    "open_picture",
    "pay_out_credit",
    "pay_from_wallet",
    "place",
    "preview",
    "quote",
    "receive_payment",
    "redeliver",
    "refund",
    "refund_overdue_short",
    "refundable_of",
    "release_held",
    "restockable",
    "reveal",
    "say_in_dispute",
    "serve_restocked",
    "set_cart_quantity",
    "set_note",
    "settle_due",
    "sweep_disputes",
    "take_money_instead",
    "with_offer",
    "withdraw_dispute",
]
