"""Imports that meet."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from catalog.models import Key, KeyBatch
from catalog.services import importing
from tests.catalog.test_import import lines, receive, stock_texts

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_workers_at_once_import_each_key_once(shelf, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK", 50)
    sku = shelf.sku()
    batch = receive(sku, lines(2_000))
    importing.check_batch(batch_id=batch.pk)
    importing.confirm_batch(batch_id=batch.pk)
    other = receive(sku, b"".join(reversed(lines(2_000).splitlines(keepends=True))), "reversed.txt")
    importing.check_batch(batch_id=other.pk)
    importing.confirm_batch(batch_id=other.pk)

    def work(pk: int) -> None:
        try:
            importing.import_batch(batch_id=pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [batch.pk, batch.pk, other.pk, other.pk]))
    assert Key.objects.filter(sku=sku).count() == 2_000
    done = KeyBatch.objects.filter(pk__in=[batch.pk, other.pk])
    assert sum(one.imported for one in done) == 2_000 and sum(one.duplicates for one in done) == 2_000
    assert len(set(stock_texts(sku))) == 2_000
