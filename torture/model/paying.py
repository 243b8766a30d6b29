"""Gateways' money for orders: in time, late, twice, too little, too much; and what an order owes its guest."""

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from orders import services
from orders.exceptions import IllegalMove
from orders.models import Order
from payments.exceptions import MethodUnavailable, NotPayable, TransactionTaken
from payments.models import PaymentAttempt
from payments.services import apply_payment, start_attempt
from torture.model.buying import Buying
from torture.model.facts import CENT, GUEST, ZERO, Bought, Came, Try


class Paying(Buying):
    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50))
    def open_attempt(self, place: int) -> None:
        bought = self.pick(self.orders, place)
        refusal: type[Exception] | None = None
        if bought.state != "unpaid" or bought.deadline <= self.now:
            refusal = NotPayable
        elif bought.credit >= bought.total:
            # What its guest had sent back was refused, and they paid anew meanwhile: no gateway takes less than a cent.
            refusal = MethodUnavailable
        self._open(bought, refusal)

    def _open(self, bought: Bought, refusal: type[Exception] | None = None) -> Try | None:
        made = self.expect(refusal, lambda: self.attempt(Order.objects.get(pk=bought.pk)))
        if made is None:
            return None
        # A guest's order has what came too little before.
        assert made.amount == bought.total - bought.credit, f"an attempt asks for {made.amount}"
        tried = next((one for one in self.tries if one.pk == made.pk), None)
        if tried is None:
            tried = Try(made.pk, bought)
            self.tries.append(tried)
        return tried

    def attempt(self, target, channel: int = 0) -> PaymentAttempt:
        told = {"method": "alipay", "client_address": "127.0.0.1", "user_agent": ""}
        return start_attempt(target=target, channel=self.channels[channel], **told)

    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50))
    def pay_by_gateway(self, place: int) -> None:
        """As most do: at once, and what it costs."""
        self._pay_by_gateway(self.pick(self.orders, place))

    def _pay_by_gateway(self, bought: Bought) -> None:
        if bought.state != "unpaid" or bought.deadline <= self.now or bought.credit >= bought.total:
            return
        self.book(self._open(bought), bought.total - bought.credit)

    @precondition(lambda self: any(isinstance(one.of, Bought) for one in self.tries))
    @rule(
        place=st.integers(0, 50),
        change=st.sampled_from([ZERO, ZERO, ZERO, CENT, -CENT, Decimal("5.00")]),
        again=st.booleans(),
    )
    def money_comes(self, place: int, change: Decimal, again: bool) -> None:
        """For an order in whatever state; or the same transaction once more, maybe for another order."""
        tried = self.pick([one for one in self.tries if isinstance(one.of, Bought)], place)
        txn = self.pick(sorted(self.booked), place) if again and self.booked else ""
        self.book(tried, max(tried.of.total + change, CENT), txn)

    def book(self, tried: Try, amount: Decimal, txn: str = "") -> None:
        txn = txn or self.fresh("txn")
        refusal: type[Exception] | None = None
        if tried.paid_by and tried.paid_by != txn or not tried.paid_by and txn in self.booked:
            refusal = TransactionTaken
        new = self.expect(refusal, lambda: apply_payment(attempt_id=tried.pk, provider_txn=txn, amount=amount))
        if refusal is not None:
            return
        assert new == (not tried.paid_by)
        if new:
            tried.paid_by, tried.amount = txn, amount
            self.booked.add(txn)
            tried.bought = self.receive(tried, amount)

    def receive(self, tried: Try, amount: Decimal) -> bool:
        """Whether it pays for the order, with what its guest paid too little before; otherwise it is the buyer's."""
        bought = tried.of
        pays = not bought.is_paid and amount + bought.credit >= bought.total
        if pays and bought.state != "unpaid":
            short = bought.goods.from_stock and bought.goods.available < bought.quantity
            gone = bought.coupon and self.holders[bought.buyer] is not None
            pays = not short and not gone
            if pays:
                self.take_again(bought)
        if not pays:
            self.gain(bought, amount, tried)
            return False
        self.gain(bought, amount - bought.total, tried)
        self.settle(bought)
        return True

    def take_again(self, bought: Bought) -> None:
        """A closed order comes back to life."""
        if bought.coupon:
            self.holders[bought.buyer] = bought
        if bought.goods.from_stock:
            bought.goods.available -= bought.quantity
            bought.goods.reserved += bought.quantity

    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50), who=st.integers(0, 1))
    def claim_credit(self, place: int, who: int) -> None:
        bought = self.pick(self.orders, place)
        refusal = None if bought.buyer == GUEST else IllegalMove
        self.expect(refusal, lambda: services.claim_credit(order_id=bought.pk, user=self.members[who]))
        if refusal is None and bought.credit:
            self.purses[who].come(bought.credit)
            self.purses[who].came.append(Came(self.now, bought.credit))
            bought.credit = ZERO
