"""Where gateways call. Answers bare text, whatever comes in."""

import logging

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from payments.providers import RawNotify
from payments.selectors import usable_channels
from payments.services import receive_notify
from payments.services.notifies import MAX_RAW

logger = logging.getLogger(__name__)
REFUSED = "fail"


@csrf_exempt
def notify(request: HttpRequest, channel: str) -> HttpResponse:
    """A gateway's callback. Answers 200 with the word that the gateway waits for; 404 for a channel that there is not."""
    found = usable_channels().filter(code=channel).first()
    if found is None:
        return _text(REFUSED, 404)
    try:
        raw = RawNotify(
            method=request.method or "",
            query=request.META.get("QUERY_STRING", "").encode("latin-1", "replace"),
            body=_body(request),
            content_type=request.content_type or "",
        )
        return _text(receive_notify(channel=found, raw=raw, address=request.client_address))
    except Exception:
        # Kept or not, it is not applied: the gateway repeats it, and the sweep takes up what was kept.
        logger.exception("notify of channel %s failed", found.code)
        return _text(REFUSED, 503)


def _body(request: HttpRequest) -> bytes:
    """The body as far as a notify can be long; what is longer is refused for its length later."""
    if request.method in ("GET", "HEAD"):
        return b""
    try:
        return request.read(MAX_RAW + 1)
    except (RequestDataTooBig, UnreadablePostError):
        return b""


def _text(word: str, status: int = 200) -> HttpResponse:
    return HttpResponse(
        word, status=status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )
