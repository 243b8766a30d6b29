"""Staff and cards: making a batch, letting its codes out, voiding what shall not be used.

Whoever asks for a batch above the limit, or for its codes, needs another person. Locks the batch, then its release, then
its cards.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from audit.exceptions import NotYetUsable
from audit.services import record
from audit.services.persons import check_two_persons, require_other
from common import clock
from common.locks import lock, lock_name, lock_one
from common.reasons import read_reason
from events.contracts import CardCodesTaken
from events.services import emit
from wallet.codes import digest, grouped, new_code
from wallet.exceptions import CardRedeemed, CodesGone, Moved
from wallet.models import Card, CardBatch, CardMove, CardRelease
from wallet.models.cards import MOST_FETCHES
from wallet.sealing import open_codes, seal_codes
from wallet.selectors.cards import needs_review

State = CardBatch.State
Way, Release = CardRelease.Way, CardRelease.State
MAKE, REVIEW, REFUSE, VOID = "cards.make", "cards.review", "cards.refuse", "cards.void"
ASK, APPROVE, DENY, EXPORT, STOCK, DROP = (
    "cards.ask_codes",
    "cards.approve_codes",
    "cards.deny_codes",
    "cards.export",
    "cards.stock",
    "cards.drop",
)


def make_batch(
    *,
    name: str,
    kind: str,
    face_value: Decimal,
    count: int,
    expires_at: datetime | None,
    actor: User,
    wording: str = "",
    address: str | None = None,
) -> CardBatch:
    """A new batch; its codes are made at once unless its sum, with what this person made today, needs another (`review_batch`). Audited."""
    with transaction.atomic():
        at = clock.now()
        # Parallel batches of one person count each other.
        lock_name(f"cards:{actor.pk}")
        batch = CardBatch(
            name=name,
            kind=kind,
            face_value=face_value,
            count=count,
            expires_at=expires_at,
            wording=wording,
            needs_review=needs_review(face_value * count, actor, at),
            created_by=actor,
            created_at=at,
        )
        if batch.needs_review:
            batch.save(force_insert=True)
        else:
            batch.state, batch.issued_at = State.ISSUED, at
            batch.save(force_insert=True)
            _make_codes(batch)
        detail = {"amount": str(face_value), "count": count, "total": str(face_value * count)}
        record(action=MAKE, at=at, actor=actor, target=batch, detail=detail, address=address)
    return batch


def review_batch(*, batch_id: int, actor: User, address: str | None = None) -> CardBatch:
    """Another person lets a batch be issued. Locks the batch. Raises Moved, SamePerson. Audited."""
    with transaction.atomic():
        at = clock.now()
        batch = _waiting(batch_id, actor)
        check_two_persons(batch.created_by_id, actor, at=at)
        batch.state, batch.issued_at, batch.decided_by, batch.decided_at = State.ISSUED, at, actor, at
        batch.save(update_fields=["state", "issued_at", "decided_by", "decided_at"])
        _make_codes(batch)
        detail = {"total": str(batch.face_value * batch.count)}
        record(action=REVIEW, at=at, actor=actor, target=batch, detail=detail, address=address)
    return batch


def refuse_batch(*, batch_id: int, reason: str, actor: User, address: str | None = None) -> CardBatch:
    """Another person does not let a batch be issued. Locks the batch. Raises Moved, SamePerson, ReasonNeeded. Audited."""
    reason = read_reason(reason)
    with transaction.atomic():
        at = clock.now()
        batch = _waiting(batch_id, actor)
        batch.state, batch.decided_by, batch.decided_at = State.REFUSED, actor, at
        batch.save(update_fields=["state", "decided_by", "decided_at"])
        record(action=REFUSE, at=at, actor=actor, target=batch, detail={"reason": reason}, address=address)
    return batch


def _waiting(batch_id: int, actor: User) -> CardBatch:
    batch = lock_one(CardBatch.objects.filter(pk=batch_id))
    if batch.state != State.WAITING:
        raise Moved
    require_other(batch.created_by_id, actor)
    return batch


def _make_codes(batch: CardBatch) -> None:
    codes = [new_code() for _ in range(batch.count)]
    Card.objects.bulk_create(
        (Card(batch=batch, number=number, digest=digest(code)) for number, code in enumerate(codes, 1)), batch_size=2000
    )
    batch.sealed_codes = seal_codes(codes, batch.pk)
    batch.save(update_fields=["sealed_codes"])


def ask_codes(*, batch_id: int, reason: str, actor: User, address: str | None = None) -> CardRelease:
    """Ask for a file of a batch's codes; anew, where the last yes was not used in time. Locks the batch, then the release.

    Raises Moved, CodesGone, ReasonNeeded. Audited.
    """
    reason = read_reason(reason)
    with transaction.atomic():
        at = clock.now()
        batch = _issued(batch_id)
        for old in lock(batch.releases.filter(way=Way.FILE, state=Release.APPROVED)):
            if has_lapsed(old, at=at):
                old.state = Release.REFUSED
                old.save(update_fields=["state"])
        made = _release(batch, way=Way.FILE, reason=reason, asked_by=actor, asked_at=at)
        record(action=ASK, at=at, actor=actor, target=batch, detail={"reason": reason}, address=address)
    return made


def approve_codes(*, batch_id: int, actor: User, address: str | None = None) -> CardRelease:
    """Another person lets whoever asked have the file, after a time (`usable`). Locks the release.

    Raises Moved, SamePerson. Audited.
    """
    return _decide(batch_id, [Release.ASKED], Release.APPROVED, APPROVE, actor, address)


def deny_codes(*, batch_id: int, actor: User, address: str | None = None) -> CardRelease:
    """Another person does not, or no more. It may be asked again. Locks the release. Raises Moved, SamePerson. Audited."""
    return _decide(batch_id, [Release.ASKED, Release.APPROVED], Release.REFUSED, DENY, actor, address)


def usable(release: CardRelease) -> tuple[datetime, datetime]:
    """From when and until when an approved file may be fetched: as long as an export of keys."""
    begins = release.decided_at + timedelta(hours=settings.KEY_EXPORT_DELAY_HOURS)
    return begins, begins + timedelta(hours=settings.KEY_EXPORT_WINDOW_HOURS)


def has_lapsed(release: CardRelease, *, at: datetime) -> bool:
    """Whether it was approved and not fetched in time."""
    return release.state == Release.APPROVED and usable(release)[1] <= at


def _decide(
    batch_id: int, states: Sequence[str], state: str, act: str, actor: User, address: str | None
) -> CardRelease:
    with transaction.atomic():
        at = clock.now()
        release = _open_release(batch_id, states)
        require_other(release.asked_by_id, actor)
        if state == Release.APPROVED:
            check_two_persons(release.asked_by_id, actor, at=at)
        release.state, release.decided_by, release.decided_at = state, actor, at
        release.save(update_fields=["state", "decided_by", "decided_at"])
        record(action=act, at=at, actor=actor, target=release.batch, address=address)
    return release


def take_codes(*, batch_id: int, actor: User, again: bool = False, address: str | None = None) -> list[tuple[int, str]]:
    """(number, printed code) of a batch, for whoever asked for them. The other staff are told. Audited.

    A server cannot know whether a file arrived: the codes stay for KEY_EXPORT_WINDOW_HOURS, in which the same person may
    take them `again`, MOST_FETCHES times in all. Locks the batch, then the release. Raises NotYetUsable, Moved where it was
    not approved for this person, has lapsed or was fetched too often, CodesGone.
    """
    with transaction.atomic():
        at = clock.now()
        batch = _issued(batch_id)
        release = _open_release(batch_id, [Release.DONE if again else Release.APPROVED])
        if release.asked_by_id != actor.pk or release.fetches >= MOST_FETCHES or has_lapsed(release, at=at):
            raise Moved
        if not again and at < usable(release)[0]:
            raise NotYetUsable(when=clock.minute_text(usable(release)[0]))
        if again and not kept_for(release, actor):
            raise CodesGone
        codes = _open(batch)
        if not again:
            release.state, release.done_at = Release.DONE, at
            release.kept_until = at + timedelta(hours=settings.KEY_EXPORT_WINDOW_HOURS)
        release.fetches += 1
        release.save(update_fields=["state", "done_at", "kept_until", "fetches"])
        detail = {"count": len(codes), "fetches": release.fetches}
        record(action=EXPORT, at=at, actor=actor, target=batch, detail=detail, address=address)
        told = CardCodesTaken(
            release_id=release.pk,
            batch_id=batch.pk,
            batch=batch.name,
            actor_id=actor.pk,
            actor=actor.get_username(),
            cards=len(codes),
            fetches=release.fetches,
            taken_at=at,
        )
        emit(told, at=at)
    return [(number, grouped(code)) for number, code in enumerate(codes, 1)]


def kept_for(release: CardRelease, user: User) -> bool:
    """Whether this person may take the codes of a file once more now. `batch` should be selected with it."""
    kept = release.kept_until is not None and clock.now() < release.kept_until and bool(release.batch.sealed_codes)
    return kept and release.asked_by_id == user.pk and release.fetches < MOST_FETCHES


def drop_codes(*, batch_id: int, actor: User, address: str | None = None) -> None:
    """Whoever took the codes has them: nobody can read them here again. Locks the batch, then the release. Audited.

    Raises Moved for anybody else, CodesGone.
    """
    with transaction.atomic():
        at = clock.now()
        batch = _issued(batch_id)
        if _open_release(batch_id, [Release.DONE]).asked_by_id != actor.pk:
            raise Moved
        _take(batch)
        record(action=DROP, at=at, actor=actor, target=batch, address=address)


def drop_taken_codes() -> int:
    """Wipe the codes of files whose time is over; returns of how many batches. Each in a transaction of its own."""
    done = 0
    over = CardRelease.objects.filter(way=Way.FILE, kept_until__lte=clock.now()).exclude(batch__sealed_codes="")
    for batch_id in list(over.values_list("batch_id", flat=True)[:500]):
        with transaction.atomic():
            batch = _issued(batch_id)
            if batch.sealed_codes:
                _take(batch)
                record(action=DROP, at=clock.now(), target=batch)
                done += 1
    return done


def take_codes_for_stock(
    *, batch_id: int, sku: str, actor: User, at: datetime, address: str | None = None
) -> list[str]:
    """The printed codes of a batch for the stock of a SKU, once, in the caller's transaction. Locks the batch.

    Raises Moved, CodesGone. Audited.
    """
    batch = _issued(batch_id)
    _release(batch, way=Way.STOCK, reason=sku, asked_by=actor, asked_at=at, state=Release.DONE, done_at=at)
    codes = _take(batch)
    detail = {"count": len(codes), "sku": sku}
    record(action=STOCK, at=at, actor=actor, target=batch, detail=detail, address=address)
    return [grouped(code) for code in codes]


def _issued(batch_id: int) -> CardBatch:
    batch = lock_one(CardBatch.objects.filter(pk=batch_id))
    if batch.state != State.ISSUED:
        raise Moved
    return batch


def _release(batch: CardBatch, **fields) -> CardRelease:
    try:
        with transaction.atomic():
            return CardRelease.objects.create(batch=batch, **fields)
    except IntegrityError as error:
        if "card_release_once_per_batch" not in str(error):
            raise
        raise CodesGone from error


def _open_release(batch_id: int, states: Sequence[str]) -> CardRelease:
    found = lock(CardRelease.objects.filter(batch=batch_id, way=Way.FILE, state__in=states).select_related("batch"))
    if not found:
        raise Moved
    return found[0]


def _open(batch: CardBatch) -> list[str]:
    if not batch.sealed_codes:
        raise CodesGone
    return open_codes(batch)


def _take(batch: CardBatch) -> list[str]:
    """The codes, which leave for good."""
    codes = _open(batch)
    batch.sealed_codes = ""
    batch.save(update_fields=["sealed_codes"])
    return codes


def void_cards(*, batch_id: int, first: int, last: int, reason: str, actor: User, address: str | None = None) -> int:
    """Void what is not redeemed of the cards numbered `first` to `last`; returns how many. Locks the cards. Audited.

    Raises ReasonNeeded.
    """
    reason = read_reason(reason)
    with transaction.atomic():
        at = clock.now()
        batch = CardBatch.objects.get(pk=batch_id)
        open_ = [Card.State.ISSUED, Card.State.EXPIRED]
        cards = lock(Card.objects.filter(batch=batch, number__range=(first, last), state__in=open_))
        if cards:
            move_cards(cards, Card.State.VOIDED, at=at, actor_id=actor.pk, note=reason)
            detail = {"first": first, "last": last, "count": len(cards), "reason": reason}
            record(action=VOID, at=at, actor=actor, target=batch, detail=detail, address=address)
    return len(cards)


def recall_cards(
    *, card_ids: Iterable[int], reason: str, at: datetime, actor: User | None, address: str | None = None
) -> int:
    """Void these cards because what they were sold for goes back or is given anew, in the caller's transaction; returns how
    many were still worth something.

    Locks the cards. Raises CardRedeemed for one that is balance by now. Audited.
    """
    # Whoever redeemed it is looked up later: a join under FOR UPDATE may tell what was before the wait.
    cards = lock(Card.objects.select_related("batch").filter(pk__in=card_ids))
    for card in cards:
        if card.state == Card.State.REDEEMED:
            raise CardRedeemed(card=card, who=card.redeemed_by.get_username())
    open_ = [card for card in cards if card.state != Card.State.VOIDED]
    if open_:
        move_cards(open_, Card.State.VOIDED, at=at, actor_id=actor.pk if actor else None, note=reason)
    for card in open_:
        detail = {"card": str(card), "amount": str(card.batch.face_value), "reason": reason}
        record(action=VOID, at=at, actor=actor, target=card.batch, detail=detail, address=address)
    return len(open_)


def expire_cards(*, limit: int = 2000) -> int:
    """Mark cards past their batch's last moment; returns how many. Who redeems looks at the time itself. Locks the cards."""
    done = 0
    while True:
        with transaction.atomic():
            at = clock.now()
            due = Card.objects.filter(batch__expires_at__lte=at, state=Card.State.ISSUED).order_by("pk")
            cards = lock(
                Card.objects.filter(pk__in=list(due.values_list("pk", flat=True)[:limit]), state=Card.State.ISSUED)
            )
            move_cards(cards, Card.State.EXPIRED, at=at, actor_id=None)
        done += len(cards)
        if not cards:
            return done


def move_cards(cards: Sequence[Card], state: str, *, at: datetime, actor_id: int | None, note: str = "") -> None:
    """Move locked cards and write their history."""
    CardMove.objects.bulk_create(
        CardMove(card=card, from_state=card.state, to_state=state, at=at, actor_id=actor_id, note=note)
        for card in cards
    )
    Card.objects.filter(pk__in=[card.pk for card in cards]).update(state=state)
