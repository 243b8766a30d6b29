"""The ledger stays as it was posted: its accounts are of a number, and the number is nobody's when the account is erased."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from common.privacy import belongs, hinders, nobodys
from common.templatetags.ui import yuan
from wallet.selectors import balance_of, owed_by

nobodys("references of the ledger", "wallet.TransferRef")
nobodys(
    "what the shop sets and issues",
    "wallet.WalletRules",
    "wallet.CardBatch",
    "wallet.CardRelease",
)
nobodys("members by number, and why staff moved money", "wallet.ByHand", "wallet.ByHandApproval")
belongs("wallet.Account", of="user", keep=["code"])
belongs("wallet.Transfer", of=lambda user: Q(entries__account__user=user), keep=["ref", "memo"])
belongs("wallet.Entry", of="account__user")
belongs("wallet.Card", of="redeemed_by", secret=["digest"])
belongs("wallet.CardMove", of="card__redeemed_by", keep=["note"])
belongs("wallet.CreditLine", of="user", keep=["warned_for"])
belongs("wallet.CreditTerms", of="user", blank={"reason": "–"})
belongs("wallet.CreditDraw", of="line__user", keep=["due_on", "memo"])
belongs("wallet.CreditRepayment", of="line__user")
belongs("wallet.CreditMove", of="line__user", blank={"note": ""})
belongs("wallet.PayGuard", of="user", remove=True)
belongs("wallet.PayConfirmation", of="user", keep=["ref"])
belongs("wallet.TokenAllowance", of="token__user", remove=True)


@hinders
def money_left(user: Any) -> Iterable[str]:
    balance = balance_of(user)
    if balance:
        yield _("余额还有 %(balance)s，请先用完，或联系客服退回") % {"balance": yuan(balance)}


@hinders
def money_owed(user: Any) -> Iterable[str]:
    owed = owed_by(user)
    if owed:
        yield _("授信还有 %(owed)s 没有还清") % {"owed": yuan(owed)}
