"""A machine: its scene, doing a step for real in the model's time, and the comparison after each."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from common import clock
from common.clock import day_of
from orders.models import OrderLine
from payments.selectors import withdrawable
from torture.model import comparing
from torture.model.facts import GUEST, ZERO, Back, Bought, Came, Line, Purse, Repaid, TopUp, Try, Wish, Withdrawn
from torture.model.scenery import BALANCES, CREDIT, DUE_DAY, FRESH_DAYS, Scenery
from torture.report import Report

T = TypeVar("T")
# Steps between two looks at what may be withdrawn, which asks many questions; each member has every other look.
EVERY = 8


class Machine(RuleBasedStateMachine):
    report: Report
    scenery: Scenery
    # How often the shop did what, and how often it rightly refused, by rule.
    acts: Counter[str]
    refusals: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        scene = self.scenery.take()
        self.members, self.goods = scene.members, scene.goods
        self.staff, self.channels = self.scenery.staff, self.scenery.channels
        self.coupons, self.cards, self.batch = scene.coupons, scene.cards, scene.batch
        self.purses = [Purse(money) for money in BALANCES]
        self.lines: list[Line | None] = [Line(CREDIT, DUE_DAY), None]
        self.holders: list[Bought | None] = [None, None]
        self.orders: list[Bought] = []
        self.tries: list[Try] = []
        self.top_ups: list[TopUp] = []
        self.wishes: list[Wish] = []
        self.backs: list[Back] = []
        self.withdrawn: list[Withdrawn] = []
        self.booked: set[str] = set()
        self.bad_codes = [0, 0]
        self.numbers = self.looks = 0
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

    def pick_open(self, some: Sequence[T], is_open: Callable[[T], bool], place: int) -> T:
        """Every other time one with which something can still be done, where there is one."""
        open_ = [one for one in some if is_open(one)] if place % 2 else []
        return self.pick(open_ or some, place // 2)

    # Money

    @property
    def today(self) -> date:
        return day_of(self.now)

    def gain(self, bought: Bought, amount: Decimal, by: Try | None = None) -> None:
        """Gateway money that is the buyer's: it paid for nothing, or is given back."""
        if bought.buyer == GUEST:
            bought.credit += amount
        elif amount:
            by = by or next((one for one in self.tries if one.of is bought and one.bought), None)
            self.purses[bought.buyer].come(amount)
            self.purses[bought.buyer].came.append(Came(self.now, amount, by))

    def give_back(self, bought: Bought, amount: Decimal) -> None:
        """A refund into the shop: what a wallet's payment took of the restricted part goes back there first."""
        if not bought.by_wallet:
            self.gain(bought, amount)
            return
        back = min(amount, bought.took)
        bought.took -= back
        bought.spent -= amount - back
        self.purses[bought.buyer].come(amount, back)

    def pay_debt(self, who: int, amount: Decimal) -> None:
        if amount:
            self.lines[who].repay(amount)
            self.purses[who].story.append(Repaid(amount - self.purses[who].go(amount)))

    def returning(self, tried: Try) -> Decimal:
        """What of an attempt went back or is on its way."""
        return sum((one.amount for one in self.backs if one.of is tried and one.state != "refused"), ZERO)

    def kept(self, row: TopUp) -> Decimal:
        """What of a top-up did not go back by either way, nor is on its way."""
        return sum((one.amount for one in row.kept()), ZERO)

    # What may be withdrawn

    def withdrawable(self, who: int) -> Decimal:
        """Neither what is restricted, nor what came lately, nor what came with a gift and was not spent, nor what is owed."""
        since, line = self.now - timedelta(days=FRESH_DAYS), self.lines[who]
        own = [(row, row.kept()) for row in self.top_ups if row.who == who]
        waits = sum((one.amount for _, kept in own for one in kept if one.of.at > since), ZERO)
        # The same money does not wait twice.
        both = (kept[0].amount for row, kept in own if row.keeps_gift and kept[0].of.at > since)
        with_gift = self.gifted(who) - sum(both, ZERO)
        owed = line.used if line is not None else ZERO
        return max(self.purses[who].free - waits - self.came_lately(who, since) - max(with_gift, ZERO) - owed, ZERO)

    def came_lately(self, who: int, since: datetime) -> Decimal:
        """Attempt by attempt what gateways brought beside top-ups, less what was sent back to them afterwards."""
        sums: dict[int, Decimal] = defaultdict(lambda: ZERO)
        for one in self.purses[who].came:
            if isinstance(one, Came):
                sums[one.by.pk if one.by else 0] += one.amount if one.at > since else ZERO
            elif one.state != "refused":
                sums[one.of.pk] = max(sums[one.of.pk] - one.amount, ZERO)
        return sum(sums.values(), ZERO)

    def gifted(self, who: int) -> Decimal:
        """What is spent is the oldest of what came with gifts; a gift that went back whole keeps nothing."""
        left = ZERO
        for one in self.purses[who].story:
            if isinstance(one, TopUp):
                left += one.kept()[0].amount if one.keeps_gift else ZERO
            else:
                left = max(left - one.spent, ZERO)
        return left

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
        self.looks += 1
        if self.looks % EVERY == 0:
            self._look_at_what_may_be_withdrawn(self.looks // EVERY % 2)

    def _look_at_what_may_be_withdrawn(self, who: int) -> None:
        user = self.members[who]
        found, left = withdrawable(user, self.scenery.rules, None, self.now).free, self.withdrawable(who)
        assert found == left, f"member {who} may withdraw {found}, and the model says {left}"

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
            told["money back", str(back.pk)] = f"{back.state} {back.amount} {back.gift}"
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
