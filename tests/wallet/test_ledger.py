"""The ledger keeps its books even from raw SQL."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Sum

from common import clock
from common.locks import LockOutsideTransaction
from tests.shelf import books
from wallet import services
from wallet.exceptions import BadTransfer, InsufficientBalance, ReferenceReused
from wallet.models import Account, Entry, Transfer, TransferRef
from wallet.selectors import balance_of, statement
from wallet.services import Posting, post, shop_account, user_wallet

pytestmark = pytest.mark.django_db
SALES = Account.Purpose.SALES
ADJUSTMENT = Transfer.Kind.ADJUSTMENT


def move(user, amount: str, ref: str = "r1", kind: str = ADJUSTMENT) -> tuple[Transfer, bool]:
    """Money from the shop to a member."""
    legs = [Posting(user_wallet(user.pk), Decimal(amount)), Posting(shop_account(SALES), -Decimal(amount))]
    with transaction.atomic():
        return post(ref=ref, kind=kind, postings=legs, at=clock.now())


def test_a_transfer_moves_the_balance_and_leaves_entries(alice):
    transfer, new = move(alice, "12.30")
    assert new
    assert balance_of(alice) == Decimal("1012.30")
    assert sorted(transfer.entries.values_list("amount", flat=True)) == [Decimal("-12.30"), Decimal("12.30")]
    entry = statement(alice)[0]
    assert (entry.amount, entry.balance_after, entry.transfer) == (Decimal("12.30"), Decimal("1012.30"), transfer)
    assert shop_account(SALES).balance is None
    assert books() == {}


def test_the_same_reference_with_the_same_content_moves_nothing(alice):
    first, _ = move(alice, "5.00")
    again, new = move(alice, "5.00")
    assert (again.pk, new) == (first.pk, False)
    assert balance_of(alice) == Decimal("1005.00")


@pytest.mark.parametrize(
    ("amount", "kind"), [("5.01", ADJUSTMENT), ("-5.00", ADJUSTMENT), ("5.00", Transfer.Kind.REFUND)]
)
def test_the_same_reference_with_other_content_is_refused(alice, amount, kind):
    move(alice, "5.00")
    with pytest.raises(ReferenceReused):
        move(alice, amount, kind=kind)
    assert balance_of(alice) == Decimal("1005.00")


def test_the_same_reference_for_somebody_else_is_refused(alice, bob):
    move(alice, "5.00")
    with pytest.raises(ReferenceReused):
        move(bob, "5.00")


def test_more_than_there_is_moves_nothing(charlie):
    with pytest.raises(InsufficientBalance):
        move(charlie, "-0.01")
    assert not Transfer.objects.filter(ref="r1").exists()
    assert not services.is_posted("r1")
    move(charlie, "0.01")


@pytest.mark.parametrize(
    "amounts",
    [
        ["1.00", "-0.99"],
        ["1.00"],
        ["0.00", "0.00"],
        [],
        ["0.001", "-0.001"],
        ["NaN", "NaN"],
        ["Infinity", "-Infinity"],
        ["1E+9", "-1E+9"],
        ["-0", "0"],
    ],
)
def test_lopsided_and_strange_transfers_are_refused(alice, amounts):
    accounts = [user_wallet(alice.pk), shop_account(SALES)]
    legs = [Posting(account, Decimal(amount)) for account, amount in zip(accounts, amounts, strict=False)]
    with pytest.raises(BadTransfer), transaction.atomic():
        post(ref="r1", kind=ADJUSTMENT, postings=legs, at=clock.now())
    assert not TransferRef.objects.filter(ref="r1").exists()


def test_legs_on_one_account_are_added_up(alice):
    wallet = user_wallet(alice.pk)
    legs = [
        Posting(wallet, Decimal("3.00")),
        Posting(wallet, Decimal("-1.00")),
        Posting(shop_account(SALES), Decimal(-2)),
    ]
    with transaction.atomic():
        transfer, _ = post(ref="r1", kind=ADJUSTMENT, postings=legs, at=clock.now())
    assert transfer.entries.count() == 2
    assert balance_of(alice) == Decimal("1002.00")


def lopsided_entry(account: Account) -> None:
    """What a bug or an intruder might write past `post`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO wallet_transfer (ref, kind, at, memo) VALUES ('evil', 'top_up', now(), '') RETURNING id"
        )
        transfer_id = cursor.fetchone()[0]
        cursor.execute(
            "INSERT INTO wallet_entry (transfer_id, account_id, amount, at) VALUES (%s, %s, 100, now())",
            [transfer_id, account.pk],
        )


