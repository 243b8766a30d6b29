"""Gifts and withdrawals for tests."""

import itertools
from datetime import timedelta
from decimal import Decimal

from accounts.models import User
from common import clock
from payments.models import BonusRule, PayoutAccount, Withdrawal, WithdrawalRules
from payments.services import ask_withdrawal, save_payout_account, verify_payout_account
from tests.desk import staff

_keys = itertools.count(1)
LONG_AGO = timedelta(days=30)


def bonus_rule(start: str, gives: str, **fields) -> BonusRule:
    """From `start` yuan the shop gives `gives`."""
    fields = {"name": f"满{start}送{gives}", "starts_at": clock.now() - LONG_AGO, "amount": Decimal(gives), **fields}
    return BonusRule.objects.create(from_amount=Decimal(start), **fields)


def open_withdrawals(**fields) -> WithdrawalRules:
    WithdrawalRules.objects.update(is_open=True, **fields)
    return WithdrawalRules.objects.get()


def verified_account(user: User, number: str = "13800001234") -> PayoutAccount:
    """An account that has cooled down."""
    made = save_payout_account(user=user, kind="alipay", name="王小明", number=number)
    verifier = User.objects.filter(username="victor").first() or staff("victor")
    verify_payout_account(account_id=made.pk, actor=verifier)
    PayoutAccount.objects.filter(pk=made.pk).update(created_at=clock.now() - LONG_AGO)
    made.refresh_from_db()
    return made


def ask(user: User, amount: str, key: str = "") -> Withdrawal:
    return ask_withdrawal(user=user, amount=Decimal(amount), idempotency_key=key or f"key-{next(_keys)}")
