"""Buyers who complain, and staff who decide: cases made the way the shop makes them."""

import io

from PIL import Image

from accounts.models import User
from catalog.models import Key
from orders.models import Dispute, Order, OrderLine
from orders.services import Complaint, Decision, decide_dispute, open_dispute

WORDS = "兑换时提示已被使用"


def keys_on(line: OrderLine) -> list[Key]:
    """The keys that the buyer of the line holds, in the order of delivery."""
    return list(Key.objects.filter(line_id=line.pk, state=Key.State.SOLD).order_by("pk"))


def complain(order: Order, *keys: Key, pictures=(), **says) -> Dispute:
    """Report these keys of the order's first line, or all of them where none is named."""
    line = order.lines.first()
    chosen = [key.pk for key in keys or keys_on(line)]
    complaint = Complaint(
        **{
            "reason": Dispute.Reason.USED,
            "text": WORDS,
            "wish": Dispute.Wish.REPLACE,
            "key_ids": frozenset(chosen),
            "whole": not chosen,
            **says,
        }
    )
    return open_dispute(order_id=order.pk, line_id=line.pk, complaint=complaint, pictures=pictures, actor=order.buyer)


def decide(dispute: Dispute, outcome: str, *, by: User, **more) -> Dispute:
    decision = Decision(outcome=outcome, **{"reason": "核实过了", **more})
    return decide_dispute(dispute_id=dispute.pk, decision=decision, actor=by)


def decided_case(order: Order, *, by: User) -> Dispute:
    """A case about all of the order's keys that was rejected, and may be appealed."""
    return decide(complain(order), Dispute.Outcome.REJECT, by=by)


def picture(size: tuple[int, int] = (60, 40), kind: str = "PNG") -> io.BytesIO:
    """An upload as browsers send it."""
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind)
    out.seek(0)
    out.name = f"shot.{kind.lower()}"
    return out
