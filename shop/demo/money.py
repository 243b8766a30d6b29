"""Money at work in the demo shop: gifts with top-ups, cards, a credit line, and a withdrawal that waits for two people."""

from datetime import datetime, timedelta
from decimal import Decimal

from accounts.models import User
from common import clock
from payments.models import BonusRule, WithdrawalRules
from payments.selectors import payout_account_of, withdrawable, withdrawal_rules
from payments.services import ask_withdrawal, save_payout_account, verify_payout_account
from wallet.models import CardBatch
from wallet.selectors import credit_line_of
from wallet.services import adjust_by_staff, draw_credit, grant_terms, make_batch, propose_terms

GIFTS = (
    ("满百有礼", "Gift from 100", {"from_amount": 100, "kind": "amount", "amount": 5}),
    ("大额充值", "Large top-ups", {"from_amount": 1000, "kind": "rate", "rate": Decimal("0.08"), "cap": 500}),
)
CARDS = (
    ("新年礼品卡", CardBatch.Kind.GIFT, 50, 20, "新年快乐，心想事成"),
    ("代理充值卡", CardBatch.Kind.RECHARGE, 100, 50, ""),
)
LIMIT, USED, WISHED = Decimal(5000), Decimal(600), Decimal(200)
BEFORE = timedelta(days=20)


def put_money_to_work(*, merchant: User, seller: User, admin: User, keeper: User, now: datetime) -> None:
    """Repeated, it goes on where it stopped."""
    for name, name_en, terms in GIFTS:
        BonusRule.objects.get_or_create(name=name, defaults={"name_en": name_en, "starts_at": now - BEFORE, **terms})
    for name, kind, face_value, count, wording in CARDS:
        if not CardBatch.objects.filter(name=name).exists():
            make_batch(
                name=name,
                kind=kind,
                face_value=Decimal(face_value),
                count=count,
                expires_at=now + timedelta(days=365),
                wording=wording,
                actor=keeper,
            )
    _lend(merchant, admin, keeper)
    _withdraw(seller, admin, now)


def _lend(merchant: User, admin: User, keeper: User) -> None:
    if credit_line_of(merchant) is None:
        terms = propose_terms(user_id=merchant.pk, limit=LIMIT, due_day=10, reason="月结商户", actor=keeper)
        grant_terms(terms_id=terms.pk, actor=admin)
    draw_credit(user=merchant, amount=USED, idempotency_key="demo")


def _withdraw(seller: User, admin: User, now: datetime) -> None:
    """Somebody who was paid for goods that were bought back, and wants it out."""
    adjust_by_staff(user_id=seller.pk, amount=WISHED * 4, ref="demo:bought-back", reason="回收闲置卡密", actor=admin)
    WithdrawalRules.objects.update(is_open=True, top_up_days=0, fee_rate=Decimal("0.006"), fee_min=2, fee_max=25)
    if payout_account_of(seller) is None:
        with clock.travel(now - BEFORE):
            made = save_payout_account(user=seller, kind="bank", name="陈一鸣", number="6222021234567894321")
            verify_payout_account(account_id=made.pk, actor=admin)
    rules, account = withdrawal_rules(), payout_account_of(seller)
    if withdrawable(seller, rules, account, now).amount >= WISHED:
        ask_withdrawal(user=seller, amount=WISHED, idempotency_key="demo")
