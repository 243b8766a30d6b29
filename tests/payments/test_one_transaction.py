"""A gateway's transaction is booked once per merchant, whichever channel hears of it; two of one number are two payments."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from django.db import IntegrityError, transaction

from common import clock
from common.ids import is_payment_number, payment_number
from orders.models import Order
from orders.services import receive_payment
from payments import services
from payments.epay.provider_v2 import EpayV2Provider
from payments.exceptions import TransactionTaken
from payments.gateways import merchant_of, provider_of
from payments.models import Channel, GatewayTransaction, NotifyLog, PaymentAttempt
from payments.providers import Notice, PaymentState, Queried
from payments.selectors import held_notifies, parked_attempts
from payments.services import apply_payment, forget_old_notifies, sweep_notifies
from payments.services.applying import apply_rest
from sandbox.epay.signing import signed
from tests.desk import Act, at_desk, staff
from tests.payments.conftest import sold, verdicts
from tests.payments.test_bonuses import top_up
from tests.sandboxes import KEY, PID
from tests.shelf import books
from wallet.models import Entry, Transfer
from wallet.selectors import balance_of, credit_of_order

pytestmark = pytest.mark.django_db


def unclaimed() -> Decimal:
    return sum(Entry.objects.filter(account__purpose="unclaimed").values_list("amount", flat=True))


class TestAtTheWrongDoor:
    """An operator has two channels of one merchant, with other fees or hours. V1 and V2 put the notify's fields into the
    return_url: every buyer holds a genuine notify."""

    def test_a_notify_is_handed_to_the_merchants_other_channel(self, till, attempt):
        other = till.channel()
        assert till.pay(attempt) == "success"
        assert till.send(other, till.fields(attempt)) == "fail"
        assert (verdicts(other), unclaimed()) == (["rejected another_channel"], 0)

    def test_and_before_the_genuine_one_comes(self, till, attempt):
        other = till.channel()
        till.sandbox.act(attempt.number, "pay_silently")
        fields = till.fields(attempt)
        assert till.send(other, fields) == "fail"
        assert verdicts(other) == ["held another_channel"]
        assert till.send(attempt.channel, fields) == "success"
        assert sold(attempt.order) == 1
        # What the right channel has booked is nothing for staff any more.
        assert (verdicts(other), unclaimed()) == (["rejected another_channel"], 0)

    def test_an_rsa_signature_is_no_better_at_the_wrong_door(self, till, order):
        one, two = till.of("epay_v2"), till.of("epay_v2")
        attempt = till.start(order, one, "bank")
        till.sandbox.act(attempt.number, "pay_silently")
        letter = till.sandbox.letter(attempt.number)
        till.hand_over(two, letter)
        till.hand_over(one, letter)
        assert (verdicts(one), verdicts(two), unclaimed()) == (["applied"], ["rejected another_channel"], 0)

    def test_a_number_that_is_none_of_ours_is_kept_and_not_booked(self, till, channel):
        """A purchase at another shop that has the same merchant."""
        asked = {"pid": PID, "type": "alipay", "out_trade_no": "20261130-17", "name": "x", "money": "10.00"}
        here = {"notify_url": "http://127.0.0.1:1/", "return_url": "http://127.0.0.1:1/"}
        made = httpx.post(f"{till.sandbox.url}/mapi.php", data=signed({**asked, **here}, KEY)).json()
        till.sandbox.act("20261130-17", "pay_silently")
        fields = signed({**asked, "trade_no": made["trade_no"], "trade_status": "TRADE_SUCCESS"}, KEY)
        assert till.send(channel, fields) == till.send(channel, fields) == "success"
        assert verdicts(channel) == ["held strange_number", "repeated strange_number"]
        assert not Transfer.objects.exists()

    def test_a_stolen_md5_key_puts_nothing_before_staff(self, till, attempt):
        """The gateway is asked first, and knows better."""
        other = till.channel()
        till.send(attempt.channel, till.fields(attempt, out_trade_no="20261130-18"))
        till.send(other, till.fields(attempt))
        assert verdicts(attempt.channel) == ["rejected gateway_says_missing"]
        assert verdicts(other) == ["rejected gateway_says_unpaid"]

    def test_our_numbers_are_told_from_those_of_others_that_look_alike(self):
        number = payment_number(clock.now())
        last = str((int(number[-1]) + 1) % 10)
        assert is_payment_number(number)
        assert not any(map(is_payment_number, [number[:-1] + last, number[:-4], "", f"{number} ", number.lower()]))

    def test_money_of_a_lost_attempt_is_booked_once_by_all_channels(self, till, attempt):
        """After a restore from a backup both channels hear of a number that neither knows."""
        other = till.channel()
        till.sandbox.act(attempt.number, "pay_silently")
        fields = till.fields(attempt)
        PaymentAttempt.objects.all().delete()
        assert till.send(attempt.channel, fields) == till.send(other, fields) == "success"
        assert (verdicts(other), unclaimed()) == (["repeated unclaimed"], Decimal("10.00"))

    def test_staff_cannot_confirm_it_a_second_time_through_the_other_channel(self, till, attempt, shelf, bob, olga):
        till.pay(attempt)
        attempt.refresh_from_db()
        theirs = till.start(shelf.buy(bob, (shelf.sku("10.00", keys=1), 1)), till.channel())
        facts = {"provider_txn": attempt.provider_txn, "amount": Decimal("10.00")}
        with pytest.raises(TransactionTaken):
            services.confirm_payment(attempt_id=theirs.pk, **facts, reason="截图", actor=olga)

    def test_the_database_has_the_last_word(self, till, attempt):
        till.pay(attempt)
        booked = GatewayTransaction.objects.get()
        again = {"gateway": booked.gateway, "merchant": booked.merchant, "provider_txn": booked.provider_txn}
        with pytest.raises(IntegrityError, match="transaction_once_per_merchant"), transaction.atomic():
            GatewayTransaction.objects.create(
                **again, channel=till.channel(), amount=1, transfer_id=0, booked_at=clock.now()
            )


@pytest.mark.parametrize(
    ("provider", "address", "number", "merchant"),
    [
        ("epay", "https://Pay.test/epay/", " 1000 ", ("pay.test", "1000")),
        ("epay_v2", "https://pay.test:443", "1000", ("pay.test", "1000")),
        ("epay", "http://pay.test:8080/", "1000", ("pay.test:8080", "1000")),
        # Its channels' field is the operator's own note.
        ("stripe", "https://api.stripe.com", "main", ("api.stripe.com", "")),
    ],
)
def test_whose_money_comes_through_a_channel(provider, address, number, merchant):
    assert merchant_of(Channel(provider=provider, gateway_url=address, merchant_id=number)) == merchant


@pytest.mark.damages_books
def test_money_that_was_booked_twice_is_found(till, attempt, channel):
    """As before a transaction was the merchant's: the other channel books it under a reference of its own."""
    till.pay(attempt)
    attempt.refresh_from_db()
    other, at = till.channel(), clock.now()
    with transaction.atomic():
        ref = f"gw:{other.pk}:{attempt.provider_txn}"
        receive_payment(order_id=attempt.order_id, amount=Decimal("10.00"), channel=other.code, ref=ref, at=at)
        assert set(books()) == {"payments.gateway_money_without_attempt", "payments.transactions_credited_twice"}
        transaction.set_rollback(True)


