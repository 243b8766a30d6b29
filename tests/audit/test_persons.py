"""Four eyes by one person with two accounts: Ann makes a colleague, or resets one, and would be her own second person."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from accounts.services import create_staff, note_own_password, remove_factors, set_rights, set_temporary_password
from audit.exceptions import NotIndependent, SamePerson
from audit.services.persons import FOR_A_WHILE, check_two_persons
from catalog.models import KeyBatch
from catalog.services import exporting
from common import clock
from membership.exceptions import RulesRefused
from membership.models import Program
from membership.services import ask_what_if, copy_rule_set, publish_rule_set, run_what_if
from payments.services import approve_withdrawal, confirm_withdrawal
from tests.desk import staff
from tests.payments.withdrawals import ask, open_withdrawals, verified_account
from tests.wallet.cards import batch
from wallet.services import approve_codes, ask_codes, grant_terms, propose_terms, review_batch

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(db):
    return staff("ann", "accounts.manage_staff", "accounts.reset_password", "accounts.reset_factors")


@pytest.fixture
def ben(db):
    return staff("ben")


@pytest.fixture
def puppet(ann):
    return create_staff(username="puppet", password="typed-by-ann-9", display_name="", group_ids=[], actor=ann)


def are_two(one: User, other: User, later: timedelta = timedelta(0)) -> bool:
    """The same in either direction."""
    at = clock.now() + later
    answers = {_passes(one, other, at), _passes(other, one, at)}
    assert len(answers) == 1
    return answers.pop()


def _passes(one: User, other: User, at: Any) -> bool:
    try:
        check_two_persons(one.pk, other, at=at)
    except NotIndependent:
        return False
    return True


LATER = FOR_A_WHILE + timedelta(minutes=1)


def test_colleagues_are_two_and_nobody_is_two(ann, ben, puppet):
    assert are_two(ann, ben) and are_two(ben, puppet)
    with pytest.raises(SamePerson):
        check_two_persons(ann.pk, ann, at=clock.now())


def test_whoever_made_an_account_is_no_other_person_until_it_is_old_and_its_owners(ann, puppet):
    assert not are_two(ann, puppet)
    assert not are_two(ann, puppet, later=timedelta(days=900)), "Ann still knows the password"
    note_own_password(user=puppet)
    assert not are_two(ann, puppet), "Ann may have set that one too"
    assert are_two(ann, puppet, later=LATER)


def test_so_is_whoever_gave_a_password_or_took_the_factors_off(ann, ben):
    set_temporary_password(user_id=ben.pk, actor=ann)
    assert not are_two(ann, ben) and not are_two(ann, ben, later=LATER)
    note_own_password(user=ben)
    assert are_two(ann, ben, later=LATER)
    ben.refresh_from_db()
    with clock.travel(clock.now() + 2 * LATER):
        remove_factors(user_id=ben.pk, reason="lost", actor=ann)
        assert not are_two(ann, ben)
        assert are_two(ann, ben, later=LATER)


def test_a_member_of_anns_own_does_not_become_a_second_person(ann, alice, bob):
    set_rights(user_id=alice.pk, is_staff=True, is_superuser=False, group_ids=[], actor=ann)
    assert not are_two(ann, alice) and are_two(ann, bob)
    assert are_two(ann, alice, later=LATER)


def test_a_password_that_its_owner_changes_at_the_desk_or_in_the_shop_is_noted(ann, puppet, client):
    pages = [
        ("/admin/password_change/", "old_password", "new_password"),
        ("/account/password/change/", "oldpassword", "password"),
    ]
    known = "typed-by-ann-9"
    for number, (path, old, new) in enumerate(pages):
        chosen = f"own-tea-{number}-keys"
        client.force_login(User.objects.get(pk=puppet.pk))
        assert client.post(path, {old: known, f"{new}1": chosen, f"{new}2": chosen}).status_code == 302, path
        known = chosen
    assert are_two(ann, puppet, later=LATER)


def keys(first, shelf) -> Any:
    shelf.sku("1.00", keys=3)
    made = exporting.ask_for_keys(batch_id=KeyBatch.objects.latest("pk").pk, which="all", reason="x", actor=first)
    return lambda second: exporting.approve_export(export_id=made.pk, actor=second)


def withdrawal(first, shelf) -> Any:
    member = User.objects.get(username="alice")
    open_withdrawals()
    verified_account(member)
    row = ask(member, "50.00")
    approve_withdrawal(withdrawal_id=row.pk, actor=first)
    return lambda second: confirm_withdrawal(withdrawal_id=row.pk, proof="bank 1", actor=second)


def cards(first, shelf) -> Any:
    made = batch(first, "500.00", count=3)
    assert made.state == "waiting"
    return lambda second: review_batch(batch_id=made.pk, actor=second)


def codes(first, shelf) -> Any:
    made = batch(first)
    ask_codes(batch_id=made.pk, reason="x", actor=first)
    return lambda second: approve_codes(batch_id=made.pk, actor=second)


def credit(first, shelf) -> Any:
    member = User.objects.get(username="alice")
    terms = propose_terms(user_id=member.pk, limit=100, due_day=5, reason="x", actor=first)
    return lambda second: grant_terms(terms_id=terms.pk, actor=second)


@pytest.mark.parametrize("act", [keys, withdrawal, cards, codes, credit])
def test_every_act_of_two_persons_asks(act, ann, ben, puppet, alice, shelf):
    grant = act(ann, shelf)
    with pytest.raises(NotIndependent):
        grant(puppet)
    grant(ben)


def test_rules_are_published_by_another_person(ann, ben, puppet):
    draft = copy_rule_set(version=Program.objects.get(storefront=None).versions.get(), author=ann, note="放宽")
    run_what_if(what_if_id=ask_what_if(version_id=draft.pk, asked_by=ann).pk)
    with pytest.raises(RulesRefused) as refusal:
        publish_rule_set(version_id=draft.pk, approver=puppet)
    assert "还不能互相复核" in str(refusal.value.problems)
    publish_rule_set(version_id=draft.pk, approver=ben)
