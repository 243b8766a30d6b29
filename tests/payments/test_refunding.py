"""Money goes back the way it came: once, never more than was paid, and never lost when the gateway says no or nothing."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from audit.models import Approval, AuditEntry
from common import clock
from common.exceptions import OwnMatter, ReasonNeeded
from events.models import Event
from events.services import relay
from membership.models import Activity
from notifications.models import Message
from orders import services as orders
from orders.exceptions import IllegalMove
from orders.models import Order, OrderRefund
from payments import services
from payments.exceptions import NotReturnable, RefundSettled
from payments.models import Channel, PaymentAttempt, Refund
from payments.providers import Outcome, Refunded
from payments.selectors import parked_refunds, returnable
from payments.services import refunding
from tenancy.selectors import main_storefront
from tests.desk import staff
from tests.orders.test_buying import pay
from tests.shelf import books
from wallet.exceptions import InsufficientBalance, SecondPersonNeeded
from wallet.models import ByHand, Entry, WalletRules
from wallet.selectors import balance_of, credit_of_order, restricted_of
from wallet.services import Posting, approve_by_hand, post, shop_account, user_wallet

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]
State = Refund.State
ORIGINAL = OrderRefund.Target.ORIGINAL
NO_ANSWER = Refunded(outcome=Outcome.UNKNOWN, reason="ReadTimeout")


class Gateway:
    """Answers by a script and writes down what it was told; runs out loudly."""

    can_refund = True

    def __init__(self, told: list[Refunded], asked: list[Refunded]) -> None:
        self.told, self.asked = told, asked
        self.calls: list[tuple[str, str, Decimal | None]] = []

    def refund(self, *, number: str, provider_txn: str, amount: Decimal, refund_number: str, foreign=None) -> Refunded:
        assert not transaction.get_connection().needs_rollback
        self.calls.append(("refund", refund_number, amount))
        return self.told.pop(0)

    def query_refund(self, *, number: str, provider_txn: str, refund_number: str) -> Refunded:
        self.calls.append(("query", refund_number, None))
        return self.asked.pop(0)


@pytest.fixture
def gateway(monkeypatch):
    """gateway(told=[…], asked=[…]): the gateway that every refund is told to from now on."""

    def speak(told: list[Refunded] = (), asked: list[Refunded] = ()) -> Gateway:
        made = Gateway(list(told), list(asked))
        monkeypatch.setattr(refunding, "provider_of", lambda channel: made)
        return made

    return speak


@pytest.fixture
def paid(till, attempt) -> Order:
    """Alice's order over 10 yuan, paid through the gateway and delivered."""
    till.pay(attempt)
    return Order.objects.get(pk=attempt.order_id)


def give_back(order: Order, amount: str = "10.00", ref: str = "r1", to: str | None = ORIGINAL) -> OrderRefund:
    amounts = {order.lines.get().pk: Decimal(amount)}
    return orders.refund(order_id=order.pk, amounts=amounts, ref=ref, reason="补偿", actor=None, to=to)


def begun(order: Order, amount: str = "10.00", ref: str = "r1") -> Refund:
    (refund,) = services.begin_refund(refund_id=give_back(order, amount, ref).pk)
    return refund


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def on_its_way() -> Decimal:
    return sum((entry.amount for entry in Entry.objects.filter(account__purpose="refunding")), Decimal(0))


def held_by_gateways() -> Decimal:
    return -sum((entry.amount for entry in Entry.objects.filter(account__purpose="clearing")), Decimal(0))


def later(**gap: float):
    return clock.travel(clock.now() + timedelta(**gap))


