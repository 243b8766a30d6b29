"""Money by one person's word: never for oneself, and above a limit of the day only with a second person."""

from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps
from django.db import transaction

from audit.exceptions import SamePerson
from audit.models import Approval, AuditEntry
from common import clock, privacy
from common.exceptions import OwnMatter
from membership.services.points import adjust_points
from orders.services import give_credit, pay_out_credit, refund
from payments.exceptions import MoreThanAsked
from payments.models import PaymentAttempt
from payments.services import confirm_payment, refund_top_up, return_payment
from tests.desk import Act, at_desk, staff
from tests.payments.conftest import channel, running_sandbox, sandbox, till  # noqa: F401
from tests.payments.test_bonuses import paid, top_up
from tests.wallet.cards import batch
from wallet.exceptions import InsufficientBalance, SecondPersonNeeded
from wallet.models import Account, ByHand, CardBatch, Transfer, WalletRules
from wallet.selectors import balance_of
from wallet.services import Posting, adjust_by_staff, approve_by_hand, order_credit, post, refuse_by_hand, shop_account

pytestmark = pytest.mark.django_db
LIMIT = Decimal(1000)


@pytest.fixture
def fay(db):
    WalletRules.objects.update(by_hand_daily=LIMIT)
    return staff("fay", "wallet.adjust_wallet", "wallet.view_account")


@pytest.fixture
def seth(db):
    """The second person."""
    return staff("seth", "wallet.approve_by_hand", "wallet.view_byhandapproval", "wallet.view_byhand")


def adjust(user, amount: str, by, ref: str = "a"):
    return adjust_by_staff(user_id=user.pk, amount=Decimal(amount), ref=ref, reason="补偿", actor=by)


def confirm(attempt, by, amount: str = "10.00", txn: str = "T-1"):
    return confirm_payment(attempt_id=attempt.pk, provider_txn=txn, amount=Decimal(amount), reason="已核对", actor=by)


def owing(shelf, amount: str):
    """A guest's order that owes its guest."""
    order = shelf.buy(None, (shelf.sku("10.00", keys=1), 1))
    with transaction.atomic():
        legs = [
            Posting(shop_account(Account.Purpose.CLEARING, "x"), -Decimal(amount)),
            Posting(order_credit(order.pk), Decimal(amount)),
        ]
        post(ref=f"late:{order.pk}", kind=Transfer.Kind.LATE_PAYMENT, postings=legs, at=clock.now(), memo=order.number)
    return order


