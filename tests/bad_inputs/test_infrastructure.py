"""What happens to the machinery, beyond what tests/faults and tests/launcher try."""

from datetime import timedelta

import pytest

from common import clock
from kameng.celery import app
from orders.models import Order, OrderMove
from tests.races.conftest import Race
from tests.shelf import books
from wallet.models import Transfer

# What beat sends and what writes to orders and money.
TASKS = ["orders.tasks.expire_due_orders", "orders.tasks.settle_due_lines", "orders.tasks.refund_overdue_short_lines"]


@pytest.fixture
def race(transactional_db) -> Race:
    return Race()


def test_56_two_beats_at_once_do_everything_once(race, shelf, alice, bob):
    app.loader.import_default_modules()
    sku = shelf.sku("10.00", keys=3)
    with clock.travel(clock.now() - timedelta(days=9)):
        unpaid = shelf.buy(alice, (sku, 1))
        shelf.buy(bob, (sku, 1), from_wallet=True)
    before = Transfer.objects.count()
    for name in TASKS:
        results = race.run(*[app.tasks[name]] * 4)
        assert not [one for one in results if isinstance(one, Exception)], results
    assert Order.objects.get(pk=unpaid.pk).state == Order.State.EXPIRED
    assert OrderMove.objects.filter(order=unpaid, to_state=Order.State.EXPIRED).count() == 1
    assert Transfer.objects.count() == before
    # The news of a week ago waits for a relay, which tests do not run.
    assert not [name for name in books() if not name.startswith("events.")]
