"""Races that no other room tells of."""

from decimal import Decimal

import pytest
from django.db import transaction

from catalog.exceptions import OutOfStock
from catalog.models import Key
from catalog.services.keys import void_keys
from common import clock
from orders.models import Order
from payments.models import ReconciliationCase
from payments.reconciling import cases
from payments.reconciling.models import Reconciliation
from tests.desk import staff
from tests.payments.statements import DAY, make_channel
from tests.races.conftest import Race
from tests.shelf import books


@pytest.fixture
def race(transactional_db) -> Race:
    return Race()


def test_25_a_key_taken_away_while_it_is_sold_is_one_or_the_other(race, shelf, alice, olga):
    for _ in range(5):
        sku = shelf.sku("1.00", keys=1)
        key = Key.objects.get(sku=sku)
        bought, voided = race.run(
            lambda sku=sku: shelf.buy(alice, (sku, 1), from_wallet=True),
            lambda key=key: void_keys(key_ids=[key.pk], actor=olga),
        )
        key.refresh_from_db()
        if isinstance(bought, Order):
            assert (key.state, bought.state) == ("sold", Order.State.DELIVERED)
        else:
            assert isinstance(bought, OutOfStock) and key.state == "void", (bought, voided)
    assert books() == {}


def test_27_two_who_confirm_one_statement_make_its_cases_once(race, charlie):
    channel = make_channel()
    difference = {
        "kind": "extra",
        "aspect": "unknown",
        "reference": "T1",
        "day": DAY.isoformat(),
        "amount": str(Decimal("1.00")),
        "line": 2,
        "attempt_id": None,
        "transfer_id": None,
        "ours": {},
        "theirs": {},
    }
    facts = {"channel": channel, "form": "epay", "filename": "a.csv", "first_day": DAY, "last_day": DAY, "extra": 1}
    with transaction.atomic():
        at = clock.now()
    runs = [Reconciliation.objects.create(**facts, digest=f"{n}", found=[difference], created_at=at) for n in range(2)]
    worker = staff("fay", "payments.work_case")
    calls = [lambda pk=pk: cases.confirm_run(run_id=pk, actor=worker) for pk in (runs[0].pk, runs[0].pk, runs[1].pk)]
    results = race.run(*calls)
    assert sum(isinstance(one, cases.RunMoved) for one in results) == 1
    assert ReconciliationCase.objects.count() == 1
    closing = [
        lambda state=state: cases.close_case(
            case_id=ReconciliationCase.objects.get().pk, state=state, note=state, actor=worker
        )
        for state in ("explained", "settled")
    ]
    results = race.run(*closing)
    assert sum(isinstance(one, cases.CaseMoved) for one in results) == 1
