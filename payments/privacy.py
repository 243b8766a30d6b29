from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from common.privacy import belongs, hinders, nobodys
from orders.selectors import of_person
from payments.models import NotifyLog, PaymentAttempt, Withdrawal


def of_payer(user: Any) -> Q:
    return of_person("order__")(user) | Q(top_up__user=user)


nobodys(
    "the shop's own",
    "payments.Channel",
    "payments.ChannelChange",
    "payments.PlatformCertificate",
    "payments.BonusRule",
    "payments.WithdrawalRules",
)
nobodys(
    "numbers and sums of a gateway's statement, and what staff made of them",
    "payments.Reconciliation",
    "payments.ReconciliationCase",
    "payments.CaseMove",
)
belongs("payments.TopUp", of="user", keep=["public_id"])
belongs(
    "payments.PaymentAttempt",
    of=of_payer,
    keep=["public_id", "number", "provider_txn", "ref", "currency", "subject"],
    blank={"payload": "", "last_error": ""},
    secret=["payload", "last_error"],
)
# A gateway may say who paid. What it said counts no more once it was applied.
belongs(
    "payments.NotifyLog",
    of=lambda user: Q(attempt_id__in=PaymentAttempt.objects.filter(of_payer(user)).values("pk")),
    keep=["http_method", "reason", "number", "provider_txn"],
    blank={"raw": "", "headers": {}, "address": None},
    secret=["raw", "headers", "address"],
)


@hinders
def open_payments(user: Any) -> Iterable[str]:
    if PaymentAttempt.objects.filter(of_payer(user), state__in=PaymentAttempt.LIVE).exists():
        yield _("有一笔付款还没有结果，请等它完成或过期")


@hinders
def held_money(user: Any) -> Iterable[str]:
    mine = PaymentAttempt.objects.filter(of_payer(user)).values("pk")
    undecided = [NotifyLog.Verdict.HELD, NotifyLog.Verdict.WAITING]
    if NotifyLog.objects.filter(attempt_id__in=mine, verdict__in=undecided).exists():
        yield _("有一笔款项还在人工核对，请等它处理完")


belongs(
    "payments.GatewayTransaction",
    of=lambda user: Q(attempt__order__buyer=user) | Q(attempt__top_up__user=user),
    keep=["gateway", "merchant", "provider_txn"],
)
belongs("payments.BonusGrant", of="user")
belongs("payments.TopUpRefund", of="top_up__user", keep=["ref"], blank={"reason": "–"})
belongs(
    "payments.Refund",
    of=lambda user: of_person("attempt__order__")(user) | Q(attempt__top_up__user=user),
    keep=["number", "ref", "provider_refund", "paid_number", "paid_txn"],
    blank={"reason": "", "last_error": ""},
    secret=["last_error"],
)
belongs(
    "payments.RefundMove",
    of=lambda user: of_person("refund__attempt__order__")(user) | Q(refund__attempt__top_up__user=user),
    keep=["from_state"],
    blank={"note": ""},
    secret=["note"],
)
belongs(
    "payments.PayoutAccount",
    of="user",
    keep=["public_id"],
    blank={"sealed": "", "hint": "", "digest": b"", "reason": ""},
    # Name and number in plain stand on the member's page; the copy shows as much as that page does.
    secret=["sealed", "digest"],
)
belongs("payments.Withdrawal", of="user", keep=["public_id", "number", "proof"], blank={"reason": "–"})
belongs("payments.WithdrawalMove", of="withdrawal__user", blank={"note": ""})


@hinders
def open_withdrawals(user: Any) -> Iterable[str]:
    if Withdrawal.objects.filter(user=user, state__in=Withdrawal.OPEN).exists():
        yield _("有一笔提现还没有打款，请等它完成或取消")