class TestPaidTwiceUnderOneNumber:
    """Aggregators let a number be paid a second time, by another transaction."""

    @pytest.fixture
    def channel(self, till):
        return till.of("epay_v2")

    @pytest.fixture
    def attempt(self, till, channel, order):
        attempt = till.start(order, channel, "bank")
        till.sandbox.act(attempt.number, "pay_silently")
        till.hand_over(channel, till.sandbox.letter(attempt.number))
        attempt.refresh_from_db()
        return attempt

    @pytest.fixture
    def tell(self, till, attempt, monkeypatch):
        """The gateway signs a notify of another transaction; asked for it, it says `answer`."""
        notice = Notice(
            number=attempt.number, provider_txn="SECOND", amount=Decimal("10.00"), paid=True, status="TRADE_SUCCESS"
        )
        paid = Queried(state=PaymentState.PAID, provider_txn="SECOND", amount=Decimal("10.00"))

        def tell(**answer) -> str:
            monkeypatch.setattr(EpayV2Provider, "verify_notify", lambda self, raw: notice)
            monkeypatch.setattr(EpayV2Provider, "confirm_second", lambda self, told: replace(paid, **answer))
            return till.hand_over(attempt.channel, till.sandbox.letter(attempt.number)).content.decode()

        return tell

    def test_the_second_money_is_the_buyers(self, attempt, tell, alice):
        assert tell() == tell() == "success"
        assert verdicts(attempt.channel) == ["applied", "applied", "repeated"]
        assert (balance_of(alice), sold(attempt.order)) == (Decimal("1010.00"), 1)
        assert attempt.transactions.count() == 2

    def test_a_guests_stays_on_the_order(self, till, shelf, channel):
        theirs = till.start(shelf.buy(None, (shelf.sku("10.00", keys=1), 1)), channel, "bank")
        apply_payment(attempt_id=theirs.pk, provider_txn="FIRST", amount=Decimal("10.00"))
        services.apply_second(attempt_id=theirs.pk, provider_txn="SECOND", amount=Decimal("10.00"))
        assert credit_of_order(theirs.order_id) == Decimal("10.00")

    def test_a_gateway_that_does_not_answer_is_asked_again(self, attempt, tell, monkeypatch, alice):
        assert tell(state=PaymentState.UNKNOWN, reason="NoAnswer") == "fail"
        assert balance_of(alice) == Decimal("1000.00")
        confirmed = Queried(state=PaymentState.PAID, provider_txn="SECOND", amount=Decimal("10.00"))
        monkeypatch.setattr(EpayV2Provider, "confirm_second", lambda self, told: confirmed)
        with clock.travel(clock.now() + timedelta(minutes=1)):
            assert sweep_notifies() == 1
        assert balance_of(alice) == Decimal("1010.00")

    def test_what_the_gateway_does_not_confirm_is_for_staff(self, attempt, tell, alice, olga):
        assert tell(state=PaymentState.MISSING) == "success"
        assert verdicts(attempt.channel) == ["applied", "held second"]
        assert balance_of(alice) == Decimal("1000.00")
        services.book_held(log_id=NotifyLog.objects.last().pk, reason="渠道后台有两笔", actor=olga)
        assert (balance_of(alice), verdicts(attempt.channel)[-1]) == (Decimal("1010.00"), "applied")

    def test_whatever_was_signed_is_kept_for_half_a_year(self, till, attempt, tell):
        tell(state=PaymentState.MISSING)
        NotifyLog.objects.filter(verdict="held").update(verdict="rejected", reason="dismissed")
        tell(amount=Decimal("9.00"))
        at = clock.now()
        for days, left in ((8, 3), (179, 3), (181, 0)):
            with clock.travel(at + timedelta(days=days)):
                forget_old_notifies()
            assert NotifyLog.objects.count() == left

    def test_the_second_of_a_number_is_not_asked_for_by_the_number(self, till, attempt):
        """By our number a gateway can only tell of one of the two."""
        provider = provider_of(attempt.channel)
        order = till.sandbox.order(attempt.number)
        notice = Notice(number=attempt.number, provider_txn=order["id"], amount=Decimal("10.00"), paid=True, status="")
        assert provider.confirm_second(notice).provider_txn == order["id"]
        assert provider.confirm_second(replace(notice, provider_txn="20260101000000")).state == PaymentState.MISSING


