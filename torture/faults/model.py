"""A state machine over wallet, orders, stock, coupons, payments and refunds, against a model in plain Python.

After each step every balance, every count of keys, every order's state and every coupon's holder must be what the model
says, and a refusal must be the refusal that the model foresees.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings as shop_settings
from django.db import connection
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from accounts.models import User
from catalog.exceptions import KeysMoved, OutOfStock
from catalog.models import Key, Product
from catalog.services.keys import void_keys
from common import clock
from marketing.exceptions import CouponGone
from marketing.models import Coupon
from orders import services
from orders.exceptions import IllegalMove, RefundTooLarge
from orders.models import Order, OrderLine
from payments.exceptions import NotPayable, TransactionTaken
from payments.models import Channel, PaymentAttempt
from payments.services import apply_payment, place_top_up, start_attempt
from tenancy.selectors import main_storefront
from torture import oracle, scene
from torture.report import Budget, Report
from wallet.exceptions import InsufficientBalance

# Nothing here stops the server: waiting for the disk would only make it slow.
SESSION = "-c synchronous_commit=off"
STEPS = 50
AT_ONCE = 5
# Lots between two looks of the oracle.
EVERY = 20
OFF = Decimal("0.50")
CENT, ZERO = Decimal("0.01"), Decimal("0.00")
GUEST = 2
PHASES = [Phase.generate, Phase.shrink]


@dataclass
class Goods:
    row: object
    price: Decimal
    from_stock: bool
    available: int = 0
    reserved: int = 0
    sold: int = 0
    void: int = 0


@dataclass
class Bought:
    """An order as the model knows it. `buyer` is a member's place, or GUEST."""

    pk: int
    line: int
    buyer: int
    goods: Goods
    quantity: int
    total: Decimal
    coupon: bool
    deadline: datetime
    state: str = "unpaid"
    refunded: Decimal = ZERO
    credit: Decimal = ZERO
    refs: set[str] = field(default_factory=set)

    @property
    def is_paid(self) -> bool:
        return self.state in ("paid", "delivered", "refunded")


@dataclass
class Try:
    """A payment attempt."""

    pk: int
    of: Bought
    paid_by: str = ""


