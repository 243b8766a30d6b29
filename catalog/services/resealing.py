"""A fresh data key for the keys of one batch, for when the old one may have been seen. The batch goes on selling."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import QuerySet

from accounts.models import User
from audit.services import record
from catalog.exceptions import AlreadyRotating, BatchMoved
from catalog.models import Key, KeyBatch
from catalog.services.sealing import new_data_key, open_key, seal_key
from common import clock, crypto
from common.locks import lock_one, session_lock

CHUNK = 200
# The name of the advisory lock; any number that nobody else uses.
LOCK = 731_072

Progress = Callable[[int, int], None]

_STORE = """
UPDATE catalog_key SET ciphertext = new.ciphertext, data_key_id = %s
FROM unnest(%s::bigint[], %s::bytea[]) AS new (id, ciphertext) WHERE catalog_key.id = new.id
"""


@dataclass
class Resealed:
    """How many keys were sealed anew, and the ids of those that do not open: they stay as they are."""

    count: int = 0
    broken: list[int] = field(default_factory=list)


def reseal_batch(
    *, batch_id: int, actor: User | None = None, chunk: int = CHUNK, progress: Progress | None = None
) -> Resealed:
    """Seal every key of the batch anew under a data key of its own, made now. Audited.

    A run that was killed is gone on with: keys that do not have the batch's data key are those that are left. Ciphertext and
    data key of a row change together, so who reads one gets a pair that fits. Locks `chunk` keys at a time, and waits only
    where all that are left are in other hands. Raises BatchMoved for a batch that is not finished (its file is sealed too),
    AlreadyRotating while another process does the same.
    """
    with session_lock(LOCK, batch_id) as mine:
        if not mine:
            raise AlreadyRotating
        batch = _begin(batch_id, actor)
        done, total = Resealed(), _left(batch, []).count()
        while count := _reseal_some(batch, chunk, done.broken):
            done.count += count
            if progress is not None:
                progress(done.count, max(total, done.count))
        with transaction.atomic():
            detail = {"count": done.count, "errors": len(done.broken)}
            record(action="keys.resealed", at=clock.now(), actor=actor, target=batch, detail=detail)
    return done


def _begin(batch_id: int, actor: User | None) -> KeyBatch:
    with transaction.atomic():
        at = clock.now()
        batch = lock_one(KeyBatch.objects.filter(pk=batch_id))
        if batch.state not in {KeyBatch.State.DONE, KeyBatch.State.FAILED, KeyBatch.State.CANCELLED}:
            raise BatchMoved
        if not Key.objects.filter(batch=batch).exclude(data_key=batch.data_key_id).exists():
            batch.data_key = new_data_key(at=at)
            batch.save(update_fields=["data_key"])
            record(action="keys.reseal", at=at, actor=actor, target=batch)
    return batch


def _left(batch: KeyBatch, broken: list[int]) -> QuerySet[Key]:
    return Key.objects.filter(batch=batch).exclude(data_key=batch.data_key_id).exclude(pk__in=broken).order_by("pk")


def _reseal_some(batch: KeyBatch, chunk: int, broken: list[int]) -> int:
    """How many rows were dealt with; those that do not open go into `broken`."""
    with transaction.atomic():
        left = _left(batch, broken).select_related("data_key")
        rows = list(left.select_for_update(skip_locked=True, of=("self",))[:chunk])
        if not rows:
            # What is left is in other hands: wait for the first of it, which whoever sells gives back at once.
            rows = list(left.select_for_update(of=("self",))[:1])
        sealed = {}
        for key in rows:
            try:
                sealed[key.pk] = seal_key(
                    open_key(key), key_id=key.pk, seller_id=key.seller_id, data_key=batch.data_key
                )
            except crypto.DecryptionFailed:
                broken.append(key.pk)
        with connection.cursor() as cursor:
            cursor.execute(_STORE, [batch.data_key_id, list(sealed), list(sealed.values())])
    return len(rows)