def test_nobody_does_it_for_themselves(till, channel, shelf, olga):  # noqa: F811
    """Also not a superuser who has nobody to ask."""
    own = paid(till, channel, olga, "100")
    attempt = till.start(shelf.buy(olga, (shelf.sku("10.00", keys=1), 1)), channel)
    waiting = till.start(top_up(olga, "50", "k2"), channel)
    order = owing(shelf, "5.00")
    shelf.fund(olga, "10.00")
    bought = shelf.buy(olga, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
    before = balance_of(olga)
    five = {"amount": Decimal(5), "reason": "x", "ref": "x", "actor": olga}
    for act in (
        lambda: adjust(olga, "5.00", olga),
        lambda: confirm(attempt, olga),
        lambda: confirm(waiting, olga),
        lambda: refund_top_up(top_up_id=own.pk, **five),
        lambda: return_payment(attempt_id=own.attempts.get().pk, **five),
        lambda: refund(
            order_id=bought.pk, amounts={bought.lines.get().pk: Decimal(5)}, ref="x", reason="x", actor=olga
        ),
        lambda: give_credit(order_id=order.pk, user_id=olga.pk, **five),
        lambda: adjust_points(user_id=olga.pk, amount=5, ref="x", reason="x", actor=olga),
    ):
        with pytest.raises(OwnMatter):
            act()
    assert (balance_of(olga), ByHand.objects.count()) == (before, 0)


def test_no_more_is_confirmed_than_was_asked(till, channel, shelf, alice, olga):  # noqa: F811
    attempt = till.start(shelf.buy(alice, (shelf.sku("10.00", keys=1), 1)), channel)
    with pytest.raises(MoreThanAsked) as refusal:
        confirm(attempt, olga, "10.01")
    assert "¥10.00" in str(refusal.value)
    act = Act(at_desk(olga), f"/admin/payments/paymentattempt/{attempt.pk}/confirm/")
    act.fill(provider_txn="T-9", amount="9999999.00", reason="x")
    assert "多付的部分请在渠道后台退回付款人" in act.text and "确认到账" in act.text
    assert PaymentAttempt.objects.get(pk=attempt.pk).state != PaymentAttempt.State.PAID
    assert confirm(attempt, olga)


def test_above_the_limit_of_a_day_two_persons_do_it(alice, bob, fay, seth):
    adjust(alice, "600.00", fay, "a")
    adjust(alice, "-500.00", fay, "b")
    with pytest.raises(SecondPersonNeeded) as refusal:
        adjust(bob, "400.01", fay, "c")
    assert "¥400.00" in str(refusal.value)
    adjust(bob, "400.00", fay, "d")
    adjust(alice, "600.00", fay, "a")  # a repeated request is the same act
    asked = Approval.objects.get()
    with pytest.raises(SamePerson):
        approve_by_hand(approval_id=asked.pk, actor=fay)
    approve_by_hand(approval_id=asked.pk, actor=seth)
    for amount, user in (("400.02", bob), ("400.01", alice)):
        with pytest.raises(SecondPersonNeeded):
            adjust(user, amount, fay, f"e{amount}")
    with pytest.raises(InsufficientBalance):
        adjust(bob, "-9999.00", fay, "f")
    adjust(bob, "400.01", fay, "g")
    with pytest.raises(SecondPersonNeeded):
        adjust(bob, "400.01", fay, "h")
    assert balance_of(bob) == Decimal("1800.01")
    assert ByHand.objects.get(ref="g").approval_id == asked.pk


def test_it_is_asked_once_and_may_be_refused(alice, fay, seth):
    for _ in range(2):
        with pytest.raises(SecondPersonNeeded):
            adjust(alice, "1000.01", fay)
    refuse_by_hand(approval_id=Approval.objects.get().pk, reason="没有依据", actor=seth)
    with pytest.raises(SecondPersonNeeded):
        adjust(alice, "1000.01", fay)
    assert (Approval.objects.count(), balance_of(alice)) == (2, Decimal("1000.00"))


def test_the_second_person_is_not_whose_money_it_becomes(alice, fay, seth):
    with pytest.raises(SecondPersonNeeded):
        adjust(seth, "1000.01", fay)
    asked = Approval.objects.get()
    with pytest.raises(OwnMatter):
        approve_by_hand(approval_id=asked.pk, actor=seth)
    desk = at_desk(seth)
    assert "approve" not in desk.get(f"/admin/wallet/byhandapproval/{asked.pk}/change/").content.decode()
    assert balance_of(seth) == 0


def test_what_was_agreed_to_for_one_is_not_done_for_another(shelf, alice, bob, fay, seth):
    """Money of a guest's order, or of nobody, that a second person let one member have."""
    order = owing(shelf, "1500.00")
    give = {"order_id": order.pk, "amount": Decimal("1000.01"), "reason": "本人来信", "actor": fay}
    with pytest.raises(SecondPersonNeeded):
        give_credit(user_id=alice.pk, ref="g1", **give)
    asked = Approval.objects.get()
    page = at_desk(seth).get(f"/admin/wallet/byhandapproval/{asked.pk}/change/").content.decode()
    assert f"alice · {order.number}" in page
    approve_by_hand(approval_id=asked.pk, actor=seth)
    with pytest.raises(SecondPersonNeeded):
        give_credit(user_id=bob.pk, ref="g2", **give)
    give_credit(user_id=alice.pk, ref="g3", **give)
    assert (balance_of(alice), balance_of(bob)) == (Decimal("2000.01"), Decimal("1000.00"))


def test_all_ways_count_together(till, channel, shelf, alice, charlie, fay, seth):  # noqa: F811
    made = paid(till, channel, charlie, "100")
    order = owing(shelf, "500.00")
    attempt = till.start(top_up(alice, "400", "k9"), channel)
    confirm(attempt, fay, "400.00")
    pay_out_credit(order_id=order.pk, amount=Decimal(300), reason="x", ref="p1", actor=fay)
    give_credit(order_id=order.pk, user_id=alice.pk, amount=Decimal(200), reason="x", ref="p2", actor=fay)
    refund_top_up(top_up_id=made.pk, amount=Decimal(60), reason="x", ref="t1", actor=fay)
    with pytest.raises(SecondPersonNeeded):
        adjust(alice, "40.01", fay)
    acts = set(ByHand.objects.values_list("act", flat=True))
    assert acts == {"confirm", "pay_out", "give", "refund_top_up"}


def test_the_owner_of_a_small_shop_works_alone(alice, olga):
    WalletRules.objects.update(by_hand_daily=LIMIT)
    adjust(alice, "3000.00", olga)
    assert AuditEntry.objects.filter(action="wallet.by_hand_alone").count() == 1
    staff("seth", "wallet.approve_by_hand")
    with pytest.raises(SecondPersonNeeded):
        adjust(alice, "3000.00", olga, "b")


def test_who_leaves_is_named_neither_in_the_log_nor_beside_the_acts(alice, fay, seth):
    alice.display_name = name = "kanarienvogel-13800001234"
    alice.save(update_fields=["display_name"])
    adjust(alice, "600.00", fay, "a")
    with pytest.raises(SecondPersonNeeded):
        adjust(alice, "500.00", fay, "b")
    pages = ["/admin/wallet/byhand/", "/admin/wallet/byhandapproval/"]
    desk = at_desk(seth)
    assert all(name in desk.get(page).content.decode() for page in pages), "staff see whose money it is"
    privacy.erase(alice)
    rows = [*AuditEntry.objects.values(), *Approval.objects.values(), *ByHand.objects.values()]
    assert [row for row in rows if name in str(row)] == []
    assert (ByHand.objects.get().owner_id, Approval.objects.get().detail["owner"]) == (alice.pk, alice.pk)


def test_names_that_were_written_before_are_forgotten(alice, fay, seth):
    adjust(alice, "600.00", fay, "a")
    with pytest.raises(SecondPersonNeeded):
        adjust(alice, "500.00", fay, "b")
    ByHand.objects.update(target="用户 alice", owner_id=None)
    asked = Approval.objects.get()
    Approval.objects.update(detail={**asked.detail, "name": "alice"})
    import_module("wallet.migrations.0013_acts_by_hand_name_no_member").forget_names(apps, None)
    assert ByHand.objects.values_list("target", "owner_id").get() == (f"#{alice.pk}", alice.pk)
    assert Approval.objects.get().detail == asked.detail


def test_at_the_desk(alice, fay, seth):
    address = f"/admin/wallet/account/member/{alice.pk}/adjust/"
    act = Act(at_desk(fay), address).fill(amount="1500", reason="补偿").confirm()
    assert "另一名员工" in act.text
    asked = Approval.objects.get()
    where = f"/admin/wallet/byhandapproval/{asked.pk}/"
    assert at_desk(fay).get(where + "approve/").status_code == 403
    desk = at_desk(seth)
    assert "1,500.00" in desk.get("/admin/wallet/byhandapproval/").content.decode()
    step = Act(desk, where + "approve/")
    assert "人工调整余额" in step.text and "alice" in step.text
    assert "已批准" in step.confirm().done()
    assert Act(at_desk(fay), address).fill(amount="1500", reason="补偿").confirm().page.status_code == 302
    assert balance_of(alice) == Decimal("2500.00")
    assert f"#{asked.pk}" in desk.get("/admin/wallet/byhand/").content.decode()


def test_many_small_batches_of_cards_are_looked_at_like_a_large_one(olga, fay):
    made = [batch(olga, "100.00", 4, name=f"b{number}") for number in range(3)]
    assert [one.state for one in made] == [CardBatch.State.ISSUED] * 2 + [CardBatch.State.WAITING]
    assert batch(fay, "100.00", 4).state == CardBatch.State.ISSUED, "each person is counted alone"
