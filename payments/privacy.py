from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from common.privacy import belongs, hinders, nobodys
from payments.models import PaymentAttempt


def of_payer(user: Any) -> Q:
    return Q(order__buyer=user) | Q(top_up__user=user)


nobodys("the shop's own", "payments.Channel")
belongs("payments.TopUp", of="user", keep=["public_id"])
belongs(
    "payments.PaymentAttempt",
    of=of_payer,
    keep=["public_id", "number", "provider_txn"],
    blank={"payload": "", "last_error": ""},
    secret=["payload", "last_error"],
)
# A gateway may say who paid. What it said counts no more once it was applied.
belongs(
    "payments.NotifyLog",
    of=lambda user: Q(attempt_id__in=PaymentAttempt.objects.filter(of_payer(user)).values("pk")),
    keep=["http_method", "reason"],
    blank={"raw": "", "address": None},
    secret=["raw", "address"],
)


@hinders
def open_payments(user: Any) -> Iterable[str]:
    if PaymentAttempt.objects.filter(of_payer(user), state__in=PaymentAttempt.LIVE).exists():
        yield _("有一笔付款还没有结果，请等它完成或过期")