class Shop(RuleBasedStateMachine):
    report: Report
    staff: User
    channel: Channel

    def __init__(self) -> None:
        super().__init__()
        self.balances = [Decimal("20.00"), Decimal("6.00")]
        self.members = [scene.member(str(money)) for money in self.balances]
        manual = scene.sku("3.00", kind=Product.Kind.MANUAL)
        self.goods = [
            Goods(scene.sku("1.00", keys=4), Decimal("1.00"), True, available=4),
            Goods(scene.sku("2.50", keys=2), Decimal("2.50"), True, available=2),
            Goods(manual, Decimal("3.00"), False),
        ]
        template = scene.coupon_template(str(OFF))
        self.coupons = [scene.coupon(one, template) for one in self.members]
        self.holders: list[Bought | None] = [None, None]
        self.orders: list[Bought] = []
        self.tries: list[Try] = []
        self.booked: set[str] = set()
        self.numbers = 0
        self.now = clock.now()

    # Doing it for real, in the model's time

    def expect(self, refusal: type[Exception] | None, act: Callable):
        """What `act` answers; when the model foresees a refusal, that very one must come."""
        with clock.travel(self.now):
            if refusal is None:
                return act()
            try:
                act()
            except refusal:
                return None
        raise AssertionError(f"{refusal.__name__} was due")

    def fresh(self, what: str) -> str:
        self.numbers += 1
        return f"{what}-{self.members[0].pk}-{self.numbers}"

    def gain(self, bought: Bought, amount: Decimal) -> None:
        """Money that is owed to the buyer."""
        if bought.buyer == GUEST:
            bought.credit += amount
        else:
            self.balances[bought.buyer] += amount

    # Buying

    @rule(
        buyer=st.integers(0, 2),
        which=st.integers(0, 2),
        quantity=st.integers(1, 3),
        coupon=st.booleans(),
        wallet=st.booleans(),
    )
    def buy(self, buyer: int, which: int, quantity: int, coupon: bool, wallet: bool) -> None:
        coupon, wallet = coupon and buyer != GUEST, wallet and buyer != GUEST
        goods = self.goods[which]
        total = goods.price * quantity - (OFF if coupon else ZERO)
        refusal: type[Exception] | None = None
        if coupon and self.holders[buyer]:
            refusal = CouponGone
        elif wallet and self.balances[buyer] < total:
            refusal = InsufficientBalance
        elif goods.from_stock and goods.available < quantity:
            refusal = OutOfStock
        more = {"coupon": self.coupons[buyer].public_id} if coupon else {}
        user = None if buyer == GUEST else self.members[buyer]
        order = self.expect(refusal, lambda: scene.order(user, goods.row, quantity, wallet=wallet, **more))
        if order is None:
            return
        deadline = self.now + timedelta(minutes=shop_settings.ORDER_PAY_MINUTES)
        bought = Bought(order.pk, order.lines.get().pk, buyer, goods, quantity, total, coupon, deadline)
        self.orders.append(bought)
        if coupon:
            self.holders[buyer] = bought
        if goods.from_stock:
            goods.available -= quantity
            goods.reserved += quantity
        if wallet:
            self.balances[buyer] -= total
            self.settle(bought)

    def settle(self, bought: Bought) -> None:
        if bought.goods.from_stock:
            bought.goods.reserved -= bought.quantity
            bought.goods.sold += bought.quantity
        bought.state = "delivered" if bought.goods.from_stock else "paid"

    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50))
    def pay_from_wallet(self, place: int) -> None:
        bought = self.orders[place % len(self.orders)]
        if bought.buyer == GUEST:
            return
        refusal: type[Exception] | None = None
        if not bought.is_paid:
            if bought.state != "unpaid":
                refusal = IllegalMove
            elif self.balances[bought.buyer] < bought.total:
                refusal = InsufficientBalance
        user = self.members[bought.buyer]
        self.expect(refusal, lambda: services.pay_from_wallet(order_id=bought.pk, user=user))
        if refusal is None and not bought.is_paid:
            self.balances[bought.buyer] -= bought.total
            self.settle(bought)

    # Paying by gateway: in time, late, twice, too little, too much

    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50))
    def open_attempt(self, place: int) -> None:
        bought = self.orders[place % len(self.orders)]
        refusal = None if bought.state == "unpaid" and bought.deadline > self.now else NotPayable
        made = self.expect(refusal, lambda: self.attempt(Order.objects.get(pk=bought.pk)))
        if made is not None and all(one.pk != made.pk for one in self.tries):
            self.tries.append(Try(made.pk, bought))

    def attempt(self, target) -> PaymentAttempt:
        return start_attempt(
            target=target, channel=self.channel, method="alipay", client_address="127.0.0.1", user_agent=""
        )

    @precondition(lambda self: self.tries)
    @rule(
        place=st.integers(0, 50),
        change=st.sampled_from([ZERO, ZERO, ZERO, CENT, -CENT, Decimal("5.00")]),
        again=st.booleans(),
    )
    def money_comes(self, place: int, change: Decimal, again: bool) -> None:
        """From the gateway, for an order in whatever state; or the same transaction once more, maybe for another order."""
        tried = self.tries[place % len(self.tries)]
        bought, amount = tried.of, max(tried.of.total + change, CENT)
        txn = sorted(self.booked)[place % len(self.booked)] if again and self.booked else self.fresh("txn")
        refusal: type[Exception] | None = None
        if tried.paid_by and tried.paid_by != txn or not tried.paid_by and txn in self.booked:
            refusal = TransactionTaken
        new = self.expect(refusal, lambda: apply_payment(attempt_id=tried.pk, provider_txn=txn, amount=amount))
        if refusal is not None:
            return
        assert new == (not tried.paid_by)
        if new:
            tried.paid_by = txn
            self.booked.add(txn)
            self.receive(bought, amount)

    def receive(self, bought: Bought, amount: Decimal) -> None:
        if bought.is_paid or amount < bought.total:
            self.gain(bought, amount)
            return
        if bought.state != "unpaid":
            short = bought.goods.from_stock and bought.goods.available < bought.quantity
            gone = bought.coupon and self.holders[bought.buyer] is not None
            if short or gone:
                self.gain(bought, amount)
                return
            if bought.coupon:
                self.holders[bought.buyer] = bought
            if bought.goods.from_stock:
                bought.goods.available -= bought.quantity
                bought.goods.reserved += bought.quantity
        self.gain(bought, amount - bought.total)
        self.settle(bought)

    @rule(who=st.integers(0, 1), yuan=st.integers(1, 5))
    def top_up(self, who: int, yuan: int) -> None:
        def act() -> None:
            placed = place_top_up(
                user=self.members[who],
                storefront=main_storefront(),
                amount=Decimal(yuan),
                idempotency_key=self.fresh("top-up"),
            )
            tried, txn = self.attempt(placed), self.fresh("txn")
            assert apply_payment(attempt_id=tried.pk, provider_txn=txn, amount=Decimal(yuan))
            assert not apply_payment(attempt_id=tried.pk, provider_txn=txn, amount=Decimal(yuan))
            self.booked.add(txn)

        self.expect(None, act)
        self.balances[who] += Decimal(yuan)

    # Ending

    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50))
    def cancel(self, place: int) -> None:
        bought = self.orders[place % len(self.orders)]
        refusal = None if bought.state in ("unpaid", "cancelled") else IllegalMove
        self.expect(refusal, lambda: services.cancel(order_id=bought.pk, actor=None))
        if bought.state == "unpaid":
            self.close(bought, "cancelled")

    @rule(minutes=st.integers(0, 20))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.expect(None, self.expire_all)
        for bought in self.orders:
            if bought.state == "unpaid" and bought.deadline <= self.now:
                self.close(bought, "expired")

    def expire_all(self) -> None:
        """A round takes a limited number, and machines before this one have left orders behind."""
        while services.expire_due():
            pass

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
    @rule(place=st.integers(0, 50), cents=st.integers(1, 700), whole=st.booleans(), again=st.booleans())
    def refund(self, place: int, cents: int, whole: bool, again: bool) -> None:
        bought = self.orders[place % len(self.orders)]
        left = bought.total - bought.refunded
        # What a partial refund makes of a line that waits for staff is a story of its own; here it gets all back.
        amount = max(left, CENT) if whole or bought.state == "paid" else Decimal(cents) / 100
        ref = sorted(bought.refs)[0] if again and bought.refs else self.fresh("refund")
        refusal: type[Exception] | None = None
        if ref not in bought.refs:
            refusal = IllegalMove if not bought.is_paid else RefundTooLarge if amount > left else None
        wanted = {bought.line: amount}
        self.expect(
            refusal,
            lambda: services.refund(order_id=bought.pk, amounts=wanted, ref=ref, reason="torture", actor=self.staff),
        )
        if refusal is not None or ref in bought.refs:
            return
        bought.refs.add(ref)
        bought.refunded += amount
        self.gain(bought, amount)
        if bought.refunded == bought.total:
            bought.state = "refunded"
            self.free_coupon(bought)

    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50))
    def deliver_by_hand(self, place: int) -> None:
        bought = self.orders[place % len(self.orders)]
        refusal = None if bought.state == "paid" else IllegalMove
        self.expect(refusal, lambda: services.deliver_by_hand(line_id=bought.line, text="done", actor=self.staff))
        if refusal is None:
            bought.state = "delivered"

    @precondition(lambda self: self.orders)
    @rule(place=st.integers(0, 50), who=st.integers(0, 1))
    def claim_credit(self, place: int, who: int) -> None:
        bought = self.orders[place % len(self.orders)]
        refusal = None if bought.buyer == GUEST else IllegalMove
        self.expect(refusal, lambda: services.claim_credit(order_id=bought.pk, user=self.members[who]))
        if refusal is None:
            self.balances[who] += bought.credit
            bought.credit = ZERO

    # Stock

    @rule(which=st.integers(0, 1), count=st.integers(1, 3))
    def keys_come(self, which: int, count: int) -> None:
        self.expect(None, lambda: scene.stock(self.goods[which].row, count))
        self.goods[which].available += count

    @rule(which=st.integers(0, 1), state=st.sampled_from(["available", "reserved", "sold", "void"]))
    def void_a_key(self, which: int, state: str) -> None:
        goods = self.goods[which]
        key = Key.objects.filter(sku=goods.row, state=state).order_by("pk").first()
        assert (key is not None) == bool(getattr(goods, state))
        if key is None:
            return
        refusal = None if state in ("available", "void") else KeysMoved
        self.expect(refusal, lambda: void_keys(key_ids=[key.pk], actor=self.staff))
        if state == "available":
            goods.available -= 1
            goods.void += 1

    # Comparing

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        self.report.count("steps")
        self.report.budget.use()
        with connection.cursor() as cursor:
            codes = [f"user:{one.pk}:wallet" for one in self.members]
            codes += [f"order:{one.pk}:credit" for one in self.orders if one.buyer == GUEST]
            cursor.execute("SELECT code, balance FROM wallet_account WHERE code = ANY(%s)", [codes])
            found = dict(cursor.fetchall())
            assert [found.get(code, ZERO) for code in codes] == [
                *self.balances,
                *[one.credit for one in self.orders if one.buyer == GUEST],
            ]
            cursor.execute(
                "SELECT sku_id, state, COUNT(*) FROM catalog_key WHERE sku_id = ANY(%s) GROUP BY sku_id, state",
                [[one.row.pk for one in self.goods]],
            )
            keys = {(sku, state): count for sku, state, count in cursor.fetchall()}
        for goods in self.goods:
            for state in ("available", "reserved", "sold", "void"):
                assert keys.get((goods.row.pk, state), 0) == getattr(goods, state), f"{state} keys"
        rows = Order.objects.filter(pk__in=[one.pk for one in self.orders]).values_list("pk", "state", "refunded_total")
        assert sorted(rows) == sorted((one.pk, one.state, one.refunded) for one in self.orders)
        held = dict(Coupon.objects.filter(pk__in=[one.pk for one in self.coupons]).values_list("pk", "order_id"))
        assert [held[one.pk] for one in self.coupons] == [one and one.pk for one in self.holders]

    def teardown(self) -> None:
        lost = OrderLine.objects.filter(
            order_id__in=[one.pk for one in self.orders], state="closed", order__paid_at__isnull=False
        )
        assert not lost.exists()


def run(stage: object, *, seed: int, budget: Budget, report: Report) -> None:
    """Machines of up to 50 steps, some dozens at a time, each lot with a seed of its own that follows from `seed`."""
    lot = 0
    members = {"report": report, "staff": scene.boss(), "channel": scene.channel(mode="page")}
    while budget.more() and not report.wrong:
        machine = type("Shop", (Shop,), members)
        _run_lot(machine, seed * 1000 + lot, budget, report)
        report.count("lots")
        lot += 1
        if lot % EVERY == 0:
            oracle.judge(report)


def _run_lot(machine: type[Shop], number: int, budget: Budget, report: Report) -> None:
    examples = AT_ONCE if budget.limit is None else max(1, min(AT_ONCE, (budget.limit - budget.done) // STEPS))
    how = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(machine), settings=how)
    except Exception as error:
        report.violation(f"lot {number}: {_told(error)}")


def _told(error: BaseException) -> str:
    """What was wrong, and the shortest story that leads there, as Hypothesis tells it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    story = "\n".join(getattr(error, "__notes__", []))
    return f"{type(error).__name__}: {str(error)[:300]} at {frames[-1].name}\n{story[-1400:]}"
