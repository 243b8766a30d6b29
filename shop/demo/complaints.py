"""After-sale in the demo shop: cases in every state, so that the desk and the buyer's pages have something to show."""

import io
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from PIL import Image, ImageDraw

from accounts.models import User
from catalog.models import Key, Product
from common import clock
from common.money import ZERO
from orders.models import Dispute, DisputeMove, OrderLine
from orders.services import (
    Complaint,
    Decision,
    accept_decision,
    answer_dispute,
    appeal_decision,
    decide_dispute,
    open_dispute,
    refundable_of,
    say_in_dispute,
)

Outcome, Reason, Wish = Dispute.Outcome, Dispute.Reason, Dispute.Wish
Act = Callable[["Complaints", Dispute], object]


class Complaints:
    """Done again, it changes nothing: a case is known by its words, and made whole or not at all.

    `keeper` decides first, so that somebody else may decide what was appealed.
    """

    def __init__(self, *, keeper: User, now: datetime) -> None:
        self.keeper, self.now = keeper, now

    def make(self) -> None:
        for hours_ago, reason, wish, text, acts in CASES:
            if Dispute.objects.filter(text=text).exists():
                continue
            line = self._line(self.now - timedelta(hours=hours_ago))
            if line is not None:
                self._case(line, hours_ago, reason, wish, text, acts)

    def _line(self, at: datetime) -> OrderLine | None:
        """The latest line of key stock that was there to be reported at `at`, or came next, of an order without a case."""
        found = OrderLine.objects.filter(
            kind=Product.Kind.KEY,
            state=OrderLine.State.DELIVERED,
            settled_at=None,
            settles_at__gt=self.now,
            order__buyer__isnull=False,
            order__disputes=None,
            refunded=0,
        ).select_related("order__buyer")
        before = found.filter(delivered_at__lt=at - timedelta(minutes=20)).order_by("-pk").first()
        return before or found.filter(delivered_at__lt=self.now - timedelta(minutes=20)).order_by("pk").first()

    def _case(self, line: OrderLine, hours_ago: int, reason: str, wish: str, text: str, acts: tuple[Act, ...]) -> None:
        at = max(self.now - timedelta(hours=hours_ago), line.delivered_at + timedelta(minutes=20))
        key = Key.objects.filter(line_id=line.pk, state=Key.State.SOLD).order_by("pk").first()
        with transaction.atomic():
            with clock.travel(at):
                complaint = Complaint(reason=reason, text=text, wish=wish, key_ids=frozenset({key.pk}))
                dispute = open_dispute(
                    order_id=line.order_id,
                    line_id=line.pk,
                    complaint=complaint,
                    pictures=[screenshot()],
                    actor=line.order.buyer,
                )
            for number, act in enumerate(acts, 1):
                with clock.travel(min(self.now, at + timedelta(hours=number))):
                    act(self, Dispute.objects.select_related("order__buyer", "line").get(pk=dispute.pk))


def screenshot() -> io.BytesIO:
    """What a buyer's phone showed, as a picture."""
    picture = Image.new("RGB", (540, 360), "#F6F7F5")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 540, 56), fill="#0B6E5F")
    draw.text((20, 18), "Redeem", fill="#FFFFFF", font_size=20)
    draw.rounded_rectangle((30, 90, 510, 150), radius=8, outline="#7E8A87", width=2)
    draw.text((48, 108), "XXXX - XXXX - ****", fill="#55605E", font_size=20)
    draw.rounded_rectangle((30, 190, 510, 250), radius=8, fill="#FDECEA")
    draw.text((48, 208), "This code has already been redeemed", fill="#B42318", font_size=20)
    out = io.BytesIO()
    picture.save(out, "PNG")
    out.seek(0)
    return out


def answered(shop: Complaints, dispute: Dispute) -> object:
    return answer_dispute(
        dispute_id=dispute.pk, text="这一批入库时逐条验过，请平台核实兑换记录。", proposal="", actor=shop.keeper
    )


def agreed(shop: Complaints, dispute: Dispute) -> object:
    text = "查到上游重复发码，同意换新。"
    return answer_dispute(dispute_id=dispute.pk, text=text, proposal=Outcome.REPLACE, actor=shop.keeper)


def asked(shop: Complaints, dispute: Dispute) -> object:
    return say_in_dispute(
        dispute_id=dispute.pk,
        text="请补一张兑换失败页面的完整截图，带上时间。",
        party=DisputeMove.Party.OPERATOR,
        actor=shop.keeper,
    )


def decided(outcome: str, reason: str, part: int = 0, *, abusive: bool = False) -> Act:
    def act(shop: Complaints, dispute: Dispute) -> object:
        amount = (refundable_of(dispute) / part).quantize(ZERO) if part else None
        decision = Decision(outcome=outcome, reason=reason, amount=amount, abusive=abusive, wait=True)
        return decide_dispute(dispute_id=dispute.pk, decision=decision, actor=shop.keeper)

    return act


def appealed(shop: Complaints, dispute: Dispute) -> object:
    text = "面额少了一半，只退三分之一不合理，请再看一次截图。"
    return appeal_decision(dispute_id=dispute.pk, text=text, pictures=[screenshot()], actor=dispute.order.buyer)


def accepted(shop: Complaints, dispute: Dispute) -> object:
    return accept_decision(dispute_id=dispute.pk, actor=dispute.order.buyer)


# How many hours ago it was reported, why, what for, in which words, and what happened since, an hour each.
CASES: tuple[tuple[int, str, str, str, tuple[Act, ...]], ...] = (
    (3, Reason.USED, Wish.REPLACE, "兑换时提示这个码已经被使用，我是第一次输入。", ()),
    (9, Reason.INVALID, Wish.REFUND, "输了三遍都说无效，换了浏览器也一样。", (agreed,)),
    (76, Reason.NOT_ARRIVED, Wish.REFUND, "提示兑换成功，但是账户里一直没有到账。", (answered, asked)),
    (
        30,
        Reason.USED,
        Wish.REPLACE,
        "充值页面说该卡已在别的账号使用。",
        (decided(Outcome.REPLACE, "核实是上游重复发码，已为你换新。"),),
    ),
    (
        40,
        Reason.WRONG_VALUE,
        Wish.REFUND,
        "买的是一百面额，充进去只有五十。",
        (decided(Outcome.PARTIAL, "批次面额标错，退还差额。", 3), appealed),
    ),
    (
        90,
        Reason.OTHER,
        Wish.REFUND,
        "不想要了，能不能退。",
        (decided(Outcome.REJECT, "卡密已成功兑换到你的账号，没有质量问题，不能退款。"), accepted),
    ),
    (
        60,
        Reason.INVALID,
        Wish.REFUND,
        "激活码位数不对，少了一段。",
        (decided(Outcome.REFUND, "导入时截断，已全额退款。"),),
    ),
)
