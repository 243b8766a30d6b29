"""After a test that commits the database is as the migrations left it; every other test relies on it."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from accounts.models import User
from membership.models import Benefit, TierRule
from tenancy.models import Storefront
from tests.database import Migrated
from wallet.models import Account

MADE = (Permission, Storefront, TierRule, Benefit)


def rows() -> dict[str, list]:
    return {model._meta.label: sorted(model.objects.values_list(), key=repr) for model in MADE}


@pytest.mark.django_db(transaction=True)
def test_what_a_test_committed_is_gone_and_what_it_took_is_back(make_member):
    before, migrated = rows(), Migrated()
    assert all(before.values())
    alice = make_member("alice", balance="10.00")
    Storefront.objects.update(name="别的店")
    Permission.objects.all()[0].delete()
    assert rows() != before
    migrated.put_back()
    assert rows() == before
    assert not User.objects.exists() and not Account.objects.exists()
    assert make_member("bob").pk > alice.pk, "the ids of one test came again in the next"


@pytest.mark.django_db(transaction=True)
def test_tables_that_nobody_wrote_into_are_left_alone():
    migrated = Migrated()
    with connection.cursor() as cursor:
        cursor.execute("SELECT relfilenode FROM pg_class WHERE relname = 'accounts_user'")
        file = cursor.fetchone()
        migrated.put_back()
        cursor.execute("SELECT relfilenode FROM pg_class WHERE relname = 'accounts_user'")
        assert cursor.fetchone() == file, "emptied without need"
