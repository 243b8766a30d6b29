from orders.services.cards import stock_cards
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
    decides_alone,
    may_decide,
    open_dispute,
    open_picture,
    refundable_of,
    restockable,
    route_of,
    say_in_dispute,
    serve_restocked,
    sweep_disputes,
    take_money_instead,
    withdraw_dispute,
)
from orders.services.holding import WAITING_FOR_GOODS, hold_line, release_held
from orders.services.paying import WALLET, PaymentOutcome, is_cash_only, pay_from_wallet, receive_payment
from orders.services.placing import Buyer, place
from orders.services.quoting import AUTO, Item, Quote, QuoteLine, Step, coupon_offers, preview, quote, with_offer
from orders.services.refunding import refund, refund_overdue_short
from orders.services.returning import credit_instead, note_returned
from orders.services.settling import settle_due
from orders.services.staff import reveal, set_note

__all__ = [
    "AUTO",
    "Buyer",
    "CartSaving",
    "Complaint",
    "Decision",
    "Item",
    "MonthSaving",
    "OPEN_LIMIT",
    "PaymentOutcome",
    "Quote",
    "QuoteLine",
    "Step",
    "WAITING_FOR_GOODS",
    "WALLET",
    "accept_decision",
    "add_to_cart",
    "answer_dispute",
    "appeal_decision",
    "cancel",
    "cart_saving",
    "claim_credit",
    "coupon_offers",
    "credit_instead",
    "decide_dispute",
    "decides_alone",
    "deliver_by_hand",
    "expire",
    "expire_due",
    "give_credit",
    "hold_line",
    "is_cash_only",
    "may_decide",
    "merge_carts",
    "month_saving",
    "note_returned",
    "open_dispute",
    "open_picture",
    "pay_from_wallet",
    "pay_out_credit",
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
    "route_of",
    "reveal",
    "say_in_dispute",
    "serve_restocked",
    "set_cart_quantity",
    "set_note",
    "settle_due",
    "stock_cards",
    "sweep_disputes",
    "take_money_instead",
    "with_offer",
    "withdraw_dispute",
]
