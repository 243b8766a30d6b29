"""All of it together."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from torture.model.facts import GUEST, yuan
from torture.model.purse import Cards, Credit, TopUps, Withdrawals
from torture.model.stock import Stock

HOW = st.sampled_from(["gateway", "wallet", "not yet"])
ORDER = st.tuples(st.integers(0, GUEST), st.integers(0, 2), st.integers(1, 2), st.booleans(), HOW)


class Shop(TopUps, Cards, Withdrawals, Credit, Stock):
    # With nothing there, little can be done, and Hypothesis leaves half of the rules out of a machine.
    @initialize(
        orders=st.lists(ORDER, min_size=2, max_size=3),
        cents=st.integers(200, 600),
        approved=st.booleans(),
        lent=st.integers(0, 300),
    )
    def a_day_of_business(self, orders: list[tuple], cents: int, approved: bool, lent: int) -> None:
        if lent:
            self._use_credit(0, yuan(lent))
        for buyer, which, quantity, coupon, how in orders:
            self._buy(buyer, which, quantity, coupon, how == "wallet")
            if how == "gateway" and self.orders:
                self._pay_by_gateway(self.orders[-1])
        self._ask(0, yuan(cents))
        if approved and self.withdrawn:
            self._approve(self.withdrawn[0], 0)
