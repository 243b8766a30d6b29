"""A member's money beside orders: top-ups with gifts, cards, withdrawals with four eyes, credit."""

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from audit.exceptions import SamePerson
from payments.exceptions import (
    BadWithdrawalAmount,
    NotWithdrawable,
    RefundTooLarge,
    WithdrawalLimit,
    WithdrawalMoved,
    WithdrawalNotFound,
)
from payments.services import (
    apply_payment,
    apply_second,
    approve_withdrawal,
    ask_withdrawal,
    cancel_withdrawal,
    confirm_withdrawal,
    place_top_up,
    refund_top_up,
    reject_withdrawal,
)
from tenancy.selectors import main_storefront
from torture.model.facts import CENT, ZERO, ByHand, Came, TopUp, Try, Withdrawn, yuan
from torture.model.refunds import Refunds
from torture.model.scenery import A_DAY, A_MONTH, FACE, GIFT, GIFT_FROM, LEAST, MOST
from wallet.exceptions import CardUnusable, CreditExhausted, InsufficientBalance, Moved, NoCredit, NothingOwed
from wallet.services import (
    draw_credit,
    freeze_line,
    redeem_card,
    repay_credit,
    set_auto_use,
    unfreeze_line,
    void_cards,
)

WHO = st.integers(0, 1)
PLACE = st.integers(0, 50)
# Of so many bad codes in a row each is refused for what it is, and not because there were so many.
BAD_CODES = 8


class TopUps(Refunds):
    @rule(who=WHO, yuan=st.integers(1, 5), repays=st.booleans())
    def top_up(self, who: int, yuan: int, repays: bool) -> None:
        """Put up twice, so that the other form can still be paid."""
        amount, txn, key = Decimal(yuan).quantize(CENT), self.fresh("txn"), self.fresh("top-up")

        def act() -> tuple[int, list[int]]:
            placed = place_top_up(
                user=self.members[who],
                storefront=main_storefront(),
                amount=amount,
                idempotency_key=key,
                repays_credit=repays,
            )
            tries = [self.attempt(placed, channel).pk for channel in range(2)]
            assert apply_payment(attempt_id=tries[0], provider_txn=txn, amount=amount)
            assert not apply_payment(attempt_id=tries[0], provider_txn=txn, amount=amount)
            return placed.pk, tries

        placed, tries = self.expect(None, act)
        gift = GIFT if amount >= GIFT_FROM and not repays else ZERO
        made = TopUp(placed, who, gift, repays, [])
        self.top_ups.append(made)
        self.tries += [Try(one, made) for one in tries]
        self.purses[who].come(gift, gift)
        if gift:
            self.purses[who].story.append(made)
        self._credit(self.tries[-2], amount, txn)

    @precondition(lambda self: self.top_ups)
    @rule(place=PLACE, cents=st.integers(1, 500))
    def pay_top_up_again(self, place: int, cents: int) -> None:
        """By the other form, or once more under a number that was paid: no gift comes with it."""
        tried = self.pick([one for one in self.tries if isinstance(one.of, TopUp)], place)
        amount, txn = yuan(cents), self.fresh("txn")
        assert self.expect(None, lambda: apply_second(attempt_id=tried.pk, provider_txn=txn, amount=amount))
        self._credit(tried, amount, txn)

    def _credit(self, tried: Try, amount: Decimal, txn: str) -> None:
        row = tried.of
        row.log.append(Came(self.now, amount, None if tried.paid_by else tried))
        if not tried.paid_by:
            tried.paid_by, tried.amount = txn, amount
        self.booked.add(txn)
        self.purses[row.who].come(amount)
        line = self.lines[row.who]
        if row.repays and line is not None:
            self.pay_debt(row.who, min(amount, line.used))

    @precondition(lambda self: self.top_ups)
    @rule(place=PLACE, cents=st.integers(1, 500), whole=st.booleans(), again=st.booleans())
    def give_top_up_back(self, place: int, cents: int, whole: bool, again: bool) -> None:
        """By hand, outside the shop; its gift goes in proportion, after what brought none."""
        row = self.pick(self.top_ups, place)
        purse = self.purses[row.who]
        left = self.kept(row)
        amount = max(left, CENT) if whole else yuan(cents)
        back = ByHand(amount)
        gift = row.share(back)
        ref = sorted(row.refs)[0] if again and row.refs else self.fresh("top-up-back")
        refusal: type[Exception] | None = None
        if ref not in row.refs:
            if amount > left:
                refusal = RefundTooLarge
            elif not self.can_go(next(one for one in self.tries if one.of is row), amount, gift):
                refusal = InsufficientBalance
        told = {"top_up_id": row.pk, "amount": amount, "ref": ref, "reason": "torture", "actor": self.staff[0]}
        self.expect(refusal, lambda: refund_top_up(**told))
        if refusal is not None or ref in row.refs:
            return
        row.refs.add(ref)
        purse.go(gift)
        purse.come(-amount)
        row.log.append(back)
        row.refunded += amount
        row.taken_back += gift


