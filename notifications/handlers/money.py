"""Top-ups, rebates, withdrawals and credit."""

from datetime import datetime

from django.urls import reverse

from events.contracts import CreditNoticed, PayoutAccountDecided, RebatePaid, WalletToppedUp, WithdrawalMoved
from events.registry import subscribe
from notifications import services
from notifications.models import Kind
from payments.models import PayoutAccount, Withdrawal


@subscribe(WalletToppedUp, "notifications.topped_up")
def topped_up(event: WalletToppedUp, *, at: datetime) -> None:
    services.tell(
        ref=f"topped_up:{event.user_id}:{event.topped_up_at.isoformat()}",
        user_id=event.user_id,
        kind=Kind.TOPPED_UP,
        params={"amount": str(event.amount)},
        link=reverse("shop:wallet"),
        at=at,
    )


@subscribe(RebatePaid, "notifications.rebate_paid")
def rebate_paid(event: RebatePaid, *, at: datetime) -> None:
    services.tell(
        ref=f"rebate:{event.user_id}:{event.month}",
        user_id=event.user_id,
        kind=Kind.REBATE_PAID,
        params={"month": event.month, "amount": str(event.amount)},
        link=reverse("shop:wallet"),
        at=at,
    )


WITHDRAWAL_KINDS = {
    "asked": Kind.WITHDRAWAL_ASKED,
    "paid": Kind.WITHDRAWAL_PAID,
    "rejected": Kind.WITHDRAWAL_REJECTED,
}


@subscribe(WithdrawalMoved, "notifications.withdrawal_moved")
def withdrawal_moved(event: WithdrawalMoved, *, at: datetime) -> None:
    # Events are kept as they were told; the account's name and number would outlast its owner there.
    row = Withdrawal.objects.select_related("account").get(pk=event.withdrawal_id)
    services.tell(
        ref=f"withdrawal:{event.withdrawal_id}:{event.state}",
        user_id=event.user_id,
        kind=WITHDRAWAL_KINDS[event.state],
        params={"amount": str(event.amount), "account": str(row.account), "reason": event.reason},
        link=reverse("payments:withdrawals"),
        at=at,
    )


@subscribe(PayoutAccountDecided, "notifications.payout_account_decided")
def payout_account_decided(event: PayoutAccountDecided, *, at: datetime) -> None:
    account = PayoutAccount.objects.get(pk=event.account_id)
    services.tell(
        ref=f"payout:{event.account_id}:{event.decided_at.isoformat()}",
        user_id=event.user_id,
        kind=Kind.PAYOUT_VERIFIED if event.verified else Kind.PAYOUT_REFUSED,
        params={"account": str(account), "reason": event.reason},
        link=reverse("payments:withdrawals"),
        at=at,
    )


CREDIT_KINDS = {
    "granted": Kind.CREDIT_GRANTED,
    "due": Kind.CREDIT_DUE,
    "frozen": Kind.CREDIT_FROZEN,
    "unfrozen": Kind.CREDIT_UNFROZEN,
}


@subscribe(CreditNoticed, "notifications.credit_noticed")
def credit_noticed(event: CreditNoticed, *, at: datetime) -> None:
    services.tell(
        ref=f"credit:{event.line_id}:{event.what}:{event.noticed_at.isoformat()}",
        user_id=event.user_id,
        kind=CREDIT_KINDS[event.what],
        params={"used": str(event.used), "limit": str(event.limit), "due": event.due_on},
        link=reverse("shop:wallet_credit"),
        at=at,
    )
