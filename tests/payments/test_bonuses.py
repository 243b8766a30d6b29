"""Gifts with top-ups: promised before paying, given once, taken back in proportion."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group

from common import clock
from orders.services import pay_from_wallet, refund
from payments.bonuses import best_of, bonus_of, rules_for
from payments.exceptions import RefundTooLarge, RefUsed
from payments.models import BonusGrant, BonusRule, PaymentAttempt, Refund, TopUp
from payments.providers import Outcome, Refunded
from payments.selectors import returnable, withdrawable
from payments.services import apply_second, close_due_top_ups, place_top_up, push_refund, refund_top_up, return_payment
from tenancy.selectors import main_storefront
from tests.desk import Act, at_desk, staff
from tests.payments.withdrawals import bonus_rule, open_withdrawals
from tests.shelf import books
from wallet.exceptions import InsufficientBalance
from wallet.models import Transfer
from wallet.selectors import balance_of, restricted_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]


def top_up(user, amount: str, key: str = "k") -> TopUp:
    return place_top_up(user=user, storefront=main_storefront(), amount=Decimal(amount), idempotency_key=key)


def paid(till, channel, user, amount: str, key: str = "k", **changes) -> TopUp:
    made = top_up(user, amount, key)
    till.pay(till.start(made, channel), **changes)
    made.refresh_from_db()
    return made


@pytest.mark.parametrize(
    ("amount", "expected"), [("99.99", "0"), ("100", "5.00"), ("333.33", "16.67"), ("5000", "100.00")]
)
def test_a_rate_is_rounded_and_capped(db, amount, expected):
    rule = bonus_rule("100", "0", kind="rate", amount=None, rate=Decimal("0.05"), cap=Decimal(100))
    assert bonus_of(rule, Decimal(amount)) == Decimal(expected)


def test_of_several_the_best_counts_and_only_what_fits(alice):
    at = clock.now()
    bonus_rule("100", "5")
    best = bonus_rule("100", "0", kind="rate", amount=None, rate=Decimal("0.1"))
    bonus_rule("100", "90", starts_at=at + timedelta(days=1))
    bonus_rule("100", "90", starts_at=at - timedelta(days=2), ends_at=at - timedelta(days=1))
    bonus_rule("100", "90", is_active=False)
    bonus_rule("100", "90", min_rank=99)
    bonus_rule("100", "90", group=Group.objects.create(name="别人"))
    rules = rules_for(alice, main_storefront().pk, at)
    assert best_of(rules, Decimal(200)).rule == best
    assert best_of(rules, Decimal(99)) is None


def test_alice_sees_the_gift_pays_and_gets_it_once(till, channel, alice, client):
    bonus_rule("100", "10")
    client.force_login(alice)
    shown = client.get("/wallet/topup/").content.decode()
    assert "送 ¥10.00" in shown and "满 ¥100.00 送 ¥10.00" in shown
    made = top_up(alice, "100")
    assert made.bonus == Decimal("10.00")
    attempt = till.start(made, channel)
    till.pay(attempt)
    for _ in range(2):
        till.send(channel, till.fields(attempt))
    assert (balance_of(alice), restricted_of(alice)) == (Decimal("1110.00"), Decimal("10.00"))
    assert BonusGrant.objects.count() == 1
    assert "另赠送 ¥10.00" in client.get(f"/wallet/topup/{made.public_id}/").content.decode()


def test_the_promise_outlives_the_rule(till, channel, alice):
    rule = bonus_rule("100", "10")
    made = top_up(alice, "100")
    BonusRule.objects.filter(pk=rule.pk).update(is_active=False, amount=1)
    till.pay(till.start(made, channel))
    assert balance_of(alice) == Decimal("1110.00")


def test_late_little_and_second_money_brings_nothing(till, channel, alice):
    bonus_rule("10", "1")
    late = top_up(alice, "10", "late")
    attempt = till.start(late, channel)
    TopUp.objects.filter(pk=late.pk).update(pay_deadline=clock.now())
    assert close_due_top_ups() == 1
    till.pay(attempt)
    assert balance_of(alice) == Decimal("1010.00")
    paid(till, channel, alice, "20", "little", money="5.00")
    assert not BonusGrant.objects.exists()
    twice = top_up(alice, "30", "twice")
    first, second = till.start(twice, channel), till.start(twice, till.channel())
    till.pay(first)
    till.pay(second)
    assert BonusGrant.objects.count() == 1
    assert restricted_of(alice) == Decimal("1.00")


def test_so_often_and_no_more(till, channel, alice):
    bonus_rule("10", "1", per_member=2)
    early = [top_up(alice, "10", f"k{n}") for n in range(3)]
    assert [one.bonus for one in early] == [1, 1, 0], "what is promised is kept, also while none was paid"
    for one in early:
        till.pay(till.start(one, channel))
    assert BonusGrant.objects.count() == 2
    assert top_up(alice, "10", "k4").bonus == 0


def test_the_gift_goes_back_in_proportion(till, channel, charlie, olga):
    bonus_rule("100", "10")
    made = paid(till, channel, charlie, "100")
    for ref, amount, gift in (("a", "33.33", "3.33"), ("b", "33.33", "6.67"), ("c", "33.34", "10.00")):
        refund_top_up(top_up_id=made.pk, amount=Decimal(amount), reason="退款", ref=ref, actor=olga)
        refund_top_up(top_up_id=made.pk, amount=Decimal(amount), reason="退款", ref=ref, actor=olga)
        assert BonusGrant.objects.get().taken_back == Decimal(gift)
    assert (balance_of(charlie), restricted_of(charlie)) == (0, 0)
    with pytest.raises(RefundTooLarge):
        refund_top_up(top_up_id=made.pk, amount=Decimal("0.01"), reason="退款", ref="d", actor=olga)


def test_one_form_gives_back_one_top_up(till, channel, charlie, olga):
    first, second = (paid(till, channel, charlie, amount, amount) for amount in ("100", "50"))
    refund_top_up(top_up_id=first.pk, amount=Decimal(10), reason="退款", ref="a", actor=olga)
    with pytest.raises(RefUsed):
        refund_top_up(top_up_id=second.pk, amount=Decimal(10), reason="退款", ref="a", actor=olga)
    assert balance_of(charlie) == Decimal("140.00")


def test_a_gift_that_was_spent_is_paid_for_and_gifts_are_not_paid_out(till, channel, charlie, olga, shelf):
    bonus_rule("100", "10")
    made = paid(till, channel, charlie, "100")
    shelf.buy(charlie, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
    assert (balance_of(charlie), restricted_of(charlie)) == (Decimal("100.00"), 0)
    with pytest.raises(InsufficientBalance):
        refund_top_up(top_up_id=made.pk, amount=Decimal("100.00"), reason="退款", ref="a", actor=olga)
    assert not Transfer.objects.filter(kind__in=["bonus_back", "top_up_refund"]).exists()
    refund_top_up(top_up_id=made.pk, amount=Decimal("90.00"), reason="退款", ref="b", actor=olga)
    assert balance_of(charlie) == Decimal("1.00")


def test_refunds_at_the_desk_show_what_goes_back(till, channel, charlie):
    bonus_rule("100", "10")
    made = paid(till, channel, charlie, "100")
    address = f"/admin/payments/topup/{made.pk}/refund/"
    act = Act(at_desk(staff("fiona", "payments.view_topup", "payments.refund_topup")), address)
    act.fill(amount="50", reason="误充")
    assert "¥5.00" in act.text and "¥55.00" in act.text
    assert "已登记" in act.confirm().done()
    assert "最多 ¥50.00" in Act(at_desk(staff("fred", "payments.view_topup", "payments.refund_topup")), address).text
    assert balance_of(charlie) == Decimal("55.00")
    assert at_desk(staff("vera", "payments.view_topup")).get(address).status_code == 403


def test_a_top_up_goes_back_through_the_gateway_together_with_its_gift(till, channel, charlie, olga):
    bonus_rule("100", "10")
    attempt = paid(till, channel, charlie, "100.00").attempts.get()
    assert (returnable(attempt), balance_of(charlie)) == (Decimal("100.00"), Decimal("110.00"))
    made = return_payment(attempt_id=attempt.pk, amount=Decimal("50.00"), reason="误充", ref="r1", actor=olga)
    grant = BonusGrant.objects.get()
    assert (made.bonus, grant.taken_back, balance_of(charlie)) == (Decimal("5.00"), Decimal("5.00"), Decimal("55.00"))
    assert books() == {}
    assert push_refund(refund_id=made.pk) == "done"
    # The rest by hand: in proportion to all that went back by either way, and never twice.
    with pytest.raises(RefundTooLarge):
        refund_top_up(top_up_id=attempt.top_up_id, amount=Decimal("50.01"), reason="x", ref="r2", actor=olga)
    refund_top_up(top_up_id=attempt.top_up_id, amount=Decimal("50.00"), reason="误充", ref="r3", actor=olga)
    attempt = PaymentAttempt.objects.get(pk=attempt.pk)
    assert (returnable(attempt), balance_of(charlie), BonusGrant.objects.get().taken_back) == (0, 0, 10)


def test_a_gift_that_was_spent_keeps_its_top_up_here(till, channel, charlie, olga, shelf):
    """Together they must be there: nobody keeps the gift and has the money back."""
    bonus_rule("100", "10")
    attempt = paid(till, channel, charlie, "100.00").attempts.get()
    shelf.buy(charlie, (shelf.sku("30.00", keys=1), 1), from_wallet=True)
    with pytest.raises(InsufficientBalance):
        return_payment(attempt_id=attempt.pk, amount=Decimal("80.00"), reason="x", ref="r1", actor=olga)
    assert (balance_of(charlie), BonusGrant.objects.get().taken_back, Refund.objects.count()) == (
        Decimal("80.00"),
        0,
        0,
    )
    return_payment(attempt_id=attempt.pk, amount=Decimal("72.72"), reason="x", ref="r2", actor=olga)
    assert balance_of(charlie) == Decimal("0.01")


def test_a_refusal_gives_money_and_gift_again_and_no_more_can_be_withdrawn(till, channel, charlie, olga, monkeypatch):
    bonus_rule("100", "10")
    attempt = paid(till, channel, charlie, "100.00").attempts.get()
    made = return_payment(attempt_id=attempt.pk, amount=Decimal("100.00"), reason="误充", ref="r1", actor=olga)
    assert (balance_of(charlie), restricted_of(charlie)) == (0, 0)
    monkeypatch.setattr(
        "payments.epay.provider.EpayProvider.refund", lambda *_, **__: Refunded(outcome=Outcome.REFUSED)
    )
    assert push_refund(refund_id=made.pk) == "refused"
    assert (balance_of(charlie), restricted_of(charlie)) == (Decimal("110.00"), Decimal("10.00"))
    assert (BonusGrant.objects.get().taken_back, books()) == (0, {})
    again = return_payment(attempt_id=attempt.pk, amount=Decimal("100.00"), reason="再试", ref="r2", actor=olga)
    assert (again.bonus, balance_of(charlie)) == (Decimal("10.00"), 0)


def test_the_desk_shows_the_gift_that_goes_along(till, channel, charlie):
    bonus_rule("100", "10")
    attempt = paid(till, channel, charlie, "100.00").attempts.get()
    desk = at_desk(staff("gus", "payments.view_paymentattempt", "payments.send_back"))
    address = f"/admin/payments/paymentattempt/{attempt.pk}/send-back/"
    act = Act(desk, address).fill(amount="50", reason="误充")
    assert "收回赠送" in act.text and "¥5.00" in act.text and "¥55.00" in act.text
    assert "正在原路退回" in act.confirm().done()
    assert Refund.objects.get().bonus == Decimal("5.00")


def test_what_went_back_through_the_gateway_is_not_noted_again(till, channel, charlie, olga):
    attempt = paid(till, channel, charlie, "100.00").attempts.get()
    return_payment(attempt_id=attempt.pk, amount=Decimal("60.00"), reason="误充", ref="r1", actor=olga)
    with pytest.raises(RefundTooLarge):
        refund_top_up(top_up_id=attempt.top_up_id, amount=Decimal("40.01"), reason="误充", ref="r2", actor=olga)
    refund_top_up(top_up_id=attempt.top_up_id, amount=Decimal("40.00"), reason="误充", ref="r3", actor=olga)
    assert (returnable(PaymentAttempt.objects.get(pk=attempt.pk)), balance_of(charlie)) == (0, 0)


def test_a_top_up_that_was_paid_twice_goes_back_in_part(till, channel, charlie, olga):
    """What was credited grew after a refund: the share of the gift that is due shrank, and is never less than nothing."""
    bonus_rule("100", "10")
    made = top_up(charlie, "100")
    first, second = till.start(made, channel), till.start(made, till.channel())
    till.pay(first)
    refund_top_up(top_up_id=made.pk, amount=Decimal(50), reason="退款", ref="a", actor=olga)
    till.pay(second)
    refund_top_up(top_up_id=made.pk, amount=Decimal(10), reason="退款", ref="b", actor=olga)
    assert (balance_of(charlie), BonusGrant.objects.get().taken_back) == (Decimal("145.00"), Decimal("5.00"))


@pytest.fixture
def twice(till, channel, alice) -> list[PaymentAttempt]:
    """A hundred with a gift of twenty, paid twice by mistake: the gift came with the first money only."""
    bonus_rule("100", "20")
    made = top_up(alice, "100")
    attempts = [till.start(made, channel), till.start(made, till.channel())]
    for one in attempts:
        till.pay(one)
    return attempts


def test_the_second_payment_of_a_gifted_top_up_is_the_members_own(twice, alice):
    assert free(alice) == Decimal("1100.00")


def test_the_second_payment_goes_back_without_the_gift_and_the_first_takes_it_along(twice, alice, olga):
    def goes_back(attempt: PaymentAttempt, amount: str) -> tuple:
        made = return_payment(attempt_id=attempt.pk, amount=Decimal(amount), reason="付了两次", ref=amount, actor=olga)
        return made.bonus, BonusGrant.objects.get().taken_back, free(alice)

    first, second = twice
    assert goes_back(second, "99.00") == (0, 0, Decimal("1001.00"))
    assert goes_back(first, "50.00") == (Decimal("10.00"), Decimal("10.00"), Decimal("1001.00"))
    assert goes_back(second, "1.00") == (0, Decimal("10.00"), Decimal("1000.00"))
    assert (restricted_of(alice), books()) == (Decimal("10.00"), {})


def test_by_hand_what_brought_no_gift_goes_back_first(twice, alice, olga):
    def by_hand(amount: str) -> Decimal:
        act = Act(desk, f"/admin/payments/topup/{twice[0].top_up_id}/refund/").fill(amount=amount, reason="付了两次")
        act.confirm().done()
        return BonusGrant.objects.get().taken_back

    desk = at_desk(staff("fiona", "payments.view_topup", "payments.refund_topup"))
    assert by_hand("60.00") == 0
    return_payment(attempt_id=twice[1].pk, amount=Decimal(20), reason="付了两次", ref="s", actor=olga)
    assert free(alice) == Decimal("1020.00")
    assert by_hand("70.00") == Decimal("10.00")
    assert by_hand("50.00") == Decimal("20.00")
    assert (balance_of(alice), free(alice), books()) == (Decimal("1000.00"), Decimal("1000.00"), {})


def test_a_second_payment_of_one_number_brings_and_takes_nothing(till, channel, alice, olga):
    bonus_rule("100", "20")
    attempt = till.start(top_up(alice, "100"), channel)
    till.pay(attempt)
    apply_second(attempt_id=attempt.pk, provider_txn="AGAIN", amount=attempt.amount)
    assert free(alice) == Decimal("1100.00")
    # Through the gateway goes what was paid first.
    return_payment(attempt_id=attempt.pk, amount=Decimal(50), reason="误充", ref="s", actor=olga)
    assert (BonusGrant.objects.get().taken_back, free(alice)) == (Decimal("10.00"), Decimal("1100.00"))


def test_a_gift_that_is_given_once_is_promised_once(till, channel, charlie, client):
    bonus_rule("100", "10", per_member=1)
    first = top_up(charlie, "100", "k1")
    client.force_login(charlie)
    page = client.get("/wallet/topup/").content.decode()
    assert "已经带着限次的赠送" in page and "送 ¥10.00" not in page
    second = top_up(charlie, "100", "k2")
    assert (first.bonus, second.bonus) == (10, 0)
    for one in (second, first):
        till.pay(till.start(one, channel))
    assert (balance_of(charlie), restricted_of(charlie)) == (Decimal("210.00"), Decimal("10.00"))


def test_a_promise_that_nobody_paid_for_is_free_again(charlie):
    bonus_rule("100", "10", per_member=1)
    late = top_up(charlie, "100", "k1")
    TopUp.objects.filter(pk=late.pk).update(pay_deadline=clock.now())
    assert close_due_top_ups() == 1
    assert top_up(charlie, "100", "k2").bonus == 10


def free(user, days: int = 0) -> Decimal:
    return withdrawable(user, open_withdrawals(top_up_days=days), None, clock.now()).free


def test_a_gift_is_not_earned_by_money_that_is_withdrawn(till, channel, charlie, shelf, olga):
    """Top up, spend the gift, withdraw the rest, and again: the shop would pay for nothing."""
    bonus_rule("1000", "100")
    first = paid(till, channel, charlie, "1000", "k1")
    shelf.buy(charlie, (shelf.sku("100.00", keys=1), 1), from_wallet=True)
    assert (balance_of(charlie), free(charlie)) == (Decimal("1000.00"), 0)
    shelf.fund(charlie, "300.00")
    assert free(charlie) == Decimal("300.00"), "other money is free"
    order = shelf.buy(charlie, (shelf.sku("600.00", keys=1), 1), from_wallet=True)
    assert (balance_of(charlie), free(charlie)) == (Decimal("700.00"), Decimal("300.00")), (
        "what came with it goes first"
    )
    refund(order_id=order.pk, amounts={order.lines.get().pk: Decimal(600)}, ref="r", reason="", actor=None)
    assert free(charlie) == Decimal("300.00")
    refund_top_up(top_up_id=first.pk, amount=Decimal("1000"), reason="退款", ref="t", actor=olga)
    assert (balance_of(charlie), free(charlie)) == (Decimal("200.00"), Decimal("200.00")), "its gift went along"


def test_fresh_money_with_a_gift_is_kept_once(till, channel, charlie, shelf):
    bonus_rule("100", "10")
    shelf.fund(charlie, "50.00")
    paid(till, channel, charlie, "100")
    assert (balance_of(charlie), free(charlie)) == (Decimal("160.00"), Decimal("50.00"))
    assert free(charlie, days=7) == Decimal("50.00")
    shelf.buy(charlie, (shelf.sku("120.00", keys=1), 1), from_wallet=True)
    paid(till, channel, charlie, "100", "k2")
    assert (balance_of(charlie), free(charlie)) == (Decimal("150.00"), Decimal("40.00")), "spent before it came"
    assert free(charlie, days=7) == 0


def test_money_that_a_gateway_did_not_take_back_undoes_no_purchase(till, channel, charlie, shelf, olga, monkeypatch):
    """Paid from the wallet and by a gateway too: what is sent back and refused was never spent."""
    bonus_rule("1000", "100")
    paid(till, channel, charlie, "1000")
    order = shelf.buy(charlie, (shelf.sku("600.00", keys=1), 1))
    twice = till.start(order, channel)
    pay_from_wallet(order_id=order.pk, user=charlie)
    till.pay(twice)
    assert (balance_of(charlie), free(charlie)) == (Decimal("1100.00"), Decimal("600.00"))
    made = return_payment(attempt_id=twice.pk, amount=Decimal(600), reason="重复支付", ref="r", actor=olga)
    assert free(charlie) == 0
    monkeypatch.setattr(
        "payments.epay.provider.EpayProvider.refund", lambda *_, **__: Refunded(outcome=Outcome.REFUSED)
    )
    assert push_refund(refund_id=made.pk) == "refused"
    assert (balance_of(charlie), free(charlie)) == (Decimal("1100.00"), Decimal("600.00"))