class Cards(Refunds):
    @rule(who=WHO, place=PLACE)
    def redeem(self, who: int, place: int) -> None:
        card = self.pick(self.cards, place)
        again = card.state == "redeemed" and card.who == who
        refusal = None if again or card.state == "issued" else CardUnusable
        if refusal is not None:
            if self.bad_codes[who] == BAD_CODES:
                return
            self.bad_codes[who] += 1
        # An address of its own: tries are counted by it, and a machine before this one may be years ahead.
        number = self.members[0].pk
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        told = {"user": self.members[who], "code": card.code, "address": address}
        made = self.expect(refusal, lambda: redeem_card(**told))
        if made is None:
            return
        assert made.again == again
        if not again:
            card.state, card.who = "redeemed", who
            self.purses[who].come(FACE, FACE)

    @rule(place=PLACE)
    def void_a_card(self, place: int) -> None:
        card = self.pick(self.cards, place)
        told = {"batch_id": self.batch, "first": card.number, "last": card.number, "reason": "torture"}
        count = self.expect(None, lambda: void_cards(**told, actor=self.staff[0]))
        assert count == (card.state == "issued")
        if count:
            card.state = "voided"


class Withdrawals(Refunds):
    @rule(who=WHO, cents=st.integers(100, 900), how=st.sampled_from(["some", "all", "a cent too much"]))
    def ask_for_withdrawal(self, who: int, cents: int, how: str) -> None:
        if how == "some":
            self._ask(who, yuan(cents))
        else:
            all_ = min(self.withdrawable(who), MOST - CENT)
            self._ask(who, all_ + (ZERO if how == "all" else CENT))

    def _ask(self, who: int, amount: Decimal) -> None:
        today, left = self.today, self.withdrawable(who)
        counted = [one for one in self.withdrawn if one.who == who and one.state in ("asked", "approved", "paid")]
        month = sum((one.amount for one in counted if one.day >= today.replace(day=1)), ZERO)
        day = sum((one.amount for one in counted if one.day >= today), ZERO)
        refusal: type[Exception] | None = None
        if not LEAST <= amount <= MOST:
            refusal = BadWithdrawalAmount
        elif amount > left:
            refusal = NotWithdrawable
        elif amount > min(A_DAY - day, A_MONTH - month):
            refusal = WithdrawalLimit
        told = {"user": self.members[who], "amount": amount, "idempotency_key": self.fresh("withdrawal")}
        made = self.expect(refusal, lambda: ask_withdrawal(**told))
        if made is None:
            return
        if amount == left:
            self.acts["ask for all there is"] += 1
        self.withdrawn.append(Withdrawn(made.pk, made.public_id, who, amount, self.now, today))
        self.purses[who].come(-amount)
        self.purses[who].held += amount

    @precondition(lambda self: self.withdrawn)
    @rule(place=PLACE, by=st.integers(0, 1))
    def approve(self, place: int, by: int) -> None:
        self._approve(self.pick_open(self.withdrawn, lambda one: one.state == "asked", place), by)

    def _approve(self, row: Withdrawn, by: int) -> None:
        refusal = None if row.state == "asked" else WithdrawalMoved
        self.expect(refusal, lambda: approve_withdrawal(withdrawal_id=row.pk, actor=self.staff[by]))
        if refusal is None:
            row.state, row.approved_by = "approved", by

    @precondition(lambda self: self.withdrawn)
    @rule(place=PLACE, by=st.integers(0, 1))
    def pay_out(self, place: int, by: int) -> None:
        row = self.pick_open(self.withdrawn, lambda one: one.state == "approved", place)
        refusal = WithdrawalMoved if row.state != "approved" else SamePerson if row.approved_by == by else None
        told = {"withdrawal_id": row.pk, "proof": "bank-1", "actor": self.staff[by]}
        self.expect(refusal, lambda: confirm_withdrawal(**told))
        if refusal is None:
            row.state = "paid"
            self.purses[row.who].held -= row.amount

    @precondition(lambda self: self.withdrawn)
    @rule(place=PLACE)
    def reject(self, place: int) -> None:
        row = self.pick(self.withdrawn, place)
        refusal = None if row.state in ("asked", "approved") else WithdrawalMoved
        told = {"withdrawal_id": row.pk, "reason": "torture", "actor": self.staff[0]}
        self.expect(refusal, lambda: reject_withdrawal(**told))
        if refusal is None:
            self.undo(row, "rejected")

    @precondition(lambda self: self.withdrawn)
    @rule(place=PLACE, who=WHO)
    def take_wish_back(self, place: int, who: int) -> None:
        row = self.pick(self.withdrawn, place)
        refusal: type[Exception] | None = None
        if row.who != who:
            refusal = WithdrawalNotFound
        elif row.state not in ("asked", "cancelled"):
            refusal = WithdrawalMoved
        told = {"public_id": row.public_id, "user": self.members[who]}
        self.expect(refusal, lambda: cancel_withdrawal(**told))
        if refusal is None and row.state == "asked":
            self.undo(row, "cancelled")

    def undo(self, row: Withdrawn, state: str) -> None:
        row.state = state
        self.purses[row.who].held -= row.amount
        self.purses[row.who].come(row.amount)