class TestMistakenByStaff:
    """The transaction of a payment that had been closed was confirmed by hand for another."""

    @pytest.fixture
    def told(self, till, attempt, shelf, bob, olga):
        other = till.start(shelf.buy(bob, (shelf.sku("10.00", keys=1), 1)), attempt.channel)
        PaymentAttempt.objects.filter(pk=attempt.pk).update(state="closed", ask_at=None)
        till.sandbox.act(attempt.number, "pay_silently")
        txn = till.sandbox.order(attempt.number)["id"]
        services.confirm_payment(
            attempt_id=other.pk, provider_txn=txn, amount=Decimal("10.00"), reason="看错了行", actor=olga
        )
        assert [till.send(attempt.channel, till.fields(attempt)) for _ in range(2)] == ["fail"] * 2
        assert verdicts(attempt.channel) == ["held transaction_taken", "repeated transaction_taken"]
        return NotifyLog.objects.earliest("pk")

    def test_stands_before_staff_until_they_have_settled_it(self, attempt, told):
        with clock.travel(clock.now() + timedelta(days=30)):
            services.ask_parked_again()
            services.ask_due_attempts()
            assert (list(parked_attempts()), list(held_notifies(clock.now()))) == ([attempt], [])
        rights = ["view_paymentattempt", "note_unpaid", "view_notifylog", "confirm_payment", "dismiss_notify"]
        desk = at_desk(staff("fay", *(f"payments.{right}" for right in rights)))
        notify = f"/admin/payments/notifylog/{told.pk}"
        page = desk.get(f"{notify}/change/").content.decode()
        assert f"{notify}/dismiss/" in page and f"{notify}/book/" not in page
        act = Act(desk, f"/admin/payments/paymentattempt/{attempt.pk}/unpaid/").fill(reason="已补给买家")
        assert "已记在另一笔支付名下" in act.text
        act.confirm().done()
        assert (list(parked_attempts()), verdicts(attempt.channel)[0]) == ([], "rejected dismissed")

    def test_and_with_its_notify_when_it_was_paid_otherwise(self, till, attempt, told, olga):
        services.confirm_payment(
            attempt_id=attempt.pk, provider_txn="T2", amount=Decimal("10.00"), reason="另一笔", actor=olga
        )
        assert (list(parked_attempts()), list(held_notifies(clock.now()))) == ([], [told])
        services.dismiss_notify(log_id=told.pk, reason="两笔记反", actor=olga)
        assert list(held_notifies(clock.now())) == []
        assert books() == {}