class TestTheWayBack:
    def test_a_member_gets_it_where_it_came_from(self, paid, alice, till):
        refund = give_back(paid)
        assert (refund.state, refund.target, on_its_way()) == ("pending", "original", Decimal("10.00"))
        assert balance_of(alice) == Decimal("1000.00")
        relay()
        part = Refund.objects.get()
        assert (part.state, part.amount, part.order_refund_id) == (State.CREATED, Decimal("10.00"), refund.pk)
        assert services.push_due_refunds() == 1
        assert till.sandbox.order(part.attempt.number)["refunded"] == "10.00"
        assert (fresh(part).state, fresh(refund).state, fresh(refund).returned) == ("done", "done", Decimal("10.00"))
        assert (on_its_way(), held_by_gateways(), balance_of(alice)) == (0, 0, Decimal("1000.00"))
        assert [move.to_state for move in part.moves.all()] == ["created", "sent", "done"]
        relay()
        kinds = Message.objects.filter(user=alice).order_by("pk").values_list("kind", flat=True)
        assert list(kinds) == ["order_delivered", "refund_sent", "refund_returned"]

    def test_what_the_tier_counts_is_taken_back_once_when_the_shop_gives_the_money_up(self, paid, alice):
        relay()
        give_back(paid)
        relay()
        counted = Activity.objects.filter(member__user=alice, metric="spend", valid=True)
        assert sum(row.amount for row in counted) == 0
        services.push_due_refunds()
        relay()
        assert Event.objects.filter(kind="order.refunded").count() == 1
        assert sum(row.amount for row in counted.all()) == 0

    def test_the_gateway_says_no_and_the_money_is_in_the_wallet(self, paid, alice, gateway):
        gateway(told=[Refunded(outcome=Outcome.REFUSED, reason="余额不足")])
        part = begun(paid)
        assert services.push_refund(refund_id=part.pk) == State.REFUSED
        refund = OrderRefund.objects.get()
        assert (refund.state, refund.returned, refund.credited) == ("failed", 0, Decimal("10.00"))
        assert (balance_of(alice), on_its_way()) == (Decimal("1010.00"), 0)
        relay()
        told = Message.objects.get(user=alice, kind="refund_credited")
        assert told.params == {"number": paid.number, "amount": "10.00"}

    def test_a_guest_finds_it_on_the_order(self, shelf, till, channel, gateway):
        order = shelf.buy(None, (shelf.sku("10.00", keys=1), 1))
        till.pay(till.start(order, channel))
        gateway(told=[Refunded(outcome=Outcome.REFUSED)])
        services.push_refund(refund_id=begun(fresh(order)).pk)
        assert credit_of_order(order.pk) == Decimal("10.00")

    def test_from_the_wallet_it_came_and_there_it_goes(self, shelf, alice):
        order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
        refund = give_back(order)
        assert (refund.target, refund.state, balance_of(alice)) == ("wallet", "done", Decimal("1000.00"))
        relay()
        assert not Refund.objects.exists()

    def test_money_that_no_attempt_brought_goes_into_the_shop(self, shelf, alice):
        order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1))
        pay(order)
        refund = give_back(fresh(order))
        assert services.begin_refund(refund_id=refund.pk) == []
        assert (fresh(refund).state, balance_of(alice)) == ("failed", Decimal("1010.00"))

    def test_coins_are_not_sent_back(self, till, order, alice):
        channel = till.of("bepusdt")
        attempt = till.start(order, channel, "usdt")
        till.sandbox.act(attempt.number, "pay_silently")
        till.hand_over(channel, till.sandbox.letter(attempt.number))
        assert services.begin_refund(refund_id=give_back(fresh(order)).pk) == []
        assert balance_of(alice) == Decimal("1010.00")

    def test_two_payments_give_back_what_each_can(self, till, attempt, alice, olga):
        """Paid twice: the second payment became balance, went on as the first was asked for its part."""
        second = till.start(attempt.order, attempt.channel, "wxpay")
        till.pay(attempt)
        till.pay(second)
        assert fresh(second).outcome == PaymentAttempt.Outcome.CREDITED
        services.return_payment(attempt_id=second.pk, amount=Decimal("4.00"), reason="多付", ref="s1", actor=olga)
        services.begin_refund(refund_id=give_back(fresh(attempt.order)).pk)
        parts = Refund.objects.order_by("pk").values_list("attempt_id", "amount")
        assert list(parts) == [(second.pk, Decimal("4.00")), (attempt.pk, Decimal("10.00"))]
        assert services.push_due_refunds() == 2
        assert balance_of(alice) == Decimal("1006.00")

    def test_the_fee_for_the_way_of_paying_stays(self, till, shelf, alice):
        channel = till.channel(fee_rate="0.0100", fee_payer="buyer")
        attempt = till.start(shelf.buy(alice, (shelf.sku("10.00", keys=1), 1)), channel)
        till.pay(attempt)
        assert fresh(attempt).paid_amount == Decimal("10.10")
        assert returnable(fresh(attempt)) == 0
        assert begun(fresh(attempt.order)).amount == Decimal("10.00")


