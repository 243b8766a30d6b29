"""Money goes back: into the shop, or the way it came, with a gateway that answers as it likes."""

from decimal import Decimal
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from orders import services
from orders.exceptions import IllegalMove, RefundTooLarge
from orders.models import OrderRefund
from payments import exceptions
from payments.exceptions import NotReturnable
from payments.providers import Outcome, Refunded
from payments.services import begin_refund, push_refund, refunding, return_payment, settle_refund
from torture.model.facts import CENT, GUEST, ZERO, Back, Bought, TopUp, Try, Wish, yuan
from torture.model.paying import Paying
from wallet.exceptions import InsufficientBalance

ANSWERS = {
    "done": Refunded(outcome=Outcome.DONE, provider_refund="R1"),
    "refused": Refunded(outcome=Outcome.REFUSED, reason="no"),
    "silent": Refunded(outcome=Outcome.UNKNOWN, reason="timeout"),
    "missing": Refunded(outcome=Outcome.UNKNOWN, missing=True),
}


class FickleGateway:
    """Answers what it is told to; one that misses a refund gives it when it is sent again."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def refund(self, **told: object) -> Refunded:
        return ANSWERS["done" if self.answer == "missing" else self.answer]

    def query_refund(self, **told: object) -> Refunded:
        return ANSWERS[self.answer]


class Refunds(Paying):
    @precondition(lambda self: self.orders)
    @rule(
        place=st.integers(0, 50),
        cents=st.integers(1, 700),
        whole=st.booleans(),
        again=st.booleans(),
        route=st.sampled_from(["back", "back and heard of", "shop"]),
    )
    def refund(self, place: int, cents: int, whole: bool, again: bool, route: str) -> None:
        original = route != "shop"
        bought = self.pick(self.orders, place)
        left = bought.total - bought.refunded
        # What a partial refund makes of a line that waits for staff is a story of its own; here it gets all back.
        amount = max(left, CENT) if whole or bought.state == "paid" else yuan(cents)
        ref = sorted(bought.refs)[0] if again and bought.refs else self.fresh("refund")
        refusal: type[Exception] | None = None
        if ref not in bought.refs:
            refusal = IllegalMove if not bought.is_paid else RefundTooLarge if amount > left else None
        told = {
            "order_id": bought.pk,
            "amounts": {bought.line: amount},
            "ref": ref,
            "to": OrderRefund.Target.ORIGINAL if original else None,
        }
        made = self.expect(refusal, lambda: services.refund(**told, reason="torture", actor=self.staff[0]))
        if refusal is not None or ref in bought.refs:
            return
        bought.refs.add(ref)
        bought.refunded += amount
        if original and not bought.by_wallet:
            self.wishes.append(Wish(made.pk, bought, amount))
        else:
            self.give_back(bought, amount)
        if bought.refunded == bought.total:
            bought.state = "refunded"
            self.free_coupon(bought)
        if self.wishes and route == "back and heard of":
            self._hear(self.wishes[-1])

    # The way it came

    @precondition(lambda self: self.wishes)
    @rule(place=st.integers(0, 50))
    def gateways_hear_of_it(self, place: int) -> None:
        self._hear(self.pick(self.wishes, place))

    def _hear(self, wish: Wish) -> None:
        made = self.expect(None, lambda: begin_refund(refund_id=wish.pk))
        if wish.heard:
            return
        wish.heard = True
        parts = self.shared_out(wish)
        assert [(one.attempt_id, one.amount) for one in made] == [(tried.pk, part) for tried, part in parts]
        self.backs += [Back(row.pk, tried, part, wish) for row, (tried, part) in zip(made, parts, strict=True)]
        rest = wish.amount - sum((part for _, part in parts), ZERO)
        wish.credited += rest
        self.gain(wish.of, rest)

    def shared_out(self, wish: Wish) -> list[tuple[Try, Decimal]]:
        left, parts = wish.amount, []
        paid = [one for one in self.tries if one.of is wish.of and one.paid_by]
        for tried in sorted(paid, key=lambda one: (not one.bought, one.pk)):
            part = min(left, tried.amount - self.returning(tried))
            if part > 0:
                parts.append((tried, part))
                left -= part
        return parts

    @precondition(lambda self: self.tries)
    @rule(
        place=st.integers(0, 50),
        cents=st.integers(1, 700),
        whole=st.booleans(),
        answer=st.sampled_from(["", "staff", *sorted(ANSWERS)]),
    )
    def send_back(self, place: int, cents: int, whole: bool, answer: str) -> None:
        """What paid for nothing, out of the wallet or the guest's order where it lies; a top-up with its share of the gift."""
        # Not left to luck: what takes a gift along.
        is_open = self.brought_a_gift if any(map(self.brought_a_gift, self.tries)) else self.returnable
        tried = self.pick_open(self.tries, is_open, place)
        left = self.returnable(tried)
        amount = max(left, CENT) if whole else yuan(cents)
        back = Back(0, tried, amount, None)
        gift = tried.of.share(back) if isinstance(tried.of, TopUp) else ZERO
        refusal: type[Exception] | None = None
        if amount > left:
            refusal = NotReturnable
        elif not self.can_go(tried, amount, gift):
            refusal = InsufficientBalance
        ref = self.fresh("back")
        told = {"attempt_id": tried.pk, "amount": amount, "ref": ref}
        made = self.expect(refusal, lambda: return_payment(**told, reason="torture", actor=self.staff[0]))
        if refusal is not None:
            return
        back.pk = made.pk
        if gift:
            back.gift, back.restricted = gift, self.purses[tried.owner].go(gift)
            tried.of.taken_back += gift
            self.acts["send_back with a gift"] += 1
        self.backs.append(back)
        if isinstance(tried.of, TopUp):
            tried.of.log.append(back)
        elif tried.owner != GUEST:
            self.purses[tried.owner].came.append(back)
        self.lay_down(tried, -amount)
        if answer == "staff":
            self._write_down(back, done=False)
        elif answer:
            self._answer(back, answer)

    def can_go(self, tried: Try, amount: Decimal, gift: Decimal) -> bool:
        """Whether both are there; the gift takes what is restricted first, the rest may not touch that."""
        if tried.owner == GUEST:
            return amount <= tried.of.credit
        purse = self.purses[tried.owner]
        return gift <= purse.balance and amount <= purse.balance - gift - max(purse.restricted - gift, ZERO)

    def brought_a_gift(self, tried: Try) -> bool:
        return isinstance(tried.of, TopUp) and tried.of.keeps_gift and tried.of.kept()[0].of.by is tried

    def returnable(self, tried: Try) -> Decimal:
        if not tried.paid_by:
            return ZERO
        if isinstance(tried.of, TopUp):
            return sum((one.amount for one in tried.of.kept() if one.of.by is tried), ZERO)
        left = tried.amount - self.returning(tried)
        if tried.bought:
            unheard = (one.amount for one in self.wishes if one.of is tried.of and not one.heard)
            left -= tried.of.total - tried.of.refunded + sum(unheard, ZERO)
        return max(ZERO, left)

    def lay_down(self, tried: Try, amount: Decimal) -> None:
        """Money that may be withdrawn, where the attempt's buyer has it in the shop."""
        if isinstance(tried.of, Bought) and tried.owner == GUEST:
            tried.of.credit += amount
        else:
            self.purses[tried.owner].come(amount)

    @precondition(lambda self: self.backs)
    @rule(place=st.integers(0, 50), answer=st.sampled_from(sorted(ANSWERS)))
    def gateway_answers(self, place: int, answer: str) -> None:
        self._answer(self.pick_open(self.backs, lambda one: not one.is_over, place), answer)

    def _answer(self, back: Back, answer: str) -> None:
        with mock.patch.object(refunding, "provider_of", lambda channel: FickleGateway(answer)):
            self.expect(None, lambda: push_refund(refund_id=back.pk))
        if back.is_over:
            return
        if answer == "silent":
            back.state = "unknown"
        else:
            self.end(back, done=answer != "refused")

    @precondition(lambda self: self.backs)
    @rule(place=st.integers(0, 50), done=st.booleans())
    def staff_writes_result_down(self, place: int, done: bool) -> None:
        self._write_down(self.pick_open(self.backs, lambda one: not one.is_over, place), done=done)

    def _write_down(self, back: Back, *, done: bool) -> None:
        refusal = exceptions.RefundSettled if back.is_over or (done and back.state == "created") else None
        told = {"refund_id": back.pk, "done": done, "reason": "torture", "actor": self.staff[0]}
        self.expect(refusal, lambda: settle_refund(**told))
        if refusal is None:
            self.end(back, done=done)

    def end(self, back: Back, *, done: bool) -> None:
        back.state = "done" if done else "refused"
        if back.wish is not None and done:
            back.wish.returned += back.amount
        elif back.wish is not None:
            back.wish.credited += back.amount
            self.gain(back.wish.of, back.amount)
        elif not done:
            self.lay_down(back.of, back.amount)
            self.give_again(back)

    def give_again(self, back: Back) -> None:
        """The gift that went along; what of it could not be withdrawn cannot be now."""
        if back.gift:
            self.purses[back.of.owner].come(back.gift, back.restricted)
            back.of.of.taken_back -= back.gift
            self.acts["a gift comes again"] += 1
