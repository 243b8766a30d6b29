"""The ledger in the admin: read by many, corrected by few, with a reason."""

from decimal import Decimal

import pytest

from audit.models import AuditEntry
from tests.desk import Act, at_desk, staff
from tests.shelf import books
from wallet.models import Account, Transfer
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db
FINANCE = ("wallet.view_account", "wallet.view_transfer", "wallet.view_entry", "wallet.adjust_wallet")


@pytest.fixture
def fiona(db):
    return staff("fiona", *FINANCE)


def adjust_address(user) -> str:
    return f"/admin/wallet/account/member/{user.pk}/adjust/"


def test_a_correction_shows_the_balance_after_and_happens_once(alice, fiona):
    act = Act(at_desk(fiona), adjust_address(alice)).fill(amount="-12.50", reason="重复到账更正")
    assert "¥987.50" in act.text and "−¥12.50" in act.text
    assert balance_of(alice) == Decimal("1000.00"), "a preview changes nothing"
    again = act._hidden()
    act.confirm()
    act.client.post(act.address, again)
    assert balance_of(alice) == Decimal("987.50")
    entry = AuditEntry.objects.get(action="wallet.adjust")
    assert (entry.actor, entry.detail["amount"], entry.detail["reason"]) == ("fiona", "-12.50", "重复到账更正")
    assert books() == {}


def test_a_member_without_wallet_can_be_credited(charlie, fiona):
    Act(at_desk(fiona), adjust_address(charlie)).fill(amount="5", reason="补偿").confirm()
    assert balance_of(charlie) == Decimal("5.00")


@pytest.mark.parametrize("amount", ["0", "", "NaN", "1.005", "1e9", "abc", "-1000.01"])
def test_amounts_that_cannot_be_are_refused(alice, fiona, amount):
    act = Act(at_desk(fiona), adjust_address(alice)).fill(amount=amount, reason="x")
    assert 'name="_step" value="run"' not in act.text or "确认调整" not in act.text
    act.client.post(act.address, {"_step": "run", "_token": "t", "amount": amount, "reason": "x"})
    assert balance_of(alice) == Decimal("1000.00")


def test_only_some_may_correct(alice):
    desk = at_desk(staff("vera", *FINANCE[:3]))
    account = Account.objects.get(user=alice)
    assert desk.get(f"/admin/wallet/account/{account.pk}/change/").status_code == 200
    assert desk.get(f"/admin/wallet/account/{account.pk}/adjust/").status_code == 403
    assert desk.post(adjust_address(alice), {"_step": "run", "amount": "9", "reason": "x"}).status_code == 403
    assert balance_of(alice) == Decimal("1000.00")


def test_the_shops_own_accounts_are_not_corrected_by_hand(alice, fiona):
    shop = Account.objects.get(code="shop:adjustment")
    desk = at_desk(fiona)
    assert "−¥1,000.00" in desk.get(f"/admin/wallet/account/{shop.pk}/change/").content.decode()
    assert desk.get(f"/admin/wallet/account/{shop.pk}/adjust/").status_code == 404


def test_the_ledger_cannot_be_edited(alice, olga):
    desk = at_desk(olga)
    transfer = Transfer.objects.get()
    for address in (f"transfer/{transfer.pk}", f"entry/{transfer.entries.first().pk}"):
        assert desk.get(f"/admin/wallet/{address}/change/").status_code == 200
        assert desk.post(f"/admin/wallet/{address}/change/", {"memo": "x"}).status_code == 403
        assert desk.post(f"/admin/wallet/{address}/delete/", {"post": "yes"}).status_code == 403


def test_money_is_found_by_order_number(shelf, alice, olga):
    order = shelf.buy(alice, (shelf.sku(keys=2), 1), from_wallet=True)
    desk = at_desk(olga)
    found = desk.get("/admin/wallet/transfer/", {"q": order.number}).context["cl"].result_list
    assert [transfer.kind for transfer in found] == [Transfer.Kind.PAYMENT]
    assert "¥10.00" in desk.get("/admin/wallet/transfer/", {"q": order.number}).content.decode()


def test_a_statement_is_one_accounts_entries(alice, bob, fiona):
    account = Account.objects.get(user=alice)
    page = at_desk(fiona).get("/admin/wallet/entry/", {"account__id__exact": account.pk})
    assert {entry.account_id for entry in page.context["cl"].result_list} == {account.pk}


def test_the_members_page_shows_the_wallet_to_finance_only(alice, fiona):
    money = at_desk(staff("mona", "accounts.view_user", *FINANCE)).get(f"/admin/accounts/user/{alice.pk}/change/")
    assert "¥1,000.00" in money.content.decode()
    support = at_desk(staff("sue", "accounts.view_user")).get(f"/admin/accounts/user/{alice.pk}/change/")
    assert "¥1,000.00" not in support.content.decode()
