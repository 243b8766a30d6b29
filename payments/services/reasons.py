"""Why staff do something about a payment: what can be redeemed does not stand in it."""

from common.concealing import conceal
from common.reasons import LONGEST, read_reason
from orders.services.concealing import conceal_of_order
from payments.models import PaymentAttempt


def reason_about(text: str, order_id: int | None, *, most: int = LONGEST) -> str:
    """The reason of an act about money of an order, with its keys and codes of cards masked; without an order, with the codes
    masked. Raises ReasonNeeded."""
    # Masked before it is cut: half a key is not found.
    return read_reason(conceal(text) if order_id is None else conceal_of_order(text, order_id), most=most)


def reason_about_payment(text: str, attempt_id: int | None) -> str:
    """The same of an act about an attempt, or about none."""
    order_id = PaymentAttempt.objects.filter(pk=attempt_id).values_list("order_id", flat=True).first()
    return reason_about(text, order_id)
