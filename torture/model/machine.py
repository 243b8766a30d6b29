"""A machine: its scene, doing a step for real in the model's time, and the comparison after each."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from common import clock
from orders.models import OrderLine
from torture.model import comparing
from torture.model.facts import GUEST, Back, Bought, Line, Purse, TopUp, Try, Wish, Withdrawn
from torture.model.scenery import BALANCES, CREDIT, Scenery
from torture.report import Report

T = TypeVar("T")


class Machine(RuleBasedStateMachine):
    report: Report
    scenery: Scenery
    # How often the shop did what, and how often it rightly refused, by rule.
    acts: Counter[str]
    refusals: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        scene = self.scenery.take()
        self.number, self.members, self.goods = scene.number, scene.members, scene.goods
        self.staff, self.channel = self.scenery.staff, self.scenery.channel
        self.coupons, self.cards, self.batch = scene.coupons, scene.cards, scene.batch
        self.purses = [Purse(money) for money in BALANCES]
        self.lines: list[Line | None] = [Line(CREDIT), None]
        self.holders: list[Bought | None] = [None, None]
        self.orders: list[Bought] = []
        self.tries: list[Try] = []
        self.top_ups: list[TopUp] = []
        self.wishes: list[Wish] = []
        self.backs: list[Back] = []
        self.withdrawn: list[Withdrawn] = []
        self.booked: set[str] = set()
        self.bad_codes = [0, 0]
        self.numbers = 0
        self.now: datetime = clock.now()
        self.began = False

    # Doing it for real

    def expect(self, refusal: type[Exception] | None, act: Callable[[], Any]) -> Any:
        """What `act` answers; when the model foresees a refusal, that very one must come."""
        rule = act.__qualname__.partition(".<locals>")[0].rpartition(".")[2].strip("_")
        with clock.travel(self.now):
            if refusal is None:
                self.acts[rule] += 1
                return act()
            self.refusals[f"{rule}: {refusal.__name__}"] += 1
            try:
                act()
            except refusal:
                return None
        raise AssertionError(f"{refusal.__name__} was due")

    def fresh(self, what: str) -> str:
        self.numbers += 1
        return f"{what}-{self.members[0].pk}-{self.numbers}"

    @staticmethod
    def pick(some: Sequence[T], place: int) -> T:
        return some[place % len(some)]

    # Money

    def gain(self, bought: Bought, amount: Decimal, restricted: Decimal | None = None) -> None:
        """Money that is owed to the buyer: what the order took of the restricted part goes back there first."""
        if bought.buyer == GUEST:
            bought.credit += amount
            return
        back = min(amount, bought.took) if restricted is None else restricted
        bought.took -= back
        self.purses[bought.buyer].come(amount, back)

    def returning(self, tried: Try) -> Decimal:
        """What of an attempt went back or is on its way."""
        return sum((one.amount for one in self.backs if one.of is tried and one.state != "refused"), Decimal("0.00"))

    # Comparing

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        if self.began:
            self.report.count("steps")
            self.report.budget.use()
        self.began = True
        told = self._facts()
        codes = [key for what, key in told if what == "account"]
        found = comparing.ask(
            codes,
            [one.row.pk for one in self.goods],
            [one.pk for one in self.orders],
            [one.pk for one in self.coupons],
            [one.pk for one in self.wishes],
            [one.pk for one in self.backs],
            [one.pk for one in self.top_ups],
            [one.pk for one in self.withdrawn],
            [one.pk for one in self.members],
            [one.pk for one in self.cards],
        )
        wrong = comparing.difference(told, found)
        assert not wrong, wrong

    def _facts(self) -> comparing.Facts:
        told: comparing.Facts = {}
        for user, purse, line in zip(self.members, self.purses, self.lines, strict=True):
            told["account", f"user:{user.pk}:wallet"] = f"{purse.balance} {purse.restricted}"
            told["account", f"user:{user.pk}:hold"] = f"{purse.held} 0.00"
            if line is not None:
                told["credit line", str(user.pk)] = f"{line.state} {line.used}"
        for goods in self.goods:
            for state in ("available", "reserved", "sold", "void"):
                if getattr(goods, state):
                    told["keys", f"{goods.row.pk} {state}"] = str(getattr(goods, state))
        for order in self.orders:
            told["order", str(order.pk)] = f"{order.state} {order.refunded}"
            if order.buyer == GUEST:
                told["account", f"order:{order.pk}:credit"] = f"{order.credit} 0.00"
        for coupon, holder in zip(self.coupons, self.holders, strict=True):
            told["coupon", str(coupon.pk)] = str(holder.pk if holder else 0)
        for wish in self.wishes:
            told["refund", str(wish.pk)] = f"{wish.state} {wish.returned} {wish.credited}"
        for back in self.backs:
            told["money back", str(back.pk)] = f"{back.state} {back.amount}"
        for top_up in self.top_ups:
            told["top-up", str(top_up.pk)] = f"{top_up.amount} {top_up.refunded} {top_up.taken_back}"
        for row in self.withdrawn:
            told["withdrawal", str(row.pk)] = row.state
        for card in self.cards:
            who = f" {self.members[card.who].pk}" if card.who >= 0 else ""
            told["card", str(card.pk)] = f"{card.state}{who}"
        return told

    def teardown(self) -> None:
        lost = OrderLine.objects.filter(
            order_id__in=[one.pk for one in self.orders], state="closed", order__paid_at__isnull=False
        )
        assert not lost.exists(), "a line of a paid order is closed"
