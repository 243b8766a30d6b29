"""A copy of everything about somebody, and being forgotten. What there is, the rooms say in common.privacy."""

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.sessions.models import Session
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import Q

from accounts.exceptions import ErasureRefused, NoErasure
from accounts.models import DataExport, Erasure, User
from audit.services import record
from common import clock, privacy
from common.locks import lock_one
from common.queue import send
from common.sweeps import safely

State = DataExport.State
KEEP = timedelta(days=7)
# A worker that has not moved for this long is lost.
LOST = timedelta(minutes=5)
REFLECTION = timedelta(days=7)
POSTPONED = timedelta(days=1)
ROWS_AT_ONCE = 1000


def ask_export(*, user: User, address: str | None = None) -> DataExport:
    """Have a copy made by a worker; the one that is being made, where there is one."""
    with transaction.atomic():
        at = clock.now()
        lock_one(User.objects.filter(pk=user.pk))
        running = DataExport.objects.filter(user=user, state__in=[State.WAITING, State.MAKING]).first()
        if running is not None:
            return running
        DataExport.objects.filter(user=user).delete()
        made = DataExport.objects.create(user=user, asked_at=at, moved_at=at, total=len(privacy.belongings()))
        record(action="user.export", at=at, actor=user, target=user, address=address)
        transaction.on_commit(lambda: send("accounts.tasks.make_export", made.pk))
    return made


def make_export(*, export_id: int) -> None:
    """Write the copy, model by model, noting how far it is. Whoever comes second finds nothing to do."""
    at = clock.now()
    mine = DataExport.objects.filter(pk=export_id).filter(
        Q(state=State.WAITING) | Q(state=State.MAKING, moved_at__lt=at - LOST)
    )
    with transaction.atomic():
        if not mine.update(state=State.MAKING, moved_at=at, done=0):
            return
    user = User.objects.get(data_exports=export_id)
    parcel = io.BytesIO()
    with zipfile.ZipFile(parcel, "w", zipfile.ZIP_DEFLATED) as parts:
        for number, one in enumerate(privacy.belongings(), start=1):
            with parts.open(f"{one.label}.json", "w") as part:
                for piece in _json(one, user):
                    part.write(piece.encode())
            with transaction.atomic():
                DataExport.objects.filter(pk=export_id).update(done=number, moved_at=clock.now())
    with transaction.atomic():
        at = clock.now()
        DataExport.objects.filter(pk=export_id).update(
            state=State.READY, content=parcel.getvalue(), moved_at=at, until=at + KEEP
        )


def resume_exports() -> int:
    """Take up copies whose worker was lost or never told; throw away old ones."""
    at = clock.now()
    with transaction.atomic():
        DataExport.objects.filter(until__lt=at).delete()
    left = Q(state=State.WAITING, moved_at__lt=at - timedelta(minutes=1)) | Q(
        state=State.MAKING, moved_at__lt=at - LOST
    )
    lost = list(DataExport.objects.filter(left).values_list("pk", flat=True))
    return sum(safely(partial(_made, pk), "make export", pk, failed=False) for pk in lost)


def _made(export_id: int) -> bool:
    make_export(export_id=export_id)
    return True


def _json(one: privacy.Belonging, user: User) -> Iterator[str]:
    """The rows as a JSON list, a bit at a time."""
    fields = one.exported()
    yield "["
    for number, row in enumerate(one.rows(user).distinct().iterator(chunk_size=ROWS_AT_ONCE)):
        told = {field.attname: _plain(field, getattr(row, field.attname)) for field in fields}
        yield (",\n" if number else "\n") + json.dumps(told, cls=DjangoJSONEncoder, ensure_ascii=False)
    yield "\n]\n"


def _plain(field: models.Field, value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value) if isinstance(field, models.FileField) else value


def hindrances(user: User) -> list[str]:
    """Why this account cannot be erased now, in sentences for its owner."""
    return privacy.hindrances(user)


def ask_erasure(*, user: User, address: str | None = None) -> Erasure:
    """Forget this person when the time of reflection is over. Locks the user. Raises ErasureRefused."""
    with transaction.atomic():
        at = clock.now()
        user = lock_one(User.objects.filter(pk=user.pk))
        _check(user)
        asked = Erasure.objects.filter(user=user, state=Erasure.State.WAITING).first()
        if asked is None:
            asked = Erasure.objects.create(user=user, asked_at=at, due_at=at + REFLECTION)
            record(action="user.ask_erasure", at=at, actor=user, target=user, address=address)
    return asked


def cancel_erasure(*, user: User, address: str | None = None) -> None:
    """Take the wish back. Raises NoErasure where there is none that still waits."""
    with transaction.atomic():
        at = clock.now()
        waiting = Erasure.objects.filter(user=user, state=Erasure.State.WAITING)
        if not waiting.update(state=Erasure.State.CANCELLED, ended_at=at):
            raise NoErasure
        record(action="user.cancel_erasure", at=at, actor=user, target=user, address=address)


def erase_due() -> int:
    """Carry out what is due; what is hindered by then waits another day. Returns how many were forgotten."""
    done = 0
    for pk in Erasure.objects.filter(state=Erasure.State.WAITING, due_at__lte=clock.now()).values_list("pk", flat=True):
        done += safely(partial(_carry_out, pk), "carry out erasure", pk, failed=False)
    return done


def _carry_out(erasure_id: int) -> bool:
    with transaction.atomic():
        at = clock.now()
        asked = lock_one(Erasure.objects.filter(pk=erasure_id))
        if asked.state != Erasure.State.WAITING or asked.due_at > at:
            return False
        user = lock_one(User.objects.filter(pk=asked.user_id))
        try:
            _check(user)
        except ErasureRefused as refusal:
            asked.due_at, asked.hindered = at + POSTPONED, str(refusal)[:500]
            asked.save(update_fields=["due_at", "hindered"])
            return False
        _end_sessions(user)
        touched = privacy.erase(user)
        Erasure.objects.filter(pk=asked.pk).update(state=Erasure.State.DONE, ended_at=at, hindered="")
        record(action="user.erase", at=at, target=user, detail={"count": sum(touched.values())})
    return True


def _check(user: User) -> None:
    if user.is_staff:
        raise ErasureRefused(reasons=str(ErasureRefused.of_staff))
    reasons = privacy.hindrances(user)
    if reasons:
        raise ErasureRefused(reasons="；".join(reasons))


def _end_sessions(user: User) -> None:
    """Sessions are named by their key only, so each one is opened; they are few beside what this is for."""
    Session.objects.filter(pk__in=list(_sessions_of(user))).delete()


def _sessions_of(user: User) -> Iterable[str]:
    for session in Session.objects.iterator(chunk_size=ROWS_AT_ONCE):
        held = session.get_decoded()
        if str(user.pk) in {held.get("_auth_user_id"), str(held.get("account_authentication_methods_user"))}:
            yield session.pk