class TestSilence:
    def test_it_is_asked_for_under_the_same_number_and_not_sent_again(self, paid, gateway):
        talk = gateway(told=[NO_ANSWER], asked=[NO_ANSWER, Refunded(outcome=Outcome.DONE, provider_refund="R9")])
        part = begun(paid)
        for state in (State.UNKNOWN, State.UNKNOWN, State.DONE):
            assert services.push_refund(refund_id=part.pk) == state
        assert [call[:2] for call in talk.calls] == [(what, part.number) for what in ("refund", "query", "query")]
        assert fresh(part).provider_refund == "R9"
        assert services.push_refund(refund_id=part.pk) == State.DONE
        assert len(talk.calls) == 3, "what is settled is not asked about"

    def test_a_gateway_that_never_heard_of_it_is_told_again_under_the_same_number(self, paid, gateway):
        missing = Refunded(outcome=Outcome.UNKNOWN, reason="no such refund", missing=True)
        talk = gateway(told=[NO_ANSWER, Refunded(outcome=Outcome.DONE)], asked=[missing])
        part = begun(paid)
        services.push_refund(refund_id=part.pk)
        assert services.push_refund(refund_id=part.pk) == State.DONE
        assert {number for _, number, _ in talk.calls} == {part.number}
        assert [what for what, *_ in talk.calls] == ["refund", "query", "refund"]

    def test_the_process_died_during_the_call(self, paid, gateway):
        part = begun(paid)
        Refund.objects.filter(pk=part.pk).update(state=State.SENT, sent_at=clock.now())
        talk = gateway(asked=[Refunded(outcome=Outcome.UNKNOWN, missing=True), Refunded(outcome=Outcome.DONE)])
        assert services.push_refund(refund_id=part.pk) == State.SENT, "the call may be under way"
        assert talk.calls == []
        with later(seconds=31):
            assert services.push_refund(refund_id=part.pk) == State.UNKNOWN
            assert services.push_refund(refund_id=part.pk) == State.DONE
        assert [what for what, *_ in talk.calls] == ["query", "query"]

    def test_a_repeat_of_the_old_protocol_could_refund_twice_and_never_happens(self, paid, till):
        """V1 knows no refund numbers: an answer that was lost is waited for, and staff decides."""
        till.sandbox.fault("refund", "status500")
        part = begun(paid, "4.00")
        assert services.push_refund(refund_id=part.pk) == State.UNKNOWN
        assert services.push_refund(refund_id=part.pk) == State.UNKNOWN
        assert till.sandbox.order(part.attempt.number)["refunded"] == "4.00"

    def test_questions_come_in_growing_gaps_and_end_with_staff(self, paid, gateway, olga, alice):
        talk = gateway(told=[NO_ANSWER], asked=[NO_ANSWER] * 90)
        part = begun(paid)
        services.push_due_refunds()
        gaps, end = [], clock.now() + timedelta(days=11)
        while (ask_at := fresh(part).ask_at) and ask_at < end:
            with clock.travel(ask_at):
                services.push_due_refunds()
                gaps.append((fresh(part).ask_at or ask_at) - ask_at)
        assert gaps[:3] == [timedelta(seconds=60), timedelta(seconds=120), timedelta(seconds=240)]
        assert max(gaps) == timedelta(hours=6)
        assert len(talk.calls) < 60
        assert list(parked_refunds()) == [part]
        services.settle_refund(refund_id=part.pk, done=True, reason="后台显示已退", actor=olga)
        assert (fresh(part).state, OrderRefund.objects.get().state, balance_of(alice)) == ("done", "done", 1000)
        assert AuditEntry.objects.get(action=refunding.SETTLE).actor_id == olga.pk

    def test_broken_credentials_do_not_hold_up_the_others(self, till, shelf, alice, bob):
        sku = shelf.sku(keys=2)
        parts = []
        for user, ref in ((alice, "r1"), (bob, "r2")):
            attempt = till.start(shelf.buy(user, (sku, 1)), till.channel())
            till.pay(attempt)
            parts.append(begun(fresh(attempt.order), ref=ref))
        Channel.objects.filter(pk=parts[0].attempt.channel_id).update(credentials="broken")
        assert services.push_due_refunds() == 1
        assert [fresh(part).state for part in parts] == [State.CREATED, State.DONE]
        assert fresh(parts[0]).ask_at > clock.now()


