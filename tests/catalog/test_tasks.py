"""The tasks that services send for, and what beat runs."""

import io

import pytest

from catalog import tasks
from catalog.models import Key, KeyBatch
from catalog.services import importing
from kameng.celery import app

pytestmark = pytest.mark.django_db


def test_what_is_sent_for_exists():
    app.loader.import_default_modules()
    wanted = {importing.CHECK_TASK, importing.IMPORT_TASK} | {
        entry["task"] for entry in app.conf.beat_schedule.values()
    }
    assert wanted <= set(app.tasks)


def test_the_tasks_do_the_steps(shelf):
    batch = importing.receive_file(sku=shelf.sku(), file=io.BytesIO(b"K-1\nK-2"), filename="a.txt")
    tasks.check_key_batch(batch.pk)
    importing.confirm_batch(batch_id=batch.pk)
    tasks.import_key_batch(batch.pk)
    assert KeyBatch.objects.get().state == "done" and Key.objects.count() == 2
    assert tasks.resume_key_batches() == tasks.drop_unconfirmed_batches() == 0
    assert tasks.refresh_stock_figures() == 1
