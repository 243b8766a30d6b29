"""What only staff can settle: notifies that nobody can be asked about, and payments of which nobody will ever tell."""

from datetime import timedelta
from decimal import Decimal

import pytest

from audit.models import Approval, AuditEntry
from common import clock
from common.exceptions import OwnMatter, ReasonNeeded
from common.ids import payment_number
from common.privacy import hindrances
from orders.models import Order
from payments import services
from payments.exceptions import NotifyDecided, TransactionTaken, WaitsForNobody
from payments.models import NotifyLog, PaymentAttempt
from payments.selectors import held_notifies, parked_attempts
from sandbox.epay.signing import signed
from tests.desk import Act, at_desk, staff
from tests.payments.conftest import verdicts
from tests.sandboxes import KEY, PID
from wallet.exceptions import SecondPersonNeeded
from wallet.models import ByHand, Entry, Transfer, WalletRules
from wallet.services import approve_by_hand

pytestmark = pytest.mark.django_db
State = PaymentAttempt.State


WAITS = ("有一笔付款还没有结果，请等它完成或过期", "有一笔款项还在人工核对，请等它处理完")


def waits(user) -> int:
    """How many things about payments keep an account from being erased."""
    return len([text for text in hindrances(user) if text in WAITS])


def later(**span):
    return clock.travel(clock.now() + timedelta(**span))


@pytest.fixture
def channel(till):
    """A clone of 易支付 that cannot be asked."""
    return till.channel(settings={"query": "no"}, max_amount=Decimal(200))


@pytest.fixture
def told(till, attempt):
    """Its notify, which nothing but an MD5 vouches for."""
    till.sandbox.act(attempt.number, "pay_silently")
    assert till.send(attempt.channel, till.fields(attempt)) == "success"
    return NotifyLog.objects.get(attempt_id=attempt.pk)


@pytest.fixture
def lost(till, channel):
    """A genuine notify under a number of ours that is not there any more."""
    fields = {"pid": PID, "trade_no": "T77", "out_trade_no": payment_number(clock.now()), "type": "alipay", "name": "x"}
    fields = signed({**fields, "money": "10.00", "trade_status": "TRADE_SUCCESS"}, KEY)
    assert till.send(channel, fields) == till.send(channel, fields) == "success"
    return NotifyLog.objects.earliest("pk")


@pytest.fixture
def desk(db):
    rights = ["view_notifylog", "view_paymentattempt", "confirm_payment", "dismiss_notify", "note_unpaid"]
    return at_desk(staff("fay", "wallet.view_transfer", *(f"payments.{right}" for right in rights)))


def act_of(row, name: str) -> str:
    return f"/admin/payments/{row._meta.model_name}/{row.pk}/{name}/"


def test_an_abandoned_payment_that_nobody_can_be_asked_about_ends_by_itself(attempt):
    rounds = (services.ask_due_attempts, services.ask_parked_again, services.close_due_attempts)
    for minutes, state in ((1, State.PENDING), (20, State.PENDING), (59, State.CLOSED)):
        with later(minutes=minutes):
            [go() for go in rounds]
        attempt.refresh_from_db()
        assert (attempt.state, parked_attempts().count()) == (state, 0), minutes


def test_its_late_notify_is_for_staff_all_the_same(till, attempt):
    with later(hours=2):
        services.ask_due_attempts()
    till.sandbox.act(attempt.number, "pay_silently")
    till.send(attempt.channel, till.fields(attempt))
    assert list(parked_attempts()) == [attempt]


def test_what_staff_look_at_does_not_end_by_itself(attempt, told, alice):
    with later(days=2):
        services.ask_due_attempts()
        services.ask_parked_again()
    assert list(parked_attempts()) == [attempt]
    assert waits(alice) == 2


def test_staff_note_that_nothing_was_paid(attempt, told, desk, alice):
    act = Act(desk, act_of(attempt, "unpaid"))
    act.fill(reason="渠道后台没有这笔")
    assert "仍会入账" in act.text
    assert "已登记未到账" in act.confirm().done()
    attempt.refresh_from_db()
    assert (attempt.state, verdicts(attempt.channel)) == (State.CLOSED, ["rejected dismissed"])
    assert (list(parked_attempts()), waits(alice)) == ([], 0)
    logged = AuditEntry.objects.get(action="payments.note_unpaid")
    assert (logged.actor, logged.detail["reason"]) == ("fay", "渠道后台没有这笔")
    with pytest.raises(WaitsForNobody):
        services.note_unpaid(attempt_id=attempt.pk, reason="x", actor=staff("gus"))


def test_and_late_money_is_booked_though_they_noted_it(till, attempt, told, olga):
    services.note_unpaid(attempt_id=attempt.pk, reason="没有", actor=olga)
    txn = till.sandbox.order(attempt.number)["id"]
    services.confirm_payment(
        attempt_id=attempt.pk, provider_txn=txn, amount=Decimal("10.00"), reason="后来到了", actor=olga
    )
    assert Order.objects.get(pk=attempt.order_id).state == Order.State.DELIVERED


