"""Keys in plain text for somebody who has to have them: two persons, a delay, a time to fetch them, every line marked.

The file is made while it is sent: no disk, cache, queue or table ever has it.
"""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from audit.models import Approval
from audit.services import approvals, record
from catalog.exceptions import FetchedOften, NothingToExport
from catalog.models import Key, KeyBatch, KeyExport
from catalog.models.exports import MOST_FETCHES
from catalog.services.sealing import open_key
from common import clock
from common.crypto import DecryptionFailed
from common.locks import lock_one
from events.contracts import KeyExportMoved
from events.services import emit

KIND = "keys.export"
ANSWER_WITHIN = timedelta(days=7)
CHUNK = 500
Which = KeyExport.Which
STATES = {
    Which.AVAILABLE: [Key.State.AVAILABLE],
    Which.UNSOLD: [Key.State.AVAILABLE, Key.State.RESERVED],
    Which.ALL: list(Key.State),
}


@dataclass(frozen=True)
class File:
    """What is sent: pieces of UTF-8 text, made as they are read, and a name for it."""

    name: str
    pieces: Iterator[bytes]


def keys_of(export: KeyExport) -> QuerySet[Key]:
    """What an export takes out, by the states that keys are in now."""
    return exported_keys(export.batch, export.which)


def exported_keys(batch: KeyBatch, which: str) -> QuerySet[Key]:
    """What an export of `which` keys of a batch would take out now."""
    return Key.objects.filter(batch=batch, state__in=STATES[Which(which)])


def ask_for_keys(*, batch_id: int, which: str, reason: str, actor: User, address: str | None = None) -> KeyExport:
    """Ask to take keys of a batch out in plain text. The other staff are told. Audited.

    Raises NothingToExport for a batch without such keys, ReasonNeeded.
    """
    with transaction.atomic():
        at = clock.now()
        batch = KeyBatch.objects.select_related("sku").get(pk=batch_id)
        count = exported_keys(batch, which).count()
        if not count:
            raise NothingToExport
        mark = secrets.token_hex(8)
        detail = {"mark": mark, "keys": count, "sku": batch.sku.code}
        approval = approvals.ask(
            kind=KIND,
            target=batch,
            reason=reason,
            actor=actor,
            answer_within=ANSWER_WITHIN,
            detail=detail,
            address=address,
        )
        export = KeyExport.objects.create(mark=mark, approval=approval, batch=batch, which=which, asked_keys=count)
        _tell(export, approval, actor)
        record(action=KIND, at=at, actor=actor, target=export, detail={**detail, "reason": reason}, address=address)
    return export


def approve_export(*, export_id: int, actor: User, address: str | None = None) -> KeyExport:
    """Agree to an export: who asked may fetch it after KEY_EXPORT_DELAY_HOURS. The other staff are told. Audited.

    Locks the approval. Raises SamePerson, ApprovalMoved.
    """
    with transaction.atomic():
        export = _export(export_id)
        approval = approvals.approve(
            approval_id=export.approval_id,
            actor=actor,
            delay=timedelta(hours=settings.KEY_EXPORT_DELAY_HOURS),
            window=timedelta(hours=settings.KEY_EXPORT_WINDOW_HOURS),
            address=address,
        )
        _tell(export, approval, actor)
    return _export(export_id)


def refuse_export(*, export_id: int, reason: str, actor: User, address: str | None = None) -> KeyExport:
    """Turn an export down. Locks the approval. Raises SamePerson, ApprovalMoved, ReasonNeeded. Audited."""
    with transaction.atomic():
        export = _export(export_id)
        approval = approvals.refuse(approval_id=export.approval_id, actor=actor, reason=reason, address=address)
        _tell(export, approval, actor)
    return _export(export_id)


def cancel_export(*, export_id: int, actor: User, address: str | None = None) -> KeyExport:
    """Stop an export that was not fetched yet. Locks the approval. Raises ApprovalMoved. Audited."""
    with transaction.atomic():
        export = _export(export_id)
        approval = approvals.cancel(approval_id=export.approval_id, actor=actor, address=address)
        _tell(export, approval, actor)
    return _export(export_id)