class Credit(Refunds):
    """The first member has a line, the second has none."""

    @rule(who=WHO, cents=st.integers(1, 600))
    def use_credit(self, who: int, cents: int) -> None:
        self._use_credit(who, yuan(cents))

    def _use_credit(self, who: int, amount: Decimal) -> None:
        line = self.lines[who]
        refusal: type[Exception] | None = None
        if line is None or not line.lends(self.today):
            refusal = NoCredit
        elif amount > line.free(self.today):
            refusal = CreditExhausted
        told = {"user": self.members[who], "amount": amount, "idempotency_key": self.fresh("draw")}
        if self.expect(refusal, lambda: draw_credit(**told)) is not None:
            line.lend(amount, self.today)
            self.purses[who].come(amount, amount)

    @rule(who=WHO, cents=st.integers(1, 600))
    def repay(self, who: int, cents: int) -> None:
        amount, line = yuan(cents), self.lines[who]
        part = min(amount, line.used) if line is not None else ZERO
        refusal = NothingOwed if not part else InsufficientBalance if part > self.purses[who].balance else None
        told = {"user": self.members[who], "amount": amount, "idempotency_key": self.fresh("repay")}
        if self.expect(refusal, lambda: repay_credit(**told)) is not None:
            self.pay_debt(who, part)

    @rule(who=WHO, on=st.booleans())
    def cover_what_is_missing(self, who: int, on: bool) -> None:
        line = self.lines[who]
        self.expect(None if line else NoCredit, lambda: set_auto_use(user=self.members[who], on=on))
        if line is not None:
            line.auto = on

    @rule(who=WHO, on=st.booleans())
    def freeze(self, who: int, on: bool) -> None:
        line, act, state = self.lines[who], freeze_line if on else unfreeze_line, "frozen" if on else "active"
        refusal = Moved if line is None or line.state == state else None
        told = {"user_id": self.members[who].pk, "reason": "torture", "actor": self.staff[0]}
        self.expect(refusal, lambda: act(**told))
        if line is not None:
            line.state = state
