"""Races for what somebody owns: a balance, a refund, a credit, points, a reward."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import User
from common import clock
from membership.models import PointsAccount, PointsEntry, Referral
from membership.services import grant_points, invite_code_for, note_inviter
from orders.models import Order, OrderRefund
from orders.services import receive_payment
from tenancy.models import MAIN_ID
from torture import scene
from torture.crowd import Act
from torture.races import acts
from torture.races.base import Race, wrong
from wallet.selectors import balance_of, credit_of_order


class DoubleSpend(Race):
    name = "wallet spent twice"

    def begin(self) -> Any:
        return scene.sku("60.00", keys=self.width), scene.member("100.00")

    def acts(self, made: Any) -> Sequence[Act]:
        return [(acts.buy, (made[1].pk, made[0].pk, f"spend-{number}")) for number in range(self.width)]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        left = balance_of(made[1])
        return wrong(answers, "order", 1, "InsufficientBalance") or ("" if left == 40 else f"{left} are left of 100")


class ParallelRefunds(Race):
    name = "parallel refunds"

    def ref(self, order: Order, number: int) -> str:
        return f"refund-{order.pk}-{number}"

    def begin(self) -> Any:
        member = scene.member("10.00")
        return scene.order(member, scene.sku("10.00", keys=1), wallet=True), member

    def acts(self, made: Any) -> Sequence[Act]:
        order, line = made[0], made[0].lines.get()
        return [(acts.refund, (order.pk, line.pk, "6.00", self.ref(order, n))) for n in range(self.width)]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        back = balance_of(made[1])
        return wrong(answers, "refunded", 1, "RefundTooLarge") or ("" if back == 6 else f"{back} came back, not 6.00")


class SameRefund(ParallelRefunds):
    name = "one refund twice"

    def ref(self, order: Order, number: int) -> str:
        return f"refund-{order.pk}"

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        back, rows = balance_of(made[1]), OrderRefund.objects.filter(order=made[0]).count()
        fine = back == 6 and rows == 1 and not wrong(answers, "refunded", self.width)
        return "" if fine else f"{answers}: {back} came back in {rows} refunds"


class PointsTwice(Race):
    name = "points spent twice"

    def begin(self) -> Any:
        member = scene.member()
        grant_points(
            user_id=member.pk, amount=100, cause=PointsEntry.Cause.GIFT, ref=f"gift-{member.pk}", at=clock.now()
        )
        return member

    def acts(self, made: Any) -> Sequence[Act]:
        return [(acts.spend, (made.pk, 60, f"spend-{made.pk}-{number}")) for number in range(self.width)]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        left = PointsAccount.objects.get(user=made).balance
        return wrong(answers, "True", 1, "InsufficientPoints") or (
            "" if left == 40 else f"{left} points of 100 are left"
        )


class RewardTwice(Race):
    name = "one reward twice"
    # The points' own reference is a second guard, behind the row of the referral that this race is about.
    unasked = ("membership.services.points._known",)

    def begin(self) -> Any:
        inviter, friend = scene.member(), scene.member()
        User.objects.filter(pk=inviter.pk).update(date_joined=clock.now() - timedelta(days=9))
        code = invite_code_for(user=User.objects.get(pk=inviter.pk))
        return note_inviter(user_id=friend.pk, code=code, storefront_id=MAIN_ID, at=clock.now())

    def acts(self, made: Any) -> Sequence[Act]:
        return [(acts.reward, (made.pk,))] * self.width

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        told = Referral.objects.get(pk=made.pk)
        entries = PointsEntry.objects.filter(ref=f"referral:{told.pk}:invite")
        given = sum(one.amount for one in entries)
        good = entries.count() == 1 and given == told.inviter_points > 0
        return wrong(answers, str(given), self.width) or (
            "" if good else f"{given} points in {entries.count()} entries"
        )


class CreditTwice(Race):
    name = "a guest's credit claimed twice"

    def begin(self) -> Any:
        order = scene.order(None, scene.sku("10.00", keys=1))
        with transaction.atomic():
            receive_payment(
                order_id=order.pk, amount=Decimal("7.00"), channel="epay", ref=f"c:{order.pk}", at=clock.now()
            )
        return order, [scene.member() for _ in range(self.width)]

    def acts(self, made: Any) -> Sequence[Act]:
        return [(acts.claim_credit, (made[0].pk, one.pk)) for one in made[1]]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        got, left = sum(balance_of(one) for one in made[1]), credit_of_order(made[0].pk)
        return wrong([one for one in answers if one != "0.00"], "7.00", 1) or (
            "" if (got, left) == (7, 0) else f"{got} were claimed, {left} are left"
        )
