"""Orders: placed, paid from the wallet, cancelled, expired, delivered by hand."""

from datetime import timedelta
from decimal import Decimal

from django.conf import settings as shop_settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from catalog.exceptions import OutOfStock
from marketing.exceptions import CouponGone
from orders import services
from orders.exceptions import IllegalMove
from torture import scene
from torture.model.facts import GUEST, ZERO, Bought
from torture.model.machine import Machine
from torture.model.scenery import COUPON_OFF
from wallet.exceptions import InsufficientBalance

# Just short of the deadline, at it, past it; and another day, or another month.
PAUSES = [timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=16), timedelta(hours=26), timedelta(days=31)]


class Buying(Machine):
    @rule(
        buyer=st.integers(0, 2),
        which=st.integers(0, 2),
        quantity=st.sampled_from([1, 2, 3, 8]),
        coupon=st.booleans(),
        wallet=st.booleans(),
    )
    def buy(self, buyer: int, which: int, quantity: int, coupon: bool, wallet: bool) -> None:
        self._buy(buyer, which, quantity, coupon, wallet)

    def _buy(self, buyer: int, which: int, quantity: int, coupon: bool, wallet: bool) -> None:
        coupon, wallet = coupon and buyer != GUEST, wallet and buyer != GUEST
        goods = self.goods[which]
        total = goods.price * quantity - (COUPON_OFF if coupon else ZERO)
        refusal: type[Exception] | None = None
        if coupon and self.holders[buyer]:
            refusal = CouponGone
        elif wallet and not self.can_pay(buyer, total):
            refusal = InsufficientBalance
        elif goods.from_stock and goods.available < quantity:
            refusal = OutOfStock
        more = {"coupon": self.coupons[buyer].public_id} if coupon else {}
        user = None if buyer == GUEST else self.members[buyer]
        order = self.expect(refusal, lambda: scene.order(user, goods.row, quantity, wallet=wallet, **more))
        if order is None:
            return
        deadline = self.now + timedelta(minutes=shop_settings.ORDER_PAY_MINUTES)
        line = order.lines.values_list("pk", flat=True).get()
        bought = Bought(order.pk, line, buyer, goods, quantity, total, coupon, deadline)
        self.orders.append(bought)
        if coupon:
            self.holders[buyer] = bought
        if goods.from_stock:
            goods.available -= quantity
            goods.reserved += quantity
        if wallet:
            self.debit(bought)

    def can_pay(self, buyer: int, amount: Decimal) -> bool:
        """From the balance, and from the credit line where its owner wants that."""
        missing, line = amount - self.purses[buyer].balance, self.lines[buyer]
        return missing <= 0 or (line is not None and line.auto and missing <= line.free(self.today))

    def debit(self, bought: Bought) -> None:
        purse, line = self.purses[bought.buyer], self.lines[bought.buyer]
        missing = bought.total - purse.balance
        if missing > 0 and line is not None:
            line.lend(missing, self.today)
            purse.come(missing, missing)
        bought.took = purse.go(bought.total)
        bought.spent = bought.total - bought.took
        purse.story.append(bought)
        bought.by_wallet = True
        self.settle(bought)

    def settle(self, bought: Bought) -> None:
        if bought.goods.from_stock:
            bought.goods.reserved -= bought.quantity
            bought.goods.sold += bought.quantity
        bought.state = "delivered" if bought.goods.from_stock else "paid"

    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50))
    def pay_from_wallet(self, place: int) -> None:
        bought = self.pick(self.orders, place)
        if bought.buyer == GUEST:
            return
        refusal: type[Exception] | None = None
        if not bought.is_paid:
            if bought.state != "unpaid":
                refusal = IllegalMove
            elif not self.can_pay(bought.buyer, bought.total):
                refusal = InsufficientBalance
        user = self.members[bought.buyer]
        self.expect(refusal, lambda: services.pay_from_wallet(order_id=bought.pk, user=user))
        if refusal is None and not bought.is_paid:
            self.debit(bought)

    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50))
    def cancel(self, place: int) -> None:
        bought = self.pick(self.orders, place)
        refusal = None if bought.state in ("unpaid", "cancelled") else IllegalMove
        self.expect(refusal, lambda: services.cancel(order_id=bought.pk, actor=None))
        if bought.state == "unpaid":
            self.close(bought, "cancelled")

    @rule(pause=st.sampled_from(PAUSES))
    def time_passes(self, pause: timedelta) -> None:
        self.now += pause

        def expire_all() -> None:
            # A round takes a limited number, and machines before this one have left orders behind.
            while services.expire_due():
                pass

        self.expect(None, expire_all)
        for bought in self.orders:
            if bought.state == "unpaid" and bought.deadline <= self.now:
                self.close(bought, "expired")

    def close(self, bought: Bought, state: str) -> None:
        bought.state = state
        if bought.goods.from_stock:
            bought.goods.reserved -= bought.quantity
            bought.goods.available += bought.quantity
        self.free_coupon(bought)

    def free_coupon(self, bought: Bought) -> None:
        if bought.coupon and self.holders[bought.buyer] is bought:
            self.holders[bought.buyer] = None

    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50))
    def deliver_by_hand(self, place: int) -> None:
        bought = self.pick(self.orders, place)
        refusal = None if bought.state == "paid" else IllegalMove
        self.expect(refusal, lambda: services.deliver_by_hand(line_id=bought.line, text="done", actor=self.staff[0]))
        if refusal is None:
            bought.state = "delivered"
