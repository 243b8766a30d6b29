"""Races for keys, coupons and secrets."""

from collections.abc import Sequence
from typing import Any

from catalog.models import Key, Product
from marketing.models import Coupon
from torture import scene
from torture.crowd import Act
from torture.races import acts
from torture.races.base import Race, wrong
from wallet.selectors import balance_of


class LastKey(Race):
    name = "last key"
    act = staticmethod(acts.buy)

    def begin(self) -> Any:
        return scene.sku("1.00", keys=1), [scene.member("5.00") for _ in range(self.width)]

    def acts(self, made: Any) -> Sequence[Act]:
        goods, members = made
        return [(self.act, (one.pk, goods.pk, f"last-{one.pk}")) for one in members]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        held = Key.objects.filter(sku=made[0]).exclude(line_id=None).count()
        return wrong(answers, "order", 1, "OutOfStock") or ("" if held == 1 else f"{held} keys are held")


class LastKeyReserved(LastKey):
    name = "last key reserved"
    act = staticmethod(acts.reserve)


class CouponInTwoOrders(Race):
    name = "coupon in two orders"

    def begin(self) -> Any:
        member = scene.member("50.00")
        return scene.sku("2.00", keys=self.width), member, scene.coupon(member, scene.coupon_template())

    def acts(self, made: Any) -> Sequence[Act]:
        goods, member, coupon = made
        return [
            (acts.reserve if number % 2 else acts.buy, (member.pk, goods.pk, f"c-{number}", coupon.public_id))
            for number in range(self.width)
        ]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        return wrong(answers, "order", 1, "CouponGone")


class LastCoupon(Race):
    name = "last coupon of a template"

    def begin(self) -> Any:
        return scene.coupon_template(total_limit=1), [scene.member() for _ in range(self.width)]

    def acts(self, made: Any) -> Sequence[Act]:
        return [(acts.claim, (one.pk, made[0].public_id, f"claim-{one.pk}")) for one in made[1]]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        there = Coupon.objects.filter(template=made[0]).count()
        return wrong(answers, "coupon", 1, "CouponsSoldOut") or ("" if there == 1 else f"{there} coupons of one")


class CouponsOfOneMember(Race):
    name = "more coupons than a member may have"

    def begin(self) -> Any:
        return scene.coupon_template(per_member=1), scene.member()

    def acts(self, made: Any) -> Sequence[Act]:
        template, member = made
        return [(acts.claim, (member.pk, template.public_id, f"c-{member.pk}-{n}")) for n in range(self.width)]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        return wrong(answers, "coupon", 1, "CouponLimitReached")


class SameClick(Race):
    name = "one click twice"

    def begin(self) -> Any:
        return scene.sku("1.00", keys=self.width), scene.member("50.00")

    def acts(self, made: Any) -> Sequence[Act]:
        return [(acts.buy, (made[1].pk, made[0].pk, f"click-{made[1].pk}"))] * self.width

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        left = balance_of(made[1])
        return wrong(answers, answers[0], self.width) or ("" if left == 49 else f"the wallet has {left} of 50")


class VoidWhileSelling(Race):
    name = "key voided while it is sold"

    def begin(self) -> Any:
        goods = scene.sku("1.00", keys=1)
        return goods, Key.objects.get(sku=goods), scene.member("5.00")

    def acts(self, made: Any) -> Sequence[Act]:
        goods, key, member = made
        return [(acts.void, (key.pk,)), (acts.buy, (member.pk, goods.pk, f"void-{key.pk}"))]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        key = Key.objects.get(pk=made[1].pk)
        sold = answers[0] == "!KeysMoved" and answers[1].startswith("order") and key.state == "sold"
        voided = answers == ["1", "!OutOfStock"] and key.state == "void"
        return "" if sold or voided else f"{answers}, the key is {key.state}"


class SecretWhileSelling(Race):
    name = "reusable secret changed while it is sold"

    def begin(self) -> Any:
        # What is sold, no password.
        goods = scene.sku("1.00", kind=Product.Kind.REUSABLE, secret="first")  # nosec B106
        return goods, scene.member("50.00")

    def acts(self, made: Any) -> Sequence[Act]:
        goods, member = made
        change: list[Act] = [(acts.change_secret, (goods.pk, f"secret {n}")) for n in range(max(2, self.width // 2))]
        return change + [(acts.buy, (member.pk, goods.pk, f"s-{n}")) for n in range(self.width - len(change))]

    def judge(self, made: Any, answers: Sequence[Any]) -> str:
        current = len(scene.secrets_of(made[0]))
        orders = [order for one in answers if (order := acts.order_of(str(one)))]
        empty = [one.pk for one in orders if one.lines.get().reusable_secret_id is None]
        good = current == 1 and not empty and not any(str(one).startswith("!") for one in answers)
        return "" if good else f"{answers}: {current} secrets are current, orders {empty} got none"
