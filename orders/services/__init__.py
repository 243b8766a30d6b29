from orders.services.cards import stock_cards
from orders.services.carts import add_to_cart, merge_carts, set_cart_quantity
from orders.services.closing import cancel, expire, expire_due
from orders.services.comparing import CartSaving, MonthSaving, cart_saving, month_saving
from orders.services.crediting import claim_credit, give_credit, pay_out_credit
from orders.services.delivering import deliver_by_hand, redeliver
from orders.services.holding import WAITING_FOR_GOODS, hold_line, release_held
from orders.services.paying import PaymentOutcome, is_cash_only, pay_from_wallet, receive_payment
from orders.services.placing import Buyer, place
from orders.services.quoting import AUTO, Item, Quote, QuoteLine, Step, coupon_offers, preview, quote, with_offer
from orders.services.refunding import refund, refund_overdue_short
from orders.services.returning import credit_instead, note_returned
from orders.services.settling import settle_due
from orders.services.staff import reveal, set_note

__all__ = [
    "AUTO",
    "WAITING_FOR_GOODS",
    "Buyer",
    "CartSaving",
    "MonthSaving",
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
    "credit_instead",
    "deliver_by_hand",
    "expire",
    "expire_due",
    "give_credit",
    "hold_line",
    "is_cash_only",
    "pay_out_credit",
    "merge_carts",
    "note_returned",
    "pay_from_wallet",
    "place",
    "preview",
    "quote",
    "receive_payment",
    "redeliver",
    "refund",
    "refund_overdue_short",
    "release_held",
    "reveal",
    "set_cart_quantity",
    "set_note",
    "settle_due",
    "stock_cards",
    "with_offer",
]