def test_a_gateway_that_was_silent_for_a_week_is_noted_too(attempt, olga):
    PaymentAttempt.objects.update(state=State.UNKNOWN, ask_at=None)
    services.note_unpaid(attempt_id=attempt.pk, reason="渠道已倒闭", actor=olga)
    attempt.refresh_from_db()
    assert attempt.state == State.CLOSED


def test_one_that_is_still_asked_about_is_not_closed_by_staff(attempt, olga, desk):
    with pytest.raises(WaitsForNobody):
        services.note_unpaid(attempt_id=attempt.pk, reason="x", actor=olga)
    assert act_of(attempt, "unpaid") not in desk.get(act_of(attempt, "change")).content.decode()


def test_a_false_notify_is_dismissed_and_the_payment_goes_on(till, attempt, told, desk):
    act = Act(desk, act_of(told, "dismiss")).fill(reason="后台没有这笔流水")
    assert "¥10.00" in act.text and attempt.number in act.text
    assert "已驳回" in act.confirm().done()
    attempt.refresh_from_db()
    assert (attempt.state, list(parked_attempts())) == (State.PENDING, [])
    assert attempt.ask_at == attempt.expires_at + timedelta(minutes=30)
    # The very same again is not put before them again.
    till.send(attempt.channel, till.fields(attempt))
    assert verdicts(attempt.channel) == ["rejected dismissed", "repeated for_staff"]
    with pytest.raises(NotifyDecided):
        services.dismiss_notify(log_id=told.pk, reason="x", actor=staff("gus"))


def test_money_under_a_lost_number_is_booked_by_staff_to_be_assigned(lost, desk):
    assert list(held_notifies(clock.now())) == [lost]
    assert "有签名而未入账，需人工核对" in desk.get("/admin/").content.decode()
    assert f"/{lost.pk}/" in desk.get("/admin/payments/notifylog/?needs=held").content.decode()
    act = Act(desk, act_of(lost, "book")).fill(reason="后台已到账")
    assert "待认领款项" in act.text and "T77" in act.text
    assert "已记入待认领款项" in act.confirm().done()
    assert Entry.objects.get(account__purpose="unclaimed").amount == Decimal("10.00")
    assert Transfer.objects.get().memo == lost.number
    assert list(held_notifies(clock.now())) == []
    assert AuditEntry.objects.get(action="payments.book_notify").detail["provider_txn"] == "T77"


def test_it_is_booked_once_whoever_presses(lost, olga):
    with pytest.raises(ReasonNeeded):
        services.book_held(log_id=lost.pk, reason=" ", actor=olga)
    services.book_held(log_id=lost.pk, reason="x", actor=olga)
    with pytest.raises(NotifyDecided):
        services.book_held(log_id=lost.pk, reason="x", actor=olga)
    NotifyLog.objects.filter(pk=lost.pk).update(verdict="held")
    with pytest.raises(TransactionTaken):
        services.book_held(log_id=lost.pk, reason="x", actor=olga)


def test_staff_may_book_the_notify_of_a_payment_itself(attempt, told, olga):
    services.book_held(log_id=told.pk, reason="后台已到账", actor=olga)
    attempt.refresh_from_db()
    assert (attempt.state, verdicts(attempt.channel)) == (State.PAID, ["applied"])


def test_nobody_books_a_held_notify_of_their_own(told, alice):
    with pytest.raises(OwnMatter):
        services.book_held(log_id=told.pk, reason="后台已到账", actor=alice)


@pytest.mark.parametrize("which", ["told", "lost"])
def test_above_the_days_limit_a_second_person_agrees_that_it_is_booked(which, request):
    WalletRules.objects.update(by_hand_daily=Decimal("9.99"))
    log, seth = request.getfixturevalue(which), staff("seth", "wallet.approve_by_hand")
    book = {"log_id": log.pk, "reason": "后台已到账", "actor": staff("gus", "payments.confirm_payment")}
    with pytest.raises(SecondPersonNeeded):
        services.book_held(**book)
    asked = Approval.objects.get()
    approve_by_hand(approval_id=asked.pk, actor=seth)
    services.book_held(**book)
    done = ByHand.objects.get()
    owner = PaymentAttempt.objects.filter(pk=log.attempt_id).values_list("order__buyer_id", flat=True).first()
    assert (done.act, done.amount, done.owner_id, done.approval_id) == ("book", log.amount, owner, asked.pk)


def test_looking_permits_neither(lost, told, attempt):
    desk = at_desk(staff("lars", "payments.view_notifylog", "payments.view_paymentattempt"))
    page = desk.get(act_of(lost, "change")).content.decode()
    for row, name in ((lost, "book"), (lost, "dismiss"), (attempt, "unpaid")):
        assert act_of(row, name) not in page
        assert desk.post(act_of(row, name), {"_step": "run", "reason": "x"}).status_code == 403


def test_a_gateway_that_never_answered_leaves_its_notify_to_staff(till, db):
    channel = till.channel()
    at = clock.now() - timedelta(hours=2)
    log = NotifyLog.objects.create(channel=channel, http_method="GET", raw="x", received_at=at, verdict="waiting")
    assert list(held_notifies(clock.now())) == [log]


def test_held_notifies_are_not_forgotten(lost):
    with later(days=400):
        services.forget_old_notifies()
    assert NotifyLog.objects.get().pk == lost.pk