def fetch_keys(*, export_id: int, actor: User, again: bool = False, address: str | None = None) -> File:
    """The file, for who asked. Audited before the first key is opened; the other staff are told.

    A server cannot know whether a file arrived: within its window it may be fetched `again`, at most MOST_FETCHES times in
    all. The caller has then asked who is there. Locks the export, then the approval. Raises OnlyTheAsker, NotYetUsable,
    ApprovalMoved, FetchedOften.
    """
    with transaction.atomic():
        at = clock.now()
        fetches = lock_one(KeyExport.objects.filter(pk=export_id)).fetches
        export = _export(export_id)
        if fetches >= MOST_FETCHES:
            raise FetchedOften(most=MOST_FETCHES)
        use = approvals.use_again if again else approvals.use
        approval = use(approval_id=export.approval_id, actor=actor, address=address)
        export.fetches = fetches + 1
        KeyExport.objects.filter(pk=export.pk).update(fetched_at=at, fetches=export.fetches)
        detail = {
            "mark": export.mark,
            "keys": keys_of(export).count(),
            "batch": export.batch_id,
            "count": export.fetches,
        }
        record(action="keys.export_fetch", at=at, actor=actor, target=export, detail=detail, address=address)
        _tell(export, approval, actor)
    words = {
        "mark": export.mark,
        "asker": approval.asked_by,
        "approver": approval.decided_by,
        "at": f"{at.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M:%S}",
        "address": address or "–",
        "count": export.fetches,
        "reason": approval.reason,
        "batch": export.batch_id,
    }
    return File(f"keys-{export.mark}.txt", _pieces(export, _head(words)))


def _head(words: dict) -> str:
    lines = [
        _("# 导出编号 %(mark)s · 批次 #%(batch)s") % words,
        _("# 申请 %(asker)s · 复核 %(approver)s · 第 %(count)s 次下载 %(at)s · %(address)s") % words,
        _("# 原因：%(reason)s") % words,
        _("# 每行：导出编号、卡密编号、状态、卡密，以制表符分隔"),
    ]
    return "".join(f"{line}\n" for line in lines)


def _pieces(export: KeyExport, head: str) -> Iterator[bytes]:
    digest, rows = hashlib.sha256(), 0
    piece = head.encode()
    last = 0
    while piece:
        digest.update(piece)
        yield piece
        keys = list(keys_of(export).filter(pk__gt=last).select_related("data_key").order_by("pk")[:CHUNK])
        rows, last = rows + len(keys), keys[-1].pk if keys else last
        piece = "".join(f"{export.mark}\t{key.pk}\t{key.state}\t{_opened(key)}\n" for key in keys).encode()
    with transaction.atomic():
        at = clock.now()
        locked = lock_one(KeyExport.objects.filter(pk=export.pk))
        locked.rows, locked.sha256, locked.finished_at = rows, digest.hexdigest(), at
        locked.save(update_fields=["rows", "sha256", "finished_at"])
        detail = {"mark": export.mark, "keys": rows, "sha256": locked.sha256}
        record(action="keys.export_done", at=at, target=export, detail=detail)


def _opened(key: Key) -> str:
    try:
        return open_key(key)
    except DecryptionFailed:
        return "!"


def may_fetch_again(export: KeyExport, user: User) -> bool:
    """Whether this person may fetch it once more now. `approval` should be selected with it."""
    approval = export.approval
    mine = approval.state == Approval.State.USED and approval.asked_by_id == user.pk
    return mine and clock.now() < approval.ends_at and export.fetches < MOST_FETCHES


def _export(export_id: int) -> KeyExport:
    return KeyExport.objects.select_related("approval", "batch__sku").get(pk=export_id)


def _tell(export: KeyExport, approval: Approval, actor: User) -> None:
    at = clock.now()
    emit(
        KeyExportMoved(
            export_id=export.pk,
            mark=export.mark,
            state=approval.state,
            actor_id=actor.pk,
            actor=actor.get_username(),
            keys=export.asked_keys,
            occurred_at=at,
            fetches=export.fetches,
        ),
        at=at,
    )