class TestConfirmedWithAnotherAmount:
    """Staff mistyped what came; then the gateway's notify tells of the true sum."""

    @pytest.fixture
    def told(self, till, attempt, olga):
        """The notify of `paid` yuan, of which staff had confirmed `amount`."""

        def told(amount: str, paid: str = "10.00") -> NotifyLog:
            till.sandbox.act(attempt.number, "wrong_amount", money=paid)
            txn = till.sandbox.order(attempt.number)["id"]
            services.confirm_payment(
                attempt_id=attempt.pk, provider_txn=txn, amount=Decimal(amount), reason="截图", actor=olga
            )
            assert [till.send(attempt.channel, till.fields(attempt)) for _ in range(2)] == ["fail"] * 2
            assert verdicts(attempt.channel) == ["held booked_amount", "repeated booked_amount"]
            log = NotifyLog.objects.earliest("pk")
            assert list(held_notifies(clock.now())) == [log]
            return log

        return told

    @pytest.fixture
    def desk(self):
        rights = ["view_notifylog", "confirm_payment", "dismiss_notify"]
        return at_desk(staff("fay", *(f"payments.{right}" for right in rights)))

    def test_booking_it_gives_the_buyer_the_rest(self, till, attempt, told, desk, alice):
        log = told("4.00")
        assert balance_of(alice) == Decimal("1004.00")
        act = Act(desk, f"/admin/payments/notifylog/{log.pk}/book/").fill(reason="后台是 10 元")
        assert "¥4.00" in act.text and "¥6.00" in act.text
        act.confirm().done()
        assert (balance_of(alice), verdicts(attempt.channel)[0]) == (Decimal("1010.00"), "applied")
        assert till.send(attempt.channel, till.fields(attempt)) == "success"
        assert verdicts(attempt.channel)[-1] == "repeated"
        assert (list(held_notifies(clock.now())), books()) == ([], {})

    def test_a_member_who_topped_up_has_the_rest_too(self, till, channel, alice, olga):
        attempt = till.start(top_up(alice, "100"), channel)
        facts = {"attempt_id": attempt.pk, "provider_txn": "T1"}
        services.confirm_payment(**facts, amount=Decimal(10), reason="截图", actor=olga)
        assert [apply_rest(**facts, amount=Decimal(100)) for _ in range(2)] == [True, False]
        assert (balance_of(alice), books()) == (Decimal("1100.00"), {})

    def test_where_less_came_there_is_nothing_to_book(self, told, desk, olga):
        log = told("10.00", paid="9.99")
        page = desk.get(f"/admin/payments/notifylog/{log.pk}/change/").content.decode()
        assert "/dismiss/" in page and f"{log.pk}/book/" not in page
        with pytest.raises(TransactionTaken):
            services.book_held(log_id=log.pk, reason="x", actor=olga)
        services.dismiss_notify(log_id=log.pk, reason="已扣回", actor=olga)
        assert (list(held_notifies(clock.now())), books()) == ([], {})


