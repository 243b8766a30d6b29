"""Rate limits that are kept in the database."""

from datetime import timedelta

import pytest

from audit.models import Allowance
from audit.services import Limit, forget_unused_allowances, give_back, take
from common import clock
from common.exceptions import TooManyRequests

pytestmark = pytest.mark.django_db
TRIES = Limit("tries", burst=3, every=timedelta(seconds=60))


def allowed(limit: Limit = TRIES, subject: str = "alice", after: float = 0) -> bool:
    try:
        take(limit, subject=subject, at=clock.now() + timedelta(seconds=after))
    except TooManyRequests:
        return False
    return True


def test_a_burst_and_then_one_at_a_time():
    assert [allowed() for _ in range(5)] == [True, True, True, False, False]
    assert not allowed(after=59)
    assert allowed(after=60)
    assert not allowed(after=60)
    # Refused tries do not lengthen the wait, and rest restores the burst but no more.
    assert [allowed(after=10_000) for _ in range(4)] == [True, True, True, False]


def test_the_refusal_says_how_long_to_wait():
    at = clock.now()
    for _ in range(3):
        take(TRIES, subject="alice", at=at)
    with pytest.raises(TooManyRequests) as refused:
        take(TRIES, subject="alice", at=at + timedelta(seconds=20))
    assert refused.value.params == {"seconds": 40}
    assert refused.value.status == 429


def test_subjects_and_limits_do_not_share():
    for _ in range(3):
        allowed()
    assert not allowed()
    assert allowed(subject="bob")
    assert allowed(Limit("other", burst=3, every=timedelta(seconds=60)))


def test_a_good_try_is_given_back():
    for _ in range(20):
        assert allowed()
        give_back(TRIES, subject="alice")
    give_back(TRIES, subject="nobody")
    assert [allowed() for _ in range(4)] == [True, True, True, False]


def test_what_people_typed_is_not_kept():
    allowed(subject="my-secret-password")
    row = Allowance.objects.get()
    assert "secret" not in row.key
    assert len(row.key) == 64


def test_any_text_may_be_a_subject():
    for subject in ("", "\0", "卡" * 5000, "' OR 1=1 --"):
        assert allowed(subject=subject)


def test_rows_that_limit_nobody_are_forgotten():
    allowed()
    allowed(subject="bob")
    assert forget_unused_allowances() == 0
    Allowance.objects.filter(key=TRIES.key("bob")).update(free_at=clock.now() - timedelta(seconds=1))
    assert forget_unused_allowances() == 1
    assert Allowance.objects.get().key == TRIES.key("alice")