@pytest.mark.django_db(transaction=True)
def test_a_lopsided_transfer_cannot_commit_even_by_raw_sql(alice):
    account = user_wallet(alice.pk)
    with pytest.raises(IntegrityError, match="out of balance by 100"), transaction.atomic():
        lopsided_entry(account)
        # It stands until the commit: the trigger is deferred, so that legs may be written one by one.
        assert Entry.objects.filter(account=account, amount=100).exists()
    assert not Transfer.objects.filter(ref="evil").exists()
    assert books() == {}


@pytest.mark.parametrize(
    "statement_",
    [
        "UPDATE wallet_entry SET amount = amount * 2",
        "DELETE FROM wallet_entry",
        "UPDATE wallet_transfer SET memo = 'x'",
        "DELETE FROM wallet_transfer",
    ],
)
def test_history_cannot_be_edited_even_by_raw_sql(alice, statement_):
    with (
        pytest.raises(DatabaseError, match="Cannot update or delete"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement_)


@pytest.mark.parametrize(
    ("statement_", "constraint"),
    [
        ("UPDATE wallet_account SET balance = -0.01 WHERE user_id IS NOT NULL", "account_never_negative"),
        ("UPDATE wallet_account SET balance = NULL WHERE user_id IS NOT NULL", "account_has_one_owner"),
        ("UPDATE wallet_account SET order_id = 1 WHERE user_id IS NOT NULL", "account_has_one_owner"),
    ],
)
def test_accounts_cannot_be_made_impossible(alice, statement_, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement_)


@pytest.mark.django_db(transaction=True)
def test_posting_needs_a_transaction(alice):
    legs = [Posting(user_wallet(alice.pk), Decimal(1)), Posting(shop_account(SALES), Decimal(-1))]
    with pytest.raises(LockOutsideTransaction):
        post(ref="r1", kind=ADJUSTMENT, postings=legs, at=clock.now())


def test_the_shop_may_owe_and_people_may_not(alice, olga):
    """Only people's accounts have a floor; the shop's own are sums that may go either way."""
    move(alice, "250.00")
    assert Entry.objects.filter(account=shop_account(SALES)).aggregate(sum=Sum("amount"))["sum"] == Decimal("-250.00")
    with pytest.raises(InsufficientBalance), transaction.atomic():
        services.adjust(user=alice, amount=Decimal("-1250.01"), ref="a1", at=clock.now(), memo="", actor=olga)
    with transaction.atomic():
        services.adjust(user=alice, amount=Decimal("-1250.00"), ref="a1", at=clock.now(), memo="", actor=olga)
    assert balance_of(alice) == 0
    assert books() == {}


def test_accounts_are_opened_once(alice, db):
    assert user_wallet(alice.pk) == user_wallet(alice.pk)
    assert services.order_credit(5) == services.order_credit(5)
    assert shop_account(Account.Purpose.CLEARING, "epay") == shop_account(Account.Purpose.CLEARING, "epay")
    assert shop_account(Account.Purpose.CLEARING, "epay") != shop_account(Account.Purpose.CLEARING, "other")


def test_a_statement_shows_only_ones_own(alice, bob):
    move(bob, "5.00")
    assert [entry.amount for entry in statement(alice)] == [Decimal("1000.00")]
    assert statement(alice)[0].account.user_id == alice.pk