class TestTheGatewayMoves:
    """To another host; it repeats what it told of before."""

    @pytest.fixture
    def move(self, till, attempt, settings):
        here = till.sandbox.url.replace("127.0.0.1", "localhost")

        def move() -> str:
            settings.OUTGOING_ALLOW = [*settings.OUTGOING_ALLOW, here.removeprefix("http://")]
            Channel.objects.filter(pk=attempt.channel_id).update(gateway_url=here)
            return here

        return move

    def test_what_nobody_expected_is_not_booked_again(self, till, attempt, move):
        channel = attempt.channel
        till.sandbox.act(attempt.number, "pay_silently")
        fields = till.fields(attempt)
        PaymentAttempt.objects.all().delete()
        assert till.send(channel, fields) == "success"
        other = till.channel(gateway_url=move())
        assert till.send(channel, fields) == till.send(other, fields) == "success"
        assert (verdicts(channel)[1], verdicts(other)) == ("repeated unclaimed", ["repeated unclaimed"])
        assert (unclaimed(), books()) == (Decimal("10.00"), {})

    def test_nor_does_its_transaction_pay_anything_else(self, till, attempt, move, shelf, bob, olga):
        till.pay(attempt)
        attempt.refresh_from_db()
        move()
        theirs = till.start(shelf.buy(bob, (shelf.sku("10.00", keys=1), 1)), Channel.objects.get(pk=attempt.channel_id))
        facts = {"provider_txn": attempt.provider_txn, "amount": Decimal("10.00")}
        with pytest.raises(TransactionTaken):
            services.confirm_payment(attempt_id=theirs.pk, **facts, reason="截图", actor=olga)


def test_an_md5_alone_never_makes_a_second_payment(till, attempt, alice):
    till.pay(attempt)
    assert till.send(attempt.channel, till.fields(attempt, trade_no="20260101000000")) == "fail"
    assert verdicts(attempt.channel) == ["applied", "rejected gateway_says_missing"]
    assert balance_of(alice) == Decimal("1000.00")
    assert Order.objects.get(pk=attempt.order_id).state == Order.State.DELIVERED
