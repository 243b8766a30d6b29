"""A storefront with a program of its own, and people who buy there: facts go in by the services, on chosen days."""

import itertools
from datetime import date, datetime, timedelta
from decimal import Decimal

from accounts.models import User
from accounts.services import create_member
from common import clock
from common.clock import SHANGHAI
from events.contracts import Line, OrderDelivered, OrderRefunded, RefundedLine
from membership.models import MemberTier, Program, RuleSetVersion, TierDecision
from membership.services import (
    ask_what_if,
    draft_rule_set,
    ensure_member,
    publish_rule_set,
    record_order_lines,
    record_refund,
    run_what_if,
)
from tenancy.models import Storefront

OPENING = datetime(2026, 1, 1, tzinfo=SHANGHAI)
_numbers = itertools.count(1)


def on(day: str, time: str = "12:00") -> datetime:
    """on("2026-03-01") → noon of that Shanghai day."""
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=SHANGHAI)


def at_least(metric: str, window: str, value, **extra) -> dict:
    return {"m": metric, "win": window, "op": ">=", "v": value, **extra}


class Club:
    def __init__(self, *conditions, **document) -> None:
        """One tier per condition, or {"enter": …} and more, from rank 1 on, below which is 普通会员."""
        number = next(_numbers)
        self.storefront = Storefront.objects.create(host=f"club{number}.example", name=f"分站{number}")
        self.program = Program.objects.create(storefront=self.storefront, name=f"计划{number}")
        self.version = self.publish(*conditions, at=OPENING, **document)

    def publish(
        self,
        *conditions,
        at: datetime,
        starts: datetime | None = None,
        policy: str = "immediate",
        policy_until: date | None = None,
        **document,
    ):
        names = ["白银", "黄金", "铂金", "钻石", "王者"]
        tiers = [{"rank": 0, "name": "普通会员"}]
        shaped = [one if {"enter", "keep", "gates"} & set(one) else {"enter": one} for one in conditions]
        tiers += [{"rank": rank, "name": names[rank - 1], **one} for rank, one in enumerate(shaped, 1)]
        with clock.travel(at):
            draft = draft_rule_set(program=self.program, document={"tiers": tiers, **document}, author=None)
            return publish_rule_set(
                version_id=draft.pk, approver=None, effective_from=starts, policy=policy, policy_until=policy_until
            )

    def join(self, name: str = "", at: datetime = OPENING) -> MemberTier:
        with clock.travel(at):
            user = create_member(
                username=name or f"clubber{next(_numbers)}", password="tea-and-keys-9", storefront_id=self.storefront.pk
            )
            return ensure_member(user_id=user.pk, storefront_id=self.storefront.pk, at=at)

    def delivered(self, user: User | int, *lines, paid: datetime, order: int | None = None) -> OrderDelivered:
        """The news of an order; each line is (amount, category) or an amount, or a Line."""
        order = order or next(_numbers)
        told = [
            line if isinstance(line, Line) else make_line(*(line if isinstance(line, tuple) else (line,)))
            for line in lines
        ]
        return OrderDelivered(
            order_id=order,
            user_id=getattr(user, "pk", user),
            storefront_id=self.storefront.pk,
            paid_at=paid,
            delivered_at=paid + timedelta(seconds=2),
            complete=True,
            lines=tuple(told),
        )

    def buy(self, member: MemberTier, *lines, paid: datetime, heard: datetime | None = None) -> OrderDelivered:
        """An order that was delivered and heard of; at once unless `heard` says when."""
        order = self.delivered(member.user_id, *lines, paid=paid)
        self.hear(order, heard or paid)
        return order

    def refunded(
        self, order: OrderDelivered, amounts: dict[int, str] | None = None, ref: str = "", at: datetime | None = None
    ):
        """The news of a refund: everything, or amounts by position of the line."""
        wanted = amounts or {index: str(line.cash) for index, line in enumerate(order.lines)}
        lines = [
            RefundedLine(
                id=order.lines[index].id,
                product_id=1,
                category=order.lines[index].category,
                amount=Decimal(amount),
                cash=order.lines[index].cash,
                quantity=1,
                complete=Decimal(amount) == order.lines[index].cash,
            )
            for index, amount in wanted.items()
        ]
        return OrderRefunded(
            refund_ref=ref or f"r{next(_numbers)}",
            order_id=order.order_id,
            user_id=order.user_id,
            storefront_id=order.storefront_id,
            paid_at=order.paid_at,
            refunded_at=at or order.paid_at,
            amount=sum(line.amount for line in lines),
            complete=False,
            lines=tuple(lines),
        )

    def hear(self, news, at: datetime) -> TierDecision | None:
        with clock.travel(at):
            if isinstance(news, OrderDelivered):
                return record_order_lines(order=news, at=clock.now())
            return record_refund(refund=news, at=clock.now())


def make_line(cash: str, category: str = "game_card", points_paid: str = "0") -> Line:
    number = next(_numbers)
    return Line(
        id=number,
        product_id=1,
        sku_id=1,
        category_id=1,
        category=category,
        seller_id=None,
        quantity=1,
        list=Decimal(cash),
        cash=Decimal(cash),
        points_paid=Decimal(points_paid),
        discount=Decimal(0),
    )


def foreseen(draft: RuleSetVersion, policy: str = "immediate", until: date | None = None) -> RuleSetVersion:
    """A draft with the what-if that a person needs to publish it."""
    asked = ask_what_if(version_id=draft.pk, asked_by=None, policy=policy, policy_until=until)
    run_what_if(what_if_id=asked.pk)
    return draft


def rank(member: MemberTier) -> int:
    member.refresh_from_db()
    return member.rank


def causes(member: MemberTier) -> list[str]:
    return list(member.decisions.order_by("id").values_list("cause", flat=True))
