"""Races between payments, and between a payment and the end of an order."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from orders.models import Order
from payments.models import PaymentAttempt
from payments.services import place_top_up, start_attempt
from tenancy.selectors import main_storefront
from torture import scene
from torture.crowd import Act
from torture.races import acts
from torture.races.base import Race, wrong
from wallet.selectors import balance_of


class CancelAgainstPay(Race):
    """Two racers: whoever ends it, and the gateway's money."""

    name = "cancel against pay"

    def begin(self) -> Any:
        member = scene.member("5.00")
        order = scene.order(member, scene.sku("1.00", keys=1))
        self.prepare(order)
        return order, member

    def prepare(self, order: Order) -> None:
        """What the order needs so that it can be ended."""

    def ending(self, order: Order) -> Act:
        return acts.cancel, (order.pk,)

    def acts(self, made: Any) -> Sequence[Act]:
        return [self.ending(made[0]), (acts.receive, (made[0].pk, f"race:{made[0].pk}", "1.00"))]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        """Stock is there, so money that came after the end is delivered all the same."""
        order = Order.objects.get(pk=made[0].pk)
        if answers[1] != "paid" or order.state != "delivered":
            return f"{answers}, the order is {order.state}"
        left = balance_of(made[1])
        return "" if left == 5 else f"the wallet went from 5.00 to {left}"


class ExpireAgainstPay(CancelAgainstPay):
    name = "expiry against pay"

    def prepare(self, order: Order) -> None:
        Order.objects.filter(pk=order.pk).update(pay_deadline=order.placed_at)

    def ending(self, order: Order) -> Act:
        return acts.expire, (order.pk,)


class WalletAgainstGateway(CancelAgainstPay):
    name = "wallet against gateway"

    def ending(self, order: Order) -> Act:
        return acts.pay_from_wallet, (order.buyer_id, order.pk)

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        """Either the wallet paid and the gateway's money was credited, or the wallet was left alone."""
        left, order = balance_of(made[1]), Order.objects.get(pk=made[0].pk)
        good = order.state == "delivered" and left == 5 and answers[1] in ("paid", "credited")
        return "" if good else f"{answers}, the order is {order.state}, the wallet has {left}"


class CancelAgainstWallet(CancelAgainstPay):
    name = "cancel against wallet"

    def acts(self, made: Any) -> Sequence[Act]:
        return [self.ending(made[0]), (acts.pay_from_wallet, (made[1].pk, made[0].pk))]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        left, order = balance_of(made[1]), Order.objects.get(pk=made[0].pk)
        ended = {("cancelled", Decimal(5)): ("cancelled", "!IllegalMove"), ("delivered", Decimal(4)): None}
        if (order.state, left) not in ended:
            return f"the order is {order.state}, the wallet has {left}"
        foreseen = ended[order.state, left] or ("!IllegalMove", "delivered")
        return "" if tuple(answers) == foreseen else f"{answers}, but the order is {order.state}"


def attempt_of(target: Any) -> PaymentAttempt:
    return start_attempt(
        target=target, channel=scene.channel(), method="alipay", client_address="127.0.0.1", user_agent=""
    )


class SameNotify(Race):
    name = "one callback twice"
    # The one that booked it answers True; these do what they should with the others.
    others: Sequence[str] = ()

    def begin(self) -> Any:
        member = scene.member()
        return attempt_of(scene.order(member, scene.sku("1.00", keys=1))), member, None

    def txn(self, tried: PaymentAttempt, number: int) -> str:
        return f"txn-{tried.pk}"

    def acts(self, made: Any) -> Sequence[Act]:
        tried = made[0]
        return [(acts.apply, (tried.pk, self.txn(tried, n), str(tried.amount))) for n in range(self.width)]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        left = balance_of(made[1])
        return wrong([one for one in answers if one != "False"], "True", 1, *self.others) or (
            "" if left == 0 else f"{left} were credited beside"
        )


class TwoTransactions(SameNotify):
    name = "two transactions on one attempt"

    def txn(self, tried: PaymentAttempt, number: int) -> str:
        return f"txn-{tried.pk}-{number}"

    others = ("TransactionTaken",)


class TwoConfirm(SameNotify):
    name = "two of staff confirm one payment"
    # What staff do by hand is counted first: steps that come between the racers of a naive shop, and a guard of their own.
    unasked = ("wallet.services.hands._count",)

    def begin(self) -> Any:
        tried, member, _ = super().begin()
        return tried, member, [scene.boss() for _ in range(self.width)]

    def acts(self, made: Any) -> Sequence[Act]:
        tried, _, staff = made
        return [(acts.confirm, (tried.pk, f"txn-{tried.pk}", str(tried.amount), one.pk)) for one in staff]


class TopUpTwice(SameNotify):
    name = "top-up told twice"

    def begin(self) -> Any:
        member = scene.member()
        placed = place_top_up(
            user=member, storefront=main_storefront(), amount=Decimal("7.00"), idempotency_key=f"t-{member.pk}"
        )
        return attempt_of(placed), member, None

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        has = balance_of(made[1])
        return wrong([one for one in answers if one != "False"], "True", 1, *self.others) or (
            "" if has == 7 else f"{has} were credited of 7.00"
        )


class OneTransactionTwoOrders(Race):
    name = "one transaction for two orders"

    def begin(self) -> Any:
        member, goods = scene.member(), scene.sku("1.00", keys=self.width)
        return [attempt_of(scene.order(member, goods)) for _ in range(self.width)], member

    def acts(self, made: Any) -> Sequence[Act]:
        return [(acts.apply, (one.pk, f"txn-{made[0][0].pk}", "1.00")) for one in made[0]]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        return wrong(answers, "True", 1, "TransactionTaken")
