"""Withdrawals: what may go, two people, and money that is always in exactly one place."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from audit.exceptions import SamePerson
from audit.models import AuditEntry
from common import clock
from common.exceptions import OwnMatter
from events.services import relay
from notifications.models import Message
from payments import services
from payments.exceptions import (
    BadPayoutAccount,
    BadWithdrawalAmount,
    Cooling,
    FactsNeeded,
    NoPayoutAccount,
    NotWithdrawable,
    PayoutStopped,
    WithdrawalLimit,
    WithdrawalMoved,
    WithdrawalNotFound,
    WithdrawalsClosed,
)
from payments.models import PayoutAccount, Withdrawal
from payments.payouts import hint_of, open_account, read_account
from tenancy.selectors import main_storefront
from tests.desk import Act, at_desk, staff
from tests.payments.withdrawals import ask, open_withdrawals, verified_account
from tests.wallet.cards import batch, codes
from wallet.models import Account
from wallet.selectors import balance_of
from wallet.services import redeem_card

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]
State = Withdrawal.State


@pytest.fixture
def petra(db):
    return staff("petra")


@pytest.fixture
def quentin(db):
    return staff("quentin")


@pytest.fixture
def ready(alice):
    """Alice, who may withdraw."""
    open_withdrawals()
    verified_account(alice)
    return alice


def hold(user) -> Decimal:
    return Account.objects.get(user=user, purpose=Account.Purpose.HOLD).balance


def test_from_the_wallet_to_the_bank(ready, petra, quentin):
    open_withdrawals(fee_rate=Decimal("0.01"), fee_min=Decimal("2"), fee_max=Decimal("25"))
    row = ask(ready, "100.00")
    assert (row.fee, row.net) == (Decimal("2.00"), Decimal("98.00"))
    assert (balance_of(ready), hold(ready)) == (Decimal("900.00"), Decimal("100.00"))
    services.approve_withdrawal(withdrawal_id=row.pk, actor=petra)
    row = services.confirm_withdrawal(withdrawal_id=row.pk, proof="2026113022001", actor=quentin)
    assert (row.state, hold(ready), balance_of(ready)) == (State.PAID, 0, Decimal("900.00"))
    ledger = dict(
        Account.objects.filter(entries__transfer__ref=f"withdrawal:{row.pk}:end").values_list("code", "entries__amount")
    )
    assert ledger["shop:payout"] == Decimal("98.00") and ledger["shop:fees:withdrawals"] == Decimal("2.00")
    assert [one.to_state for one in row.moves.order_by("pk")] == ["asked", "approved", "paid"]
    assert AuditEntry.objects.filter(action__startswith="withdrawal.").count() == 3
    relay()
    kinds = list(Message.objects.filter(user=ready).order_by("pk").values_list("kind", flat=True))
    assert [one for one in kinds if "withdrawal" in one] == ["withdrawal_asked", "withdrawal_paid"]


@pytest.mark.parametrize(
    ("amount", "fee"), [("10.00", "2.00"), ("200.00", "2.00"), ("333.33", "3.33"), ("9000", "25.00")]
)
def test_fees_are_kept_between_their_ends(ready, shelf, amount, fee):
    open_withdrawals(fee_rate=Decimal("0.01"), fee_min=Decimal("2"), fee_max=Decimal("25"))
    shelf.fund(ready, "9000")
    assert ask(ready, amount).fee == Decimal(fee)


def test_two_people_and_neither_is_the_member(ready, petra, quentin):
    User.objects.filter(pk=ready.pk).update(is_staff=True)
    row = ask(ready, "100.00")
    for act, more in (
        (services.approve_withdrawal, {}),
        (services.reject_withdrawal, {"reason": "x"}),
    ):
        with pytest.raises(OwnMatter):
            act(withdrawal_id=row.pk, actor=ready, **more)
    with pytest.raises(WithdrawalMoved):
        services.confirm_withdrawal(withdrawal_id=row.pk, proof="1", actor=quentin)
    services.approve_withdrawal(withdrawal_id=row.pk, actor=petra)
    for actor, refusal in ((petra, SamePerson), (ready, OwnMatter)):
        with pytest.raises(refusal):
            services.confirm_withdrawal(withdrawal_id=row.pk, proof="1", actor=actor)
    with pytest.raises(FactsNeeded):
        services.confirm_withdrawal(withdrawal_id=row.pk, proof=" ", actor=quentin)
    with pytest.raises(WithdrawalMoved):
        services.approve_withdrawal(withdrawal_id=row.pk, actor=quentin)
    services.confirm_withdrawal(withdrawal_id=row.pk, proof="1", actor=quentin)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"paid_by": "petra"}, "withdrawal_four_eyes"),
        ({"paid_by": "alice"}, "withdrawal_not_by_its_member"),
        ({"paid_by": "quentin", "approved_by": None}, "withdrawal_four_eyes"),
    ],
)
def test_the_database_itself_wants_four_eyes(ready, petra, quentin, change, name):
    row = ask(ready, "100.00")
    services.approve_withdrawal(withdrawal_id=row.pk, actor=petra)
    people = {"petra": petra, "quentin": quentin, "alice": ready, None: None}
    fields = {key: people[value] for key, value in change.items()}
    now = clock.now()
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Withdrawal.objects.filter(pk=row.pk).update(state="paid", paid_at=now, closed_at=now, proof="x", **fields)


def test_what_is_rejected_or_cancelled_comes_back(ready, petra, bob):
    rejected, cancelled = ask(ready, "100.00"), ask(ready, "50.00")
    services.approve_withdrawal(withdrawal_id=rejected.pk, actor=petra)
    services.reject_withdrawal(withdrawal_id=rejected.pk, reason="姓名不符", actor=petra)
    with pytest.raises(WithdrawalNotFound):
        services.cancel_withdrawal(public_id=cancelled.public_id, user=bob)
    for _ in range(2):
        services.cancel_withdrawal(public_id=cancelled.public_id, user=ready)
    assert (balance_of(ready), hold(ready)) == (Decimal("1000.00"), 0)
    with pytest.raises(WithdrawalMoved):
        services.cancel_withdrawal(public_id=rejected.public_id, user=ready)
    approved = ask(ready, "20.00")
    services.approve_withdrawal(withdrawal_id=approved.pk, actor=petra)
    with pytest.raises(WithdrawalMoved):
        services.cancel_withdrawal(public_id=approved.public_id, user=ready)


def test_one_key_asks_once(ready):
    assert ask(ready, "10.00", "same") == ask(ready, "10.00", "same")
    assert balance_of(ready) == Decimal("990.00")


def test_gifts_cards_and_fresh_money_stay(ready, petra, till, channel):
    redeem_card(user=ready, code=codes(batch(petra))[0], address="203.0.113.9")
    with pytest.raises(NotWithdrawable):
        ask(ready, "1000.01")
    made = services.place_top_up(user=ready, storefront=main_storefront(), amount=Decimal(300), idempotency_key="t")
    till.pay(till.start(made, channel))
    with clock.travel(clock.now() + timedelta(days=6, hours=23)):
        with pytest.raises(NotWithdrawable) as refusal:
            ask(ready, "1000.01")
        assert "1000.00" in str(refusal.value)
        open_withdrawals(top_up_days=0)
        ask(ready, "1300.00")


def test_a_top_up_that_went_back_keeps_no_other_money_here(ready, petra, till, channel):
    top_up = services.place_top_up(user=ready, storefront=main_storefront(), amount=Decimal(300), idempotency_key="t")
    attempt = till.start(top_up, channel)
    till.pay(attempt)
    with pytest.raises(NotWithdrawable):
        ask(ready, "1000.01")
    services.return_payment(attempt_id=attempt.pk, amount=Decimal(300), reason="误充", ref="s", actor=petra)
    ask(ready, "1000.00")


def test_limits_of_a_day_and_a_month(ready, petra):
    open_withdrawals(daily=Decimal(100), monthly=Decimal(150))
    first = ask(ready, "60.00")
    with pytest.raises(WithdrawalLimit) as refusal:
        ask(ready, "40.01")
    assert "40.00" in str(refusal.value)
    services.reject_withdrawal(withdrawal_id=first.pk, reason="x", actor=petra)
    ask(ready, "100.00")
    Withdrawal.objects.update(asked_at=clock.start_of_day(clock.day_of(clock.now()).replace(day=1)))
    if clock.day_of(clock.now()).day > 1:
        with pytest.raises(WithdrawalLimit):
            ask(ready, "50.01")
        ask(ready, "50.00")


@pytest.mark.parametrize("amount", ["0", "9.99", "20000.01", "-10"])
def test_amounts_out_of_range(ready, amount):
    with pytest.raises(BadWithdrawalAmount):
        ask(ready, amount)


def test_what_keeps_a_withdrawal_away(alice, petra):
    with pytest.raises(WithdrawalsClosed):
        ask(alice, "10.00")
    open_withdrawals()
    with pytest.raises(NoPayoutAccount):
        ask(alice, "10.00")
    made = services.save_payout_account(user=alice, kind="bank", name="王小明", number="6222 0212 3456 7890 123")
    with pytest.raises(NoPayoutAccount):
        ask(alice, "10.00")
    services.verify_payout_account(account_id=made.pk, actor=petra)
    with pytest.raises(Cooling):
        ask(alice, "10.00")
    PayoutAccount.objects.update(created_at=clock.now() - timedelta(hours=25))
    ask(alice, "10.00")
    alice.set_password("another-tea-9")
    alice.save()
    with pytest.raises(Cooling):
        ask(alice, "10.00")
    User.objects.update(password_changed_at=clock.now() - timedelta(hours=24))
    ask(alice, "10.00")


def test_a_fresh_hash_of_the_same_password_is_no_change(alice, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
    assert alice.check_password("tea-and-keys-9")
    assert User.objects.get(pk=alice.pk).password_changed_at is None


def test_a_new_account_takes_the_place_of_the_old_one(ready, petra):
    new = services.save_payout_account(user=ready, kind="wechat", name="王小明", number="wxid_abc123")
    assert [one.state for one in ready.payout_accounts.order_by("pk")] == ["removed", "waiting"]
    services.refuse_payout_account(account_id=new.pk, reason="查无此号", actor=petra)
    with pytest.raises(WithdrawalMoved):
        services.verify_payout_account(account_id=new.pk, actor=petra)
    own = services.save_payout_account(user=petra, kind="alipay", name="小佩", number="p@example.com")
    with pytest.raises(OwnMatter):
        services.verify_payout_account(account_id=own.pk, actor=petra)


@pytest.mark.parametrize(
    ("kind", "name", "number"),
    [
        ("alipay", "王", "13800001234"),
        ("alipay", "王小明", "1380000123"),
        ("alipay", "王小明", "a@b"),
        ("bank", "王小明", "12345"),
        ("bank", "王小明", "62220212345678901234"),
        ("wechat", "王小明", "1abc"),
        ("usdt", "王小明", "13800001234"),
        ("alipay", "王\0明", "13800001234"),
        ("alipay", "", ""),
    ],
)
def test_accounts_that_cannot_be(alice, kind, name, number):
    with pytest.raises(BadPayoutAccount):
        services.save_payout_account(user=alice, kind=kind, name=name, number=number)


def test_an_account_is_sealed_and_shown_in_part(ready, petra):
    account = ready.payout_accounts.get()
    assert open_account(account) == ("王小明", "13800001234")
    assert str(account) == "支付宝 王* 138****1234"
    assert hint_of("王小明", "name@example.com") == "王* n***@example.com"
    assert read_account("bank", "王 小 明", "６２２２ 0212-3456 7890") == ("王 小 明", "6222021234567890")
    row = ask(ready, "10.00")
    services.approve_withdrawal(withdrawal_id=row.pk, actor=petra)
    relay()
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(
                f'SELECT count(*) FROM "{table}" AS t WHERE t::text LIKE ANY(%s)', [["%13800001234%", "%王小明%"]]
            )
            assert cursor.fetchone()[0] == 0, table


def test_at_the_desk(ready):
    every = [
        f"payments.{one}" for one in ("view_withdrawal", "approve_withdrawal", "pay_withdrawal", "reject_withdrawal")
    ]
    row = ask(ready, "100.00")
    address = f"/admin/payments/withdrawal/{row.pk}/"
    first, second = at_desk(staff("first", *every)), at_desk(staff("second", *every))
    act = Act(first, address + "approve/")
    assert "¥100.00" in act.text
    assert "另一名员工" in act.confirm().done()
    assert "confirm/" not in first.get(address + "change/").content.decode()
    assert "confirm/" in second.get(address + "change/").content.decode()
    assert "另一名员工" in Act(first, address + "confirm/").fill(proof="1").confirm().text
    assert "已登记" in Act(second, address + "confirm/").fill(proof="T-9").confirm().done()
    viewer = at_desk(staff("viewer", "payments.view_withdrawal"))
    for name in ("approve", "confirm", "reject", "export-csv"):
        where = address + f"{name}/" if name != "export-csv" else "/admin/payments/withdrawal/export-csv/"
        assert viewer.get(where).status_code == 403, name
    assert row.number in viewer.get("/admin/payments/withdrawal/?state__exact=paid").content.decode()


def test_the_full_number_is_shown_to_few_and_noted(ready):
    account = ready.payout_accounts.get()
    address = f"/admin/payments/payoutaccount/{account.pk}/reveal/"
    assert at_desk(staff("vera", "payments.view_payoutaccount")).get(address).status_code == 403
    desk = at_desk(staff("rita", "payments.view_payoutaccount", "payments.reveal_payout"))
    assert "13800001234" not in desk.get(f"/admin/payments/payoutaccount/{account.pk}/change/").content.decode()
    page = Act(desk, address).confirm()
    assert "13800001234" in page.text and "王小明" in page.text
    assert "no-store" in page.page["Cache-Control"]
    assert AuditEntry.objects.get(action="payout.reveal").actor == "rita"


def test_on_the_page(client, ready):
    client.force_login(ready)
    assert "/wallet/withdraw/" in client.get("/wallet/").content.decode()
    page = client.get("/wallet/withdraw/")
    assert "138****1234" in page.content.decode()
    sent = {"amount": "50", "token": page.context["token"], "password": "wrong"}
    assert "密码不正确" in client.post("/wallet/withdraw/", sent).content.decode()
    sent["password"] = "tea-and-keys-9"
    for _ in range(2):
        assert client.post("/wallet/withdraw/", sent).status_code == 302
    row = Withdrawal.objects.get()
    assert "待审核" in client.get("/wallet/withdraw/").content.decode()
    assert client.post(f"/wallet/withdraw/{row.public_id}/cancel/").status_code == 302
    assert balance_of(ready) == Decimal("1000.00")
    for amount in ("", "x", "5", "99999999", "NaN"):
        assert (
            client.post("/wallet/withdraw/", {**sent, "amount": amount, "token": amount})
            .context["form"]
            .errors["amount"]
        )
    new = {"kind": "bank", "name": "王小明", "number": "6222021234567890", "password": "tea-and-keys-9"}
    assert client.post("/wallet/withdraw/account/", {**new, "number": "1"}).context["form"].errors["number"]
    assert client.post("/wallet/withdraw/account/", new).status_code == 302
    assert "待核实" in client.get("/wallet/withdraw/").content.decode()


def test_strangers_find_no_withdrawal(client, ready, bob):
    row = ask(ready, "10.00")
    client.force_login(bob)
    assert client.post(f"/wallet/withdraw/{row.public_id}/cancel/").status_code == 404


def test_an_account_that_turns_out_stolen_gets_no_money(ready, petra, quentin):
    first, second = ask(ready, "50.00"), ask(ready, "60.00")
    services.approve_withdrawal(withdrawal_id=first.pk, actor=petra)
    services.refuse_payout_account(account_id=first.account_id, reason="盗用他人账号", actor=petra)
    with pytest.raises(PayoutStopped):
        services.approve_withdrawal(withdrawal_id=second.pk, actor=petra)
    with pytest.raises(PayoutStopped):
        services.confirm_withdrawal(withdrawal_id=first.pk, proof="1", actor=quentin)
    for row in (first, second):
        services.reject_withdrawal(withdrawal_id=row.pk, reason="账号有误", actor=petra)
    assert (balance_of(ready), hold(ready)) == (Decimal("1000.00"), 0)


def test_a_member_who_was_blocked_meanwhile_gets_no_money(ready, petra, quentin):
    first, second = ask(ready, "50.00"), ask(ready, "60.00")
    services.approve_withdrawal(withdrawal_id=first.pk, actor=petra)
    User.objects.filter(pk=ready.pk).update(is_active=False)
    with pytest.raises(PayoutStopped):
        services.approve_withdrawal(withdrawal_id=second.pk, actor=petra)
    desk = at_desk(staff("peggy", "payments.view_withdrawal", "payments.pay_withdrawal"))
    act = Act(desk, f"/admin/payments/withdrawal/{first.pk}/confirm/").fill(proof="1")
    assert "会员已被停用" in act.text and "confirm-form" in act.text
    User.objects.filter(pk=ready.pk).update(is_active=True)
    services.confirm_withdrawal(withdrawal_id=first.pk, proof="1", actor=quentin)


def test_a_form_that_lost_its_token_asks_again(client, ready):
    client.force_login(ready)
    sent = {"amount": "50", "password": "tea-and-keys-9", "token": ""}
    for _ in range(2):
        page = client.post("/wallet/withdraw/", sent, follow=True).content.decode()
        assert "已提交提现申请" not in page and "页面已失效" in page
    assert not Withdrawal.objects.exists()
