"""Many write to the audit log and several seal it at the same time: one chain comes of it, without a gap."""

from django.db import transaction

from audit.models import AuditEntry, ChainLink, PendingEntry
from audit.services import record
from audit.services.chain import seal, verify
from common import clock

WRITERS, EACH = 4, 25


def write() -> None:
    for _ in range(EACH):
        with transaction.atomic():
            record(action="test.act", at=clock.now())


def seal_a_lot() -> int:
    return sum(seal(limit=7) for _ in range(20))


def test_writers_and_sealers_at_once_make_one_chain(race):
    results = race.run(*[write] * WRITERS, *[seal_a_lot] * 3)
    assert [one for one in results if isinstance(one, Exception)] == []
    while seal():
        pass
    assert ChainLink.objects.count() == AuditEntry.objects.count() == WRITERS * EACH
    assert not PendingEntry.objects.exists()
    check = verify()
    assert (check.faults, check.position) == (0, WRITERS * EACH)
