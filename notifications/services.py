"""Telling people: into the inbox at once, by mail from a queue."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from audit.services import record
from common import clock
from notifications.models import Mail, Message
from notifications.texts import text_of
from orders.models import Order
from orders.selectors import link_token

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 6
# A mail taken by a worker that died is taken again after this long.
CLAIM = timedelta(minutes=5)


def order_path(order: Order) -> str:
    return reverse("shop:order", args=[order.public_id])


def signed_link(order: Order) -> str:
    """An address that opens a guest's order from a mail, for some time from now."""
    return f"{settings.PUBLIC_URL}{order_path(order)}?key={link_token(order)}"


@dataclass(frozen=True, kw_only=True)
class Note:
    """What a member is to read in the inbox, once per `ref`."""

    ref: str
    user_id: int
    kind: str
    params: Mapping[str, str]
    link: str
    at: datetime


def tell(*, ref: str, user_id: int, kind: str, params: Mapping[str, str], link: str, at: datetime) -> None:
    """Put a message into a member's inbox, once per `ref`, in the caller's transaction."""
    tell_many([Note(ref=ref, user_id=user_id, kind=kind, params=params, link=link, at=at)])


def tell_many(notes: Iterable[Note]) -> None:
    """The same for many at once, written by reference, so that nobody who writes the same ones waits crosswise."""
    rows = [
        Message(
            ref=one.ref, user_id=one.user_id, kind=one.kind, params=dict(one.params), link=one.link, created_at=one.at
        )
        for one in sorted(notes, key=lambda one: one.ref)
    ]
    Message.objects.bulk_create(rows, ignore_conflicts=True)


def queue_mail(
    *,
    ref: str,
    recipient: str,
    kind: str,
    params: Mapping[str, str],
    language: str,
    at: datetime,
    order: Order | None = None,
) -> bool:
    """Queue a mail, once per `ref`, in the caller's transaction; False where the recipient is no mail address.

    It will carry a link that opens `order`.
    """
    try:
        validate_email(recipient)
    except ValidationError:
        return False
    mail = Mail(
        ref=ref,
        recipient=recipient,
        kind=kind,
        params=dict(params),
        order=order,
        language=language,
        not_before=at,
        created_at=at,
    )
    Mail.objects.bulk_create([mail], ignore_conflicts=True)
    return True


def send_due_mails(*, limit: int = 100) -> int:
    """Send queued mails, each claimed before and marked after its own sending; returns how many went out.

    A worker that dies in between makes the mail go out twice rather than never.
    """
    sent = 0
    for _ in range(limit):
        mail = _claim()
        if mail is None:
            break
        sent += _send(mail)
    return sent


def retry_mails(*, mail_ids: Iterable[int], actor: User, address: str | None = None) -> int:
    """Queue failed mails again with a fresh count, noted in the audit log; returns how many."""
    with transaction.atomic():
        at = clock.now()
        failed = Mail.objects.filter(pk__in=list(mail_ids), state=Mail.State.FAILED)
        count = failed.update(state=Mail.State.QUEUED, attempts=0, not_before=at)
        if count:
            detail = {"count": count}
            record(
                action="mail.retry", at=at, actor=actor, target_type=Mail._meta.label, detail=detail, address=address
            )
    return count


def _claim() -> Mail | None:
    with transaction.atomic():
        at = clock.now()
        mail = (
            Mail.objects.filter(state=Mail.State.QUEUED, not_before__lte=at)
            .order_by("not_before")
            .select_for_update(skip_locked=True)
            .first()
        )
        if mail is not None:
            mail.attempts += 1
            mail.not_before = at + CLAIM * mail.attempts
            mail.save(update_fields=["attempts", "not_before"])
    return mail


def _send(mail: Mail) -> int:
    try:
        with translation.override(mail.language):
            text = text_of(mail.kind, mail.params)
        paragraphs = [text.body, signed_link(mail.order)] if mail.order else [text.body]
        body = "\n\n".join(paragraphs) + "\n"
        EmailMessage(text.title, body, settings.DEFAULT_FROM_EMAIL, [mail.recipient]).send()
    except Exception as error:
        # A mail server that is away is usual (smtplib's errors are OSErrors), anything else is a fault of ours to look at.
        logger.warning("mail %s was not sent", mail.pk, exc_info=not isinstance(error, OSError))
        state = Mail.State.FAILED if mail.attempts >= MAX_ATTEMPTS else Mail.State.QUEUED
        Mail.objects.filter(pk=mail.pk).update(state=state, last_error=type(error).__name__)
        return 0
    Mail.objects.filter(pk=mail.pk).update(state=Mail.State.SENT, sent_at=clock.now(), last_error="")
    return 1


def mark_all_read(*, user: User) -> int:
    """Mark the inbox as read; returns how many messages were unread."""
    with transaction.atomic():
        return Message.objects.filter(user=user, read_at=None).update(read_at=clock.now())
