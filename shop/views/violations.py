"""Where browsers tell that a page wanted what its content security policy forbids: a fault of ours, or somebody's try."""

import json
import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from audit.services import Limit, take
from common import clock
from common.addresses import counted_as
from common.exceptions import TooManyRequests

logger = logging.getLogger(__name__)
# A page at fault tells of itself from every visitor; the first ones are enough, and nobody fills the log.
BY_ADDRESS = Limit("csp report: address", burst=5, every=timedelta(minutes=1))
ALTOGETHER = Limit("csp report", burst=60, every=timedelta(seconds=10))
LONGEST = 8192


@csrf_exempt
@require_POST
def violation(request: HttpRequest) -> HttpResponse:
    """Always the same answer. Logged are the directive, the page and whose script it was, never a query or a sample."""
    told = _told(request)
    if told:
        at = clock.now()
        try:
            take(BY_ADDRESS, subject=counted_as(request.client_address), at=at)
            take(ALTOGETHER, subject="", at=at)
        except TooManyRequests:
            return HttpResponse(status=204)
        logger.warning("content security policy: %s on %s refused %s", *told)
    return HttpResponse(status=204)


def _told(request: HttpRequest) -> tuple[str, str, str] | None:
    if int(request.headers.get("Content-Length") or 0) > LONGEST:
        return None
    try:
        said = json.loads(request.body)
        report = said["csp-report"]
        directive = report.get("effective-directive") or report.get("violated-directive")
        return _plain(directive), _plain(urlsplit(report["document-uri"]).path), _host(report.get("blocked-uri"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Anybody may post anything here.
        return None


def _host(address: Any) -> str:
    """Where it came from: the host of an address, or a word such as "inline"."""
    if not isinstance(address, str):
        return "–"
    return _plain(urlsplit(address).netloc or address)


def _plain(text: Any) -> str:
    """Short and on one line, so that nobody writes lines of his own into the log."""
    return "".join(one for one in str(text)[:120] if one.isprintable())
