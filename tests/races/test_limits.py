from datetime import timedelta

import pytest

from audit.services import Limit, take
from common import clock
from common.exceptions import TooManyRequests

pytestmark = pytest.mark.django_db(transaction=True)


def test_parallel_tries_do_not_slip_past_each_other(race):
    limit = Limit("guesses", burst=5, every=timedelta(hours=1))
    at = clock.now()
    results = race.run(*[lambda: [try_once(limit, at) for _ in range(5)] for _ in range(8)])
    assert sum(sum(one) for one in results) == 5


def try_once(limit: Limit, at) -> bool:
    try:
        take(limit, subject="the same", at=at)
    except TooManyRequests:
        return False
    return True
