"""Money comes in: from the wallet, or from a gateway by way of `payments`. Settling and delivering are one transaction."""

import enum
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import ApiToken, User
from catalog.exceptions import OutOfStock
from catalog.models import Product, Sku
from catalog.services.stock import sell_reserved
from common import clock
from common.locks import lock_one
from common.money import ZERO
from events.contracts import OrderPaid
from events.services import emit
from marketing.exceptions import CouponGone
from orders.exceptions import CashOnly, IllegalMove, OrderNotFound
from orders.models import Order, OrderLine
from orders.services.coupons import hold_coupon, hold_coupon_again
from orders.services.delivering import finish_delivery, line_facts, start_delivery
from orders.services.moves import move_order, note_act
from orders.services.pieces import sell_line
from wallet.models import Account, Transfer
from wallet.selectors import credit_of_order
from wallet.services import (
    Agreement,
    Posting,
    agree,
    is_posted,
    lock_order_credit,
    order_credit,
    post,
    shop_account,
    user_wallet,
)
from wallet.services import pay_from_wallet as debit_wallet

WALLET = "wallet"


class PaymentOutcome(enum.StrEnum):
    """What became of money that a gateway reported."""

    PAID = "paid"
    ALREADY_BOOKED = "already_booked"
    CREDITED = "credited"


def pay_from_wallet(
    *, order_id: int, user: User, agreement: Agreement | None = None, token: ApiToken | None = None
) -> Order:
    """Pay an unpaid order from its buyer's wallet. A repeated call for a paid order changes nothing.

    `agreement` is what the buyer has just said yes to, for those who want to be asked; `token` is the program that pays.
    Locks the order, the wallet, the keys. Raises OrderNotFound for a stranger, InsufficientBalance, CashOnly,
    ConfirmationNeeded, TokenLimit, IllegalMove when the order is closed.
    """
    with transaction.atomic():
        at = clock.now()
        order = lock_order(order_id)
        if order.buyer_id != user.pk:
            raise OrderNotFound
        if order.paid_at is not None:
            return order
        if order.state != Order.State.UNPAID:
            raise IllegalMove
        lines = list(order.lines.select_related("sku__product__category"))
        if agreement is not None:
            agree(user=user, ref=wallet_ref(order), agreement=agreement, at=at)
        _debit(order, lines, user, at, token)
        sold = sell_reserved(line_ids=[line.pk for line in lines], at=at)
        _settle(order, lines, sold, at=at, paid_with=WALLET, cause="wallet", actor_id=user.pk)
    return order


def settle_from_wallet(
    order: Order, lines: Sequence[OrderLine], *, user: User, at: datetime, token: ApiToken | None = None
) -> None:
    """Pay and deliver an order that is being placed in this transaction. Raises InsufficientBalance, CashOnly,
    ConfirmationNeeded, TokenLimit, CouponGone, OutOfStock."""
    _debit(order, lines, user, at, token)
    hold_coupon(order, at=at)
    sold = {line.pk: sell_line(line, at=at) for line in lines}
    _settle(order, lines, sold, at=at, paid_with=WALLET, cause="wallet", actor_id=user.pk)


def _debit(order: Order, lines: Sequence[OrderLine], user: User, at: datetime, token: ApiToken | None) -> None:
    for line in lines:
        if is_cash_only(line.sku):
            raise CashOnly(name=line.product_title)
    debit_wallet(user=user, amount=order.total, ref=wallet_ref(order), at=at, memo=order.number, token=token)


def wallet_ref(order: Order) -> str:
    """The reference of the order's payment from a wallet."""
    return f"order:{order.pk}:pay"


def is_cash_only(sku: Sku) -> bool:
    """Whether it, or a part of it, is sold for money only. `sku.product` should be selected with it."""
    if sku.product.kind == Product.Kind.BUNDLE:
        return sku.cash_only or sku.bundle_items.filter(component__cash_only=True).exists()
    return sku.cash_only