class TestByHand:
    def test_one_that_was_never_sent_can_be_given_up_and_no_result_is_written_twice(self, paid, alice, olga):
        part = begun(paid)
        with pytest.raises(RefundSettled):
            services.settle_refund(refund_id=part.pk, done=True, reason="?", actor=olga)
        with pytest.raises(ReasonNeeded):
            services.settle_refund(refund_id=part.pk, done=False, reason=" ", actor=olga)
        services.settle_refund(refund_id=part.pk, done=False, reason="渠道停用", actor=olga)
        assert balance_of(alice) == Decimal("1010.00")
        with pytest.raises(RefundSettled):
            services.settle_refund(refund_id=part.pk, done=True, reason="?", actor=olga)
        assert services.push_refund(refund_id=part.pk) == State.REFUSED

    def test_nobody_decides_during_a_call(self, paid, olga):
        part = begun(paid)
        Refund.objects.filter(pk=part.pk).update(state=State.SENT, sent_at=clock.now())
        with pytest.raises(RefundSettled):
            services.settle_refund(refund_id=part.pk, done=False, reason="?", actor=olga)

    def test_nobody_says_what_became_of_a_refund_of_their_own(self, paid, gateway, alice):
        gateway(told=[NO_ANSWER])
        part = begun(paid)
        services.push_refund(refund_id=part.pk)
        for done in (False, True):
            with pytest.raises(OwnMatter):
                services.settle_refund(refund_id=part.pk, done=done, reason="没退", actor=alice)
        assert (fresh(part).state, balance_of(alice)) == (State.UNKNOWN, 1000)

    def test_above_the_days_limit_a_second_person_agrees_to_that_very_result(self, paid, gateway, alice):
        WalletRules.objects.update(by_hand_daily=Decimal("9.99"))
        gus, seth = staff("gus", "payments.settle_refund"), staff("seth", "wallet.approve_by_hand")
        gateway(told=[NO_ANSWER])
        part = begun(paid)
        services.push_refund(refund_id=part.pk)
        told = {"refund_id": part.pk, "reason": "没退", "actor": gus}
        with pytest.raises(SecondPersonNeeded):
            services.settle_refund(**told, done=False)
        approve_by_hand(approval_id=Approval.objects.get().pk, actor=seth)
        with pytest.raises(SecondPersonNeeded):
            services.settle_refund(**told, done=True)
        assert balance_of(alice) == 1000
        services.settle_refund(**told, done=False)
        assert balance_of(alice) == 1010
        done = ByHand.objects.get()
        assert (done.act, done.amount, done.owner_id) == ("refund_refused", Decimal("10.00"), alice.pk)


