"""The chain of the audit log: entries are sealed in batches, behind the acts that wrote them, each to the one before.

No act waits for another one's entry: a trigger notes what was written, and one worker at a time takes the notes. So the
chain's order is that in which entries were found, and an entry is in it within a minute. Hashes are HMACs under the
fingerprint key: who can write to the database cannot make them.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from functools import partial
from hmac import compare_digest
from time import monotonic

from django.db import connection, transaction

from audit.exceptions import AlreadyVerifying
from audit.marks import content_of, mark_of, mark_of_check, mark_without_id
from audit.models import AuditEntry, ChainAnchor, ChainCheck, ChainLink
from audit.services import witness
from common import clock
from common.crypto import fingerprint
from common.locks import session_lock
from common.sql import fetch

# Names of the advisory locks; any numbers that nobody else uses.
SEALING, VERIFYING = 731_081, 731_082
BATCH = 1_000
CHUNK = 2_000
KEPT_FINDINGS = 300
LEFT_OUT_SHOWN = 100
FIRST = bytes(32)
# An unfinished check is gone on with for this long. An old copy of its row, put back, is no use for the next night's.
GONE_ON_WITH = timedelta(hours=12)

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


class Era(IntEnum):
    """How entries were marked, one way after the other: what is marked in an older way than those before it is not ours."""

    NO_MARK = 0
    WITHOUT_ID = 1
    WITH_ID = 2


@dataclass(frozen=True)
class Finding:
    """Something wrong. `what` is a key of audit.words.FAULTS; `entry` and `position` are 0 where there is none."""

    what: str
    entry: int = 0
    position: int = 0
    action: str = ""
    # A removed stretch: the last position of it; of an anchor, when it was made.
    until: int = 0
    note: str = ""


def seal(*, limit: int = BATCH) -> int:
    """Add up to `limit` entries that wait to the chain; how many. Does nothing while another process does."""
    with transaction.atomic():
        if not fetch("SELECT pg_try_advisory_xact_lock(%s, 0)", [SEALING])[0][0]:
            return 0
        waiting = fetch(
            "DELETE FROM audit_pendingentry WHERE entry_id IN (SELECT entry_id FROM audit_pendingentry"
            " ORDER BY entry_id LIMIT %s) RETURNING entry_id, old",
            [limit],
        )
        if not waiting:
            return 0
        entries = AuditEntry.objects.in_bulk([entry_id for entry_id, _ in waiting])
        last = ChainLink.objects.order_by("-position").first()
        position, before = (last.position, bytes(last.hash)) if last else (0, FIRST)
        links = []
        for entry_id, old in sorted(waiting):
            position += 1
            before = _hash(before, position, entry_id, old, entries.get(entry_id))
            links.append(ChainLink(position=position, entry_id=entry_id, hash=before, old=old))
        ChainLink.objects.bulk_create(links)
        transaction.on_commit(partial(witness.keep, position, before))
    return len(links)


def _hash(before: bytes, position: int, entry_id: int, old: bool, entry: AuditEntry | None) -> bytes:
    content = content_of(entry) if entry is not None else ""
    return fingerprint(f"{before.hex()}|{position}|{entry_id}|{old:d}|{content}", "audit-link")


def verify(
    *,
    anchors: Iterable[dict] = (),
    stop_after: timedelta | None = None,
    chunk: int = CHUNK,
    progress: Progress | None = None,
) -> ChainCheck:
    """Go through the whole chain and note what was changed, removed, put in or moved; goes on with an unfinished check
    that is new and bears our mark.

    `anchors` are what was kept outside: dictionaries with `position` and `hash` (hex). Stops early, unfinished, when
    `stop_after` is over. Raises AlreadyVerifying while another process does the same.
    """
    ends = monotonic() + stop_after.total_seconds() if stop_after is not None else None
    with session_lock(VERIFYING, 0) as mine:
        if not mine:
            raise AlreadyVerifying
        check = _open_check()
        check.total = max(check.position, _last_position())
        while (found := _look_at_some(check, chunk)) is not None:
            _note(check, found)
            if progress is not None:
                progress(check.position, check.total)
            if ends is not None and monotonic() > ends:
                return check
        _note(check, _outside_the_chain())
        _note(check, _against_anchors([*_stored_anchors(), *witness.kept(), *anchors]))
        check.finished_at = clock.now()
        check.save()
    # Where the shop's log goes, nobody who changed the database changes this.
    logger.log(logging.ERROR if check.faults else logging.INFO, "audit chain: %s faults", check.faults)
    return check


def _open_check() -> ChainCheck:
    """The check to go on with, else one that begins anew."""
    at = clock.now()
    check = ChainCheck.objects.filter(finished_at=None).first() or ChainCheck()
    genuine = check.mark is not None and compare_digest(bytes(check.mark), mark_of_check(check))
    if not genuine or at - check.started_at > GONE_ON_WITH:
        check.started_at, check.position, check.era, check.faults, check.findings = at, 0, Era.NO_MARK, 0, []
        check.save()
    return check


def _last_position() -> int:
    return ChainLink.objects.order_by("-position").values_list("position", flat=True).first() or 0


def _note(check: ChainCheck, found: Sequence[Finding]) -> None:
    check.faults += len(found)
    check.findings += [asdict(one) for one in found][: max(0, KEPT_FINDINGS - len(check.findings))]
    check.mark = mark_of_check(check)
    check.save()


def _look_at_some(check: ChainCheck, chunk: int) -> list[Finding] | None:
    """What is wrong with the next links, or None where there are no more. Moves the check on."""
    with transaction.atomic():
        links = list(ChainLink.objects.filter(position__gt=check.position).order_by("position")[:chunk])
        if not links:
            return None
        previous = ChainLink.objects.filter(position=check.position).first()
        # Links by themselves say nothing of what an earlier check saw; only its last one is needed to go on.
        entries = AuditEntry.objects.in_bulk([link.entry_id for link in links])
        last_position = check.position
        before = bytes(previous.hash) if previous else FIRST if not check.position else None
        found: list[Finding] = []
        for link in links:
            if link.position != last_position + 1:
                found.append(Finding("cut", position=last_position + 1, until=link.position - 1))
                before = None
            entry = entries.get(link.entry_id)
            era = _era_of(link, entry) if entry is not None else None
            ours = era is not None and era >= check.era
            found += _look_at(link, entry, before, ours)
            last_position, before = link.position, bytes(link.hash)
            check.era = era if ours else check.era
        check.position = last_position
    return found


def _era_of(link: ChainLink, entry: AuditEntry) -> Era | None:
    """How we marked this entry; None where the mark is not ours."""
    if entry.mark is None:
        return Era.NO_MARK if link.old else None
    mark = bytes(entry.mark)
    if compare_digest(mark, mark_of(entry)):
        return Era.WITH_ID
    return Era.WITHOUT_ID if compare_digest(mark, mark_without_id(entry)) else None


def _look_at(link: ChainLink, entry: AuditEntry | None, before: bytes | None, ours: bool) -> list[Finding]:
    if entry is None:
        return [Finding("removed", entry=link.entry_id, position=link.position)]
    fits = before is None or _hash(before, link.position, link.entry_id, link.old, entry) == bytes(link.hash)
    if fits and ours:
        return []
    # What says what it said, but not there, was moved; what the shop never wrote, and is in its place, was put in.
    what = "put_in" if fits else "moved" if ours and entry.mark is not None else "changed"
    return [Finding(what, entry=entry.pk, position=link.position, action=entry.action)]


def _outside_the_chain() -> list[Finding]:
    """Entries that neither are in the chain nor wait for it: written past the trigger."""
    rows = fetch(
        "SELECT entry.id, entry.action FROM audit_auditentry entry"
        " LEFT JOIN audit_chainlink link ON link.entry_id = entry.id"
        " LEFT JOIN audit_pendingentry waiting ON waiting.entry_id = entry.id"
        " WHERE link.entry_id IS NULL AND waiting.entry_id IS NULL ORDER BY entry.id LIMIT %s",
        [LEFT_OUT_SHOWN],
    )
    return [Finding("left_out", entry=entry_id, action=action) for entry_id, action in rows]


def _stored_anchors() -> list[dict]:
    return list(ChainAnchor.objects.order_by("id").values("position", "hash"))


def _against_anchors(anchors: Sequence[dict]) -> list[Finding]:
    """Each anchor against the chain. Where the end was cut off, the chain by itself is sound, and only they can tell."""
    wanted = {(one["position"], one["hash"]) for one in anchors if one["position"]}
    stored = {
        position: bytes(value).hex()
        for position, value in ChainLink.objects.filter(position__in={position for position, _ in wanted}).values_list(
            "position", "hash"
        )
    }
    last = _last_position()
    found = [
        Finding("anchor", position=position)
        for position, value in sorted(wanted)
        if position in stored and stored[position] != value
    ]
    beyond = max((position for position, _ in wanted), default=0)
    if beyond > last:
        found.append(Finding("cut", position=last + 1, until=beyond))
    return found


def waiting_since(*, at: datetime) -> timedelta:
    """How long the oldest entry that is not in the chain has been waiting; zero when none does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT entry.at FROM audit_pendingentry waiting JOIN audit_auditentry entry ON entry.id = waiting.entry_id"
            " ORDER BY waiting.entry_id LIMIT 1"
        )
        row = cursor.fetchone()
    return max(at - row[0], timedelta(0)) if row else timedelta(0)