def receive_payment(
    *,
    order_id: int,
    amount: Decimal,
    channel: str,
    ref: str,
    at: datetime,
    fee: Decimal = ZERO,
    paid_with: str = "",
    source: Account | None = None,
) -> PaymentOutcome:
    """Book money that a gateway holds for an order, once per `ref`, in the caller's transaction.

    It comes from the channel's clearing account, or from `source`, where it was kept until somebody knew what it was for.
    `fee` of the amount was charged for the way of paying; it is kept only when the order gets paid. Enough for an open
    order pays it; for a closed one it is delivered when stock allows and its coupon is still free. What a guest's order
    has from before, of a payment that was too small, counts towards enough and is used with it. Everything else (too
    little, the excess, a second payment, late money without stock) is credited: to the member's wallet, or for a guest to
    the order's own account. Locks the order, the wallet, the coupon, the keys.
    """
    order = lock_order(order_id)
    if is_posted(ref):
        return PaymentOutcome.ALREADY_BOOKED
    source = source or shop_account(Account.Purpose.CLEARING, channel)
    # Locked before it is counted: it could go back to its payer meanwhile.
    credit = lock_order_credit(order.pk).balance if order.is_guest and order.paid_at is None else ZERO
    payable = order.paid_at is None and amount - fee + credit >= order.total
    lines = list(order.lines.select_related("sku__product__category")) if payable else []
    sold: dict[int, int] | None = None
    if payable and order.state == Order.State.UNPAID:
        _book(order, amount, order.total, source, ref, at, fee)
        sold = sell_reserved(line_ids=[line.pk for line in lines], at=at)
    elif payable:
        # Wallet before keys: so the money is booked inside the savepoint that is rolled back when stock is short.
        try:
            with transaction.atomic():
                _book(order, amount, order.total, source, ref, at, fee)
                hold_coupon_again(order, at=at)
                sold = {line.pk: sell_line(line, at=at) for line in lines}
        except (OutOfStock, CouponGone):
            sold = None
    if sold is None:
        _book(order, amount, ZERO, source, ref, at)
        note_act(order, at=at, cause="credited", actor_id=None, note=f"¥{amount}")
        return PaymentOutcome.CREDITED
    cause = "gateway" if order.state == Order.State.UNPAID else "late_payment"
    _settle(order, lines, sold, at=at, paid_with=paid_with or channel, cause=cause, actor_id=None)
    return PaymentOutcome.PAID


def _book(
    order: Order, amount: Decimal, sales: Decimal, source: Account, ref: str, at: datetime, fee: Decimal = ZERO
) -> None:
    """Post the gateway's money as one transfer: `sales` of it as income, `fee` as fee, the rest as the buyer's credit; what
    it lacks is taken from there."""
    postings = [
        Posting(source, -amount),
        Posting(shop_account(Account.Purpose.SALES), sales),
        Posting(shop_account(Account.Purpose.FEES), fee),
        Posting(credit_account(order), amount - sales - fee),
    ]
    kind = Transfer.Kind.GATEWAY_PAYMENT if sales else Transfer.Kind.LATE_PAYMENT
    post(ref=ref, kind=kind, postings=postings, at=at, memo=order.number)


def left_to_pay(order: Order) -> Decimal:
    """What a payment for an unpaid order has to bring, in yuan: the total, less what a guest's order has already."""
    return order.total - credit_of_order(order.pk) if order.is_guest else order.total


def credit_account(order: Order) -> Account:
    """Where money that is owed to the buyer goes: the member's wallet, or a guest order's own account."""
    return order_credit(order.pk) if order.buyer_id is None else user_wallet(order.buyer_id)


def lock_order(order_id: int) -> Order:
    """The order, locked and read afresh. Raises OrderNotFound."""
    try:
        return lock_one(Order.objects.filter(pk=order_id))
    except Order.DoesNotExist as error:
        raise OrderNotFound from error


def _settle(
    order: Order,
    lines: Sequence[OrderLine],
    sold: dict[int, int],
    *,
    at: datetime,
    paid_with: str,
    cause: str,
    actor_id: int | None,
) -> None:
    """The order is paid: move it, deliver what is there, tell the other rooms."""
    move_order(
        order,
        Order.State.PAID,
        at=at,
        cause=cause,
        actor_id=actor_id,
        paid_at=at,
        paid_total=order.total,
        paid_with=paid_with,
        closed_at=None,
    )
    paid = OrderPaid(
        order_id=order.pk,
        user_id=order.buyer_id,
        storefront_id=order.storefront_id,
        paid_at=at,
        total=order.total,
        lines=line_facts(lines),
    )
    emit(paid, at=at)
    delivered = [line for line in lines if start_delivery(line, sold.get(line.pk, 0), at=at)]
    finish_delivery(order, delivered, at=at, cause=cause)
