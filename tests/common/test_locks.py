import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from common.locks import LockOutsideTransaction, lock, lock_one


@pytest.mark.django_db(transaction=True)
def test_a_lock_outside_a_transaction_is_refused(make_member):
    make_member("alice")
    with pytest.raises(LockOutsideTransaction, match="User"):
        lock(User.objects.all())
    with pytest.raises(LockOutsideTransaction):
        lock_one(User.objects.all())


def test_rows_come_locked_in_order_and_fresh(make_member):
    people = [make_member() for _ in range(3)]
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        locked = lock(User.objects.select_related("home_storefront").order_by("-pk"))
    assert [one.pk for one in locked] == sorted(one.pk for one in people)
    # Rows that were only joined stay free.
    assert 'FOR UPDATE OF "accounts_user"' in queries[0]["sql"]


@pytest.mark.django_db
def test_one_means_one(make_member):
    with transaction.atomic():
        with pytest.raises(User.DoesNotExist):
            lock_one(User.objects.filter(username="nobody"))
        alice = make_member("alice")
        assert lock_one(User.objects.filter(username="alice")) == alice
        make_member("bob")
        with pytest.raises(User.MultipleObjectsReturned):
            lock_one(User.objects.all())
