"""Writing the chain's end down where the database cannot reach: a file, a mail, the log."""

import json
import logging
import os
from pathlib import Path

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction

from audit.exceptions import BadAnchors
from audit.models import ChainAnchor, ChainLink
from common import clock

# Its lines go wherever the shop's log goes, which is another machine in a shop that is looked after.
logger = logging.getLogger("audit.anchor")


def anchor() -> ChainAnchor | None:
    """Write down where the chain ends now; None while there is nothing in it, or nothing since the last time."""
    last = ChainLink.objects.order_by("-position").first()
    newest = ChainAnchor.objects.order_by("-id").first()
    if last is None or (newest is not None and newest.position == last.position):
        return None
    at = clock.now()
    line = json.dumps({"position": last.position, "hash": bytes(last.hash).hex(), "at": at.isoformat()})
    logger.info("audit chain anchor %s", line)
    kept_in = ["log", *_to_file(line), *_to_mail(line)]
    with transaction.atomic():
        return ChainAnchor.objects.create(
            position=last.position, hash=bytes(last.hash).hex(), made_at=at, kept_in=kept_in
        )


def read_anchors(path: Path) -> list[dict]:
    """The anchors of a file as `anchor` writes it. Raises BadAnchors for a line that is none, OSError."""
    anchors = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            found = json.loads(line)
            anchors.append({"position": int(found["position"]), "hash": str(found["hash"])})
        except (ValueError, KeyError, TypeError) as error:
            raise BadAnchors(number=number) from error
    return anchors


def kept_anchors() -> list[dict]:
    """What the file of AUDIT_ANCHOR_FILE holds; nothing where none is set or none was written yet."""
    path = Path(settings.AUDIT_ANCHOR_FILE)
    return read_anchors(path) if settings.AUDIT_ANCHOR_FILE and path.exists() else []


def _to_file(line: str) -> list[str]:
    if not settings.AUDIT_ANCHOR_FILE:
        return []
    try:
        with Path(settings.AUDIT_ANCHOR_FILE).open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        logger.error("the anchor was not written to its file: %s", error.strerror)
        return []
    return ["file"]


def _to_mail(line: str) -> list[str]:
    if not settings.AUDIT_ANCHOR_MAIL:
        return []
    try:
        send_mail("audit chain anchor", line + "\n", settings.DEFAULT_FROM_EMAIL, [settings.AUDIT_ANCHOR_MAIL])
    except OSError as error:
        # smtplib's errors are OSErrors; the log has the anchor all the same.
        logger.error("the anchor was not mailed: %s", type(error).__name__)
        return []
    return ["mail"]
