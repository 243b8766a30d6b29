"""What became of tries to sign in, and doors that stay shut after too many wrong ones.

The limits of accounts.services.signing_in slow guessing down; this ends it. A door is shut for an account from one network
address, never for the account everywhere: or a stranger could keep its owner out. A name that nobody has is shut alike, so
that the answer does not tell which names there are; what was typed is kept as a fingerprint only, as people type
passwords into the field of the name.
"""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.exceptions import LockoutNotFound, SignInLocked
from accounts.models import Lockout, SignInTry, User
from accounts.names import plain_name
from accounts.selectors import whoever_is_named
from audit.services import record
from common import clock
from common.addresses import counted_as
from common.crypto import fingerprint
from common.reasons import read_reason

LOCK_AFTER = 15
WITHIN = timedelta(hours=24)
LASTS = timedelta(hours=24)
KEEP = timedelta(days=90)
Door = SignInTry.Door


def check_unlocked(*, key: str, address: str, at: datetime) -> None:
    """Raises SignInLocked while what `account_key` stands for is shut out from this address."""
    shut = _open(at).filter(mark=_mark(key), address=counted_as(address)).first()
    if shut is not None:
        raise SignInLocked(shut.until - at)


def note_try(*, name: str, address: str, door: str, user: User | None) -> None:
    """Keep a try; `user` is who came in, None for a wrong password. Too many wrong ones shut the door."""
    at, counted, meant = clock.now(), counted_as(address), whoever_is_named(name)
    mark = _mark(_key(name, meant))
    with transaction.atomic():
        known = user or meant
        SignInTry.objects.create(
            user=known, mark=mark, address=address, counted=counted, door=door, right=user is not None, at=at
        )
        if user is None and _wrong_ones(mark, counted, at) >= LOCK_AFTER:
            Lockout.objects.create(user=known, mark=mark, address=counted, since=at, until=at + LASTS)


def unlock(*, lockout_id: int, reason: str, actor: User, address: str | None = None) -> None:
    """Staff open a door again. Raises LockoutNotFound, ReasonNeeded."""
    reason = read_reason(reason)
    with transaction.atomic():
        at = clock.now()
        found = Lockout.objects.filter(pk=lockout_id).first()
        if found is None or not _open(at).filter(pk=lockout_id).update(ended_at=at, ended_by=Lockout.By.STAFF):
            raise LockoutNotFound
        record(
            action="user.unlock",
            at=at,
            actor=actor,
            target=found.user,
            target_type=Lockout._meta.label,
            target_id=found.pk,
            detail={"reason": reason},
            address=address,
        )


def unlock_owner(*, user: User) -> int:
    """Whoever has just set a new password by mail comes in again from everywhere; returns how many doors were shut."""
    with transaction.atomic():
        at = clock.now()
        return _open(at).filter(user=user).update(ended_at=at, ended_by=Lockout.By.MAIL)


def forget_old_tries() -> int:
    """Delete what is older than the log is kept, and doors that have been open again for as long."""
    with transaction.atomic():
        long_ago = clock.now() - KEEP
        Lockout.objects.filter(until__lt=long_ago).delete()
        return SignInTry.objects.filter(at__lt=long_ago).delete()[0]


def account_key(name: str) -> str:
    """Under what tries at this name are counted: the account, by name or mail alike, else the name itself, in either case of
    its letters."""
    return _key(name, whoever_is_named(name))


def _key(name: str, meant: User | None) -> str:
    return f"user {meant.pk}" if meant is not None else f"name {plain_name(name).casefold()}"


def _mark(key: str) -> str:
    return fingerprint(key, "sign-in").hex()


def _open(at: datetime):
    return Lockout.objects.filter(ended_at=None, until__gt=at)


def _wrong_ones(mark: str, counted: str, at: datetime) -> int:
    """Wrong tries since the last right one, or since the door was opened again."""
    tries = SignInTry.objects.filter(mark=mark, counted=counted, at__gt=at - WITHIN)
    last = tries.filter(right=True).order_by("-at").values_list("at", flat=True).first()
    opened = Lockout.objects.filter(mark=mark, address=counted, ended_at__isnull=False).order_by("-ended_at").first()
    since = max(filter(None, [last, opened.ended_at if opened else None]), default=None)
    return tries.filter(right=False, **({"at__gt": since} if since else {})).count()
