"""What is given on top of a top-up: promised when it is placed, given with the money that it was promised for, once.

The promise stands on the top-up, so that a rule that changes or ends meanwhile breaks no word. Money that comes late, too
little, or a second time brings nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q, QuerySet

from accounts.models import User
from common.locks import lock, lock_name, lock_one
from common.money import ZERO, round_money
from membership.selectors import holding_of
from payments.kept import LAST, Back, take, topped_up
from payments.models import BonusGrant, BonusRule, TopUp
from wallet.models import Account, Entry, Transfer
from wallet.services import Posting, post, shop_account, user_wallet


@dataclass(frozen=True)
class Promise:
    rule: BonusRule
    amount: Decimal


def bonus_of(rule: BonusRule, amount: Decimal) -> Decimal:
    """What the rule gives for a top-up of `amount`, in yuan."""
    if amount < rule.from_amount:
        return ZERO
    if rule.kind == BonusRule.Kind.AMOUNT:
        return rule.amount
    found = round_money(amount * rule.rate)
    return found if rule.cap is None else min(found, rule.cap)


def rules_for(user: User, storefront_id: int, at: datetime) -> list[BonusRule]:
    """The rules that this member can still use now, by amount. A promise that waits for its money counts as a use: what is
    promised is kept, so it is not promised more often than it may be given."""
    rules = list(BonusRule.objects.filter(Q(ends_at=None) | Q(ends_at__gt=at), is_active=True, starts_at__lte=at))
    if not rules:
        return []
    groups = set(user.groups.values_list("pk", flat=True))
    own = holding_of(user_id=user.pk, storefront_id=storefront_id).own
    rank = own.rank if own is not None else 0
    used = dict.fromkeys((rule.pk for rule in rules), 0)
    for rule_id in BonusGrant.objects.filter(user=user, rule__in=rules).values_list("rule_id", flat=True):
        used[rule_id] += 1
    for rule_id in _waiting(user).filter(bonus_rule__in=rules).values_list("bonus_rule", flat=True):
        used[rule_id] += 1
    return [
        rule
        for rule in rules
        if (rule.min_rank is None or rank >= rule.min_rank)
        and (rule.group_id is None or rule.group_id in groups)
        and (rule.per_member is None or used[rule.pk] < rule.per_member)
    ]


def holds_a_promise(user: User) -> bool:
    """Whether a top-up that is not paid yet holds a gift which is given so often and no more."""
    return _waiting(user).filter(bonus_rule__per_member__isnull=False, bonus_rule__is_active=True).exists()


def _waiting(user: User) -> QuerySet[TopUp]:
    """Top-ups that bring their gift once they are paid."""
    return TopUp.objects.filter(user=user, state=TopUp.State.UNPAID, bonus__gt=0)


def best_of(rules: list[BonusRule], amount: Decimal) -> Promise | None:
    """The rule that gives most for this amount."""
    found = [Promise(rule, given) for rule in rules if (given := bonus_of(rule, amount))]
    return max(found, key=lambda one: one.amount, default=None)


def grant_bonus(top_up: TopUp, *, at: datetime) -> Decimal:
    """Give what was promised with this top-up, in the transaction that credits it; returns how much.

    The caller holds the top-up. Locks the member's use of the rule (advisory), then the wallet.
    """
    rule = top_up.bonus_rule
    if rule is None or not top_up.bonus:
        return ZERO
    lock_name(f"bonus:{rule.pk}:{top_up.user_id}")
    number = BonusGrant.objects.filter(rule=rule, user=top_up.user_id).count() + 1
    if rule.per_member is not None and number > rule.per_member:
        return ZERO
    amount = top_up.bonus
    BonusGrant.objects.create(top_up=top_up, rule=rule, user_id=top_up.user_id, number=number, amount=amount, at=at)
    legs = [
        Posting(user_wallet(top_up.user_id), amount, restricted=amount),
        Posting(shop_account(Account.Purpose.BONUSES), -amount),
    ]
    post(ref=bonus_ref(top_up.pk), kind=Transfer.Kind.BONUS, postings=legs, at=at, memo=rule.name)
    return amount


def bonus_ref(top_up_id: int) -> str:
    """The ledger's reference of what was given with a top-up."""
    return f"bonus:{top_up_id}"


def due_back(grant: BonusGrant | None, amount: Decimal, *, attempt_id: int | None = None) -> Decimal:
    """What of the gift goes along with `amount` of its top-up, through an attempt's gateway or else by hand, in yuan.

    In proportion to what went back of the payment that brought it, less what went already; other payments of the top-up brought
    nothing and take nothing along. Whoever acts on it holds the attempts and the top-up.
    """
    if grant is None:
        return ZERO
    payments = topped_up(TopUp.objects.filter(pk=grant.top_up_id))
    now = Back(place=LAST, amount=amount, attempt_id=attempt_id, top_up_id=grant.top_up_id)
    take(payments, [now])
    first = payments[0]
    share = round_money(grant.amount * (first.amount - first.kept) / first.amount)
    return max(share - grant.taken_back, ZERO)


def lock_gift(top_up: TopUp) -> BonusGrant | None:
    """The gift that came with a top-up, both locked and read afresh; the caller holds the attempts, or a refund of one."""
    lock_one(TopUp.objects.filter(pk=top_up.pk))
    return next(iter(lock(BonusGrant.objects.filter(top_up=top_up))), None)


def take_back(grant: BonusGrant, amount: Decimal, *, ref: str, memo: str, at: datetime) -> None:
    """What is left of a locked gift first, then other money: it was spent. Raises InsufficientBalance."""
    legs = [Posting(user_wallet(grant.user_id), -amount), Posting(shop_account(Account.Purpose.BONUSES), amount)]
    post(ref=ref, kind=Transfer.Kind.BONUS_BACK, postings=legs, at=at, memo=memo)
    grant.taken_back += amount
    grant.save(update_fields=["taken_back"])


def give_again(grant: BonusGrant, amount: Decimal, *, ref: str, at: datetime) -> None:
    """Undo what was taken back of a locked gift under `ref`: what could not be withdrawn then cannot be now."""
    taken = Entry.objects.get(transfer__ref=ref, account=user_wallet(grant.user_id))
    legs = [
        Posting(user_wallet(grant.user_id), amount, restricted=-taken.restricted),
        Posting(shop_account(Account.Purpose.BONUSES), -amount),
    ]
    post(ref=f"{ref}:undone", kind=Transfer.Kind.BONUS_BACK, postings=legs, at=at, memo=ref)
    grant.taken_back -= amount
    grant.save(update_fields=["taken_back"])
