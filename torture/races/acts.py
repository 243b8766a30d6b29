"""What the processes of a crowd do: the shop's own services, by plain numbers and texts. An answer is a short text."""

from decimal import Decimal

from django.db import transaction

from accounts.models import User
from catalog.models import Sku
from catalog.services.keys import set_reusable, void_keys
from common import clock
from marketing.services import claim_coupon
from membership.services import reward_referral, spend_points
from orders import services
from orders.models import Order
from payments.models import Channel
from payments.providers import RawNotify
from payments.services import apply_payment, confirm_payment, receive_notify
from tenancy.models import MAIN_ID
from torture import scene


def buy(user_id: int, sku_id: int, key: str, coupon: str = "", *, wallet: bool = True, quantity: int = 1) -> str:
    user, goods = User.objects.get(pk=user_id), Sku.objects.get(pk=sku_id)
    order = scene.order(user, goods, quantity, wallet=wallet, key=key, **({"coupon": coupon} if coupon else {}))
    return f"order {order.pk}"


def reserve(user_id: int, sku_id: int, key: str, coupon: str = "") -> str:
    return buy(user_id, sku_id, key, coupon, wallet=False)


def pay_from_wallet(user_id: int, order_id: int) -> str:
    return services.pay_from_wallet(order_id=order_id, user=User.objects.get(pk=user_id)).state


def cancel(order_id: int) -> str:
    return services.cancel(order_id=order_id, actor=None).state


def expire(order_id: int) -> str:
    return str(services.expire(order_id=order_id))


def receive(order_id: int, ref: str, amount: str) -> str:
    with transaction.atomic():
        return services.receive_payment(
            order_id=order_id, amount=Decimal(amount), channel="epay", ref=ref, at=clock.now()
        )


def apply(attempt_id: int, txn: str, amount: str) -> str:
    return str(apply_payment(attempt_id=attempt_id, provider_txn=txn, amount=Decimal(amount)))


def confirm(attempt_id: int, txn: str, amount: str, staff_id: int) -> str:
    return str(
        confirm_payment(
            attempt_id=attempt_id,
            provider_txn=txn,
            amount=Decimal(amount),
            reason="seen",
            actor=User.objects.get(pk=staff_id),
        )
    )


def notify(channel: str, query: str) -> str:
    raw = RawNotify(method="GET", query=query.encode(), body=b"", content_type="", received_at=clock.now())
    return receive_notify(channel=Channel.objects.get(code=channel), raw=raw, address="127.0.0.1")


def refund(order_id: int, line_id: int, amount: str, ref: str) -> str:
    services.refund(order_id=order_id, amounts={line_id: Decimal(amount)}, ref=ref, reason="torture", actor=None)
    return "refunded"


def void(key_id: int) -> str:
    return str(void_keys(key_ids=[key_id]))


def change_secret(sku_id: int, text: str) -> str:
    set_reusable(sku=Sku.objects.select_related("product").get(pk=sku_id), text=text)
    return "changed"


def claim(user_id: int, template: str, ref: str) -> str:
    return f"coupon {claim_coupon(user_id=user_id, template=template, storefront_id=MAIN_ID, ref=ref).pk}"


def claim_credit(order_id: int, user_id: int) -> str:
    return str(services.claim_credit(order_id=order_id, user=User.objects.get(pk=user_id)))


def spend(user_id: int, amount: int, ref: str) -> str:
    return str(spend_points(user_id=user_id, amount=amount, cause="coupon", ref=ref, at=clock.now()).is_new)


def reward(referral_id: int) -> str:
    return str(reward_referral(referral_id=referral_id, at=clock.now()).inviter_points)


def redeliver(order_id: int) -> str:
    return str(services.redeliver(order_id=order_id, actor=None))


def refund_overdue() -> str:
    return str(services.refund_overdue_short())


def order_of(answer: str) -> Order | None:
    """The order that an answer of `buy` names."""
    return Order.objects.get(pk=int(answer.split()[1])) if answer.startswith("order ") else None