class TestWhatPaidForNothing:
    def test_too_much_goes_back_out_of_the_wallet_and_no_more_than_that(self, till, attempt, alice, olga):
        till.sandbox.act(attempt.number, "wrong_amount", money="13.50")
        till.send(attempt.channel, till.fields(attempt))
        attempt = fresh(attempt)
        assert (attempt.outcome, balance_of(alice)) == ("paid", Decimal("1003.50"))
        assert returnable(attempt) == Decimal("3.50")
        with pytest.raises(NotReturnable):
            services.return_payment(attempt_id=attempt.pk, amount=Decimal("3.51"), reason="x", ref="s1", actor=olga)
        made = services.return_payment(
            attempt_id=attempt.pk, amount=Decimal("3.50"), reason="多付", ref="s1", actor=olga
        )
        again = services.return_payment(
            attempt_id=attempt.pk, amount=Decimal("3.50"), reason="多付", ref="s1", actor=olga
        )
        assert made == again
        assert (balance_of(alice), on_its_way()) == (Decimal("1000.00"), Decimal("3.50"))
        assert services.push_due_refunds() == 1
        assert held_by_gateways() == Decimal("10.00")
        relay()
        assert Message.objects.filter(user=alice, kind="refund_returned").count() == 1

    def test_money_that_is_spent_stays_spent(self, till, channel, make_member, shelf, olga):
        dora = make_member("dora")
        order = shelf.buy(dora, (shelf.sku("10.00", keys=2), 1))
        first, second = till.start(order, channel), till.start(order, channel, "wxpay")
        till.pay(first)
        till.pay(second)
        shelf.buy(dora, (shelf.sku("8.00", keys=1), 1), from_wallet=True)
        with pytest.raises(InsufficientBalance):
            services.return_payment(attempt_id=second.pk, amount=Decimal("5"), reason="x", ref="s1", actor=olga)
        assert not Refund.objects.exists()

    def test_a_top_up_that_the_gateway_does_not_take_back_is_in_the_wallet_again(
        self, till, channel, alice, olga, gateway
    ):
        top_up = services.place_top_up(
            user=alice, storefront=main_storefront(), amount=Decimal(50), idempotency_key="t"
        )
        attempt = till.start(top_up, channel)
        till.pay(attempt)
        part = services.return_payment(attempt_id=attempt.pk, amount=Decimal(50), reason="误充", ref="s", actor=olga)
        assert balance_of(alice) == Decimal("1000.00")
        gateway(told=[Refunded(outcome=Outcome.REFUSED)])
        services.push_refund(refund_id=part.pk)
        assert balance_of(alice) == Decimal("1050.00")
        relay()
        assert Message.objects.get(user=alice, kind="refund_credited").params["number"] == attempt.number

    def test_money_that_could_be_withdrawn_still_can_when_the_gateway_refuses_it(
        self, till, channel, make_member, shelf, olga, gateway
    ):
        """Also for an order that was paid with a gift: the gift is in the order, and the money is not the gift."""
        dora = make_member("dora")
        gift = [Posting(user_wallet(dora.pk), Decimal(10), Decimal(10)), Posting(shop_account("bonuses"), -Decimal(10))]
        post(ref="gift", kind="adjustment", postings=gift, at=clock.now())
        order = shelf.buy(dora, (shelf.sku("10.00", keys=1), 1))
        attempt = till.start(order, channel)
        orders.pay_from_wallet(order_id=order.pk, user=dora)
        till.pay(attempt)
        part = services.return_payment(attempt_id=attempt.pk, amount=Decimal(10), reason="重复", ref="s", actor=olga)
        gateway(told=[Refunded(outcome=Outcome.REFUSED)])
        services.push_refund(refund_id=part.pk)
        assert (balance_of(dora), restricted_of(dora)) == (10, 0)
        give_back(fresh(order), to=None)
        assert (balance_of(dora), restricted_of(dora)) == (20, 10)

    def test_what_was_refunded_into_the_shop_may_still_go_back_and_only_once(self, paid, alice, olga):
        give_back(paid, "6.00", to=None)
        attempt = fresh(paid).attempts.get()
        assert returnable(attempt) == Decimal("6.00")
        services.return_payment(attempt_id=attempt.pk, amount=Decimal("6"), reason="改原路", ref="s", actor=olga)
        assert returnable(attempt) == 0
        assert begun(fresh(paid), "4.00", "r2").amount == Decimal("4.00")

    def test_a_refund_that_is_about_to_begin_is_counted(self, paid):
        give_back(paid)
        assert returnable(fresh(paid).attempts.get()) == 0


class TestTheLastLine:
    def test_repeating_the_news_changes_nothing(self, paid):
        refund = give_back(paid)
        first = services.begin_refund(refund_id=refund.pk)
        assert services.begin_refund(refund_id=refund.pk) == first
        services.push_due_refunds()
        assert services.begin_refund(refund_id=refund.pk) == first

    def test_the_database_refuses_more_than_was_paid(self, paid):
        part = begun(paid, "6.00")
        with pytest.raises(IntegrityError, match="refunds of attempt"), transaction.atomic():
            copy(part, "R-second", "4.01")
        with pytest.raises(IntegrityError, match="refunds of attempt"), transaction.atomic():
            Refund.objects.filter(pk=part.pk).update(amount=Decimal("10.01"))

    def test_what_was_refused_does_not_come_back_over_the_top(self, paid, gateway):
        gateway(told=[Refunded(outcome=Outcome.REFUSED)])
        part = begun(paid, "6.00")
        services.push_refund(refund_id=part.pk)
        begun(fresh(paid), "4.00", "r2")
        with transaction.atomic():
            copy(part, "R-third", "6.00")
            with pytest.raises(IntegrityError, match="refunds of attempt"), transaction.atomic():
                Refund.objects.filter(pk=part.pk).update(state=State.UNKNOWN, settled_at=None)
            transaction.set_rollback(True)

    def test_an_unpaid_attempt_gives_nothing(self, attempt):
        with pytest.raises(IntegrityError, match="refunds of attempt"), transaction.atomic():
            at = clock.now()
            Refund.objects.create(number="R1", ref="x", attempt=attempt, amount=Decimal("0.01"), created_at=at)

    def test_more_than_is_on_its_way_is_never_booked(self, paid):
        refund = give_back(paid)
        with pytest.raises(IllegalMove):
            orders.note_returned(refund_id=refund.pk, amount=Decimal("10.01"), channel="x", ref="y", at=clock.now())
        assert books() == {}


def copy(part: Refund, number: str, amount: str) -> Refund:
    return Refund.objects.create(
        number=number, ref=number, attempt=part.attempt, amount=Decimal(amount), created_at=clock.now()
    )
