"""One sum that is to leave by two doors: out of the shop as a withdrawal, and back to whoever paid it."""

from decimal import Decimal

import pytest

from common import clock
from payments.exceptions import NotWithdrawable
from payments.models import Refund, Withdrawal
from payments.providers import Outcome, Refunded
from payments.services import cancel_withdrawal, place_top_up, push_refund, return_payment
from tenancy.selectors import main_storefront
from tests.payments.conftest import channel, clean_books, running_sandbox, sandbox, till
from tests.payments.withdrawals import ask, open_withdrawals, verified_account
from wallet.exceptions import InsufficientBalance
from wallet.selectors import balance_of
from wallet.services import adjust

__all__ = ["channel", "clean_books", "running_sandbox", "sandbox", "till"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]


@pytest.fixture
def topped_up(till, channel, make_member):
    """Somebody with nothing but a top-up of 100 yuan, who may withdraw; and the attempt that brought it."""
    user = make_member("wanda")
    open_withdrawals(top_up_days=0)
    verified_account(user)
    made = place_top_up(user=user, storefront=main_storefront(), amount=Decimal(100), idempotency_key="t")
    attempt = till.start(made, channel)
    till.pay(attempt)
    return user, attempt


def send_back(attempt, amount: str, actor) -> Refund:
    return return_payment(attempt_id=attempt.pk, amount=Decimal(amount), reason="误充", ref=f"s{amount}", actor=actor)


def test_13_what_was_asked_for_as_a_withdrawal_does_not_go_back_too(topped_up, olga):
    user, attempt = topped_up
    row = ask(user, "60.00")
    with pytest.raises(InsufficientBalance):
        send_back(attempt, "40.01", olga)
    send_back(attempt, "40.00", olga)
    assert (balance_of(user), Refund.objects.count()) == (0, 1)
    cancel_withdrawal(public_id=row.public_id, user=user)
    send_back(attempt, "60.00", olga)
    assert balance_of(user) == 0


def test_13_what_is_on_its_way_back_is_not_withdrawn_and_is_once_it_came_home(topped_up, olga, monkeypatch):
    user, attempt = topped_up
    part = send_back(attempt, "70.00", olga)
    with pytest.raises(NotWithdrawable):
        ask(user, "30.01")
    monkeypatch.setattr(
        "payments.epay.provider.EpayProvider.refund", lambda *_, **__: Refunded(outcome=Outcome.REFUSED)
    )
    push_refund(refund_id=part.pk)
    assert balance_of(user) == Decimal("100.00")
    ask(user, "100.00")
    with pytest.raises(InsufficientBalance):
        send_back(attempt, "0.01", olga)
    assert Withdrawal.objects.count() == 1


def test_13_what_went_back_holds_up_no_other_money(topped_up, olga):
    """Fresh top-ups stay for some days; one that went back through the gateway is not there to stay."""
    user, attempt = topped_up
    open_withdrawals(top_up_days=7)
    adjust(user=user, amount=Decimal(50), ref="old-money", at=clock.now(), memo="x", actor=olga)
    with pytest.raises(NotWithdrawable):
        ask(user, "50.01")
    send_back(attempt, "100.00", olga)
    ask(user, "50.00")
    assert balance_of(user) == 0
