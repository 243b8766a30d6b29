"""Where gateways call. Answers bare text, whatever comes in."""

import logging

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from common import clock
from payments.gateways import kind_of
from payments.providers import RawNotify, Reply
from payments.selectors import usable_channels
from payments.services import receive_notify

logger = logging.getLogger(__name__)
REFUSED = "fail"


@csrf_exempt
def notify(request: HttpRequest, channel: str) -> HttpResponse:
    """A gateway's callback. Answers what the gateway waits for; 404 for a channel that there is not."""
    found = usable_channels().filter(code=channel).first()
    if found is None:
        return _answer(Reply(404, REFUSED))
    try:
        raw = RawNotify(
            method=request.method or "",
            query=request.META.get("QUERY_STRING", "").encode("latin-1", "replace"),
            body=_body(request, kind_of(found).most_bytes),
            content_type=request.content_type or "",
            received_at=clock.now(),
            headers={name.lower(): value for name, value in request.headers.items()},
        )
        return _answer(receive_notify(channel=found, raw=raw, address=request.client_address))
    except Exception:
        # Kept or not, it is not applied: the gateway repeats it, and the sweep takes up what was kept.
        logger.exception("notify of channel %s failed", found.code)
        return _answer(Reply(503, REFUSED))


def _body(request: HttpRequest, most: int) -> bytes:
    """The body as far as a notify can be long; what is longer is refused for its length later."""
    if request.method in ("GET", "HEAD"):
        return b""
    try:
        return request.read(most + 1)
    except (RequestDataTooBig, UnreadablePostError):
        return b""


def _answer(reply: Reply) -> HttpResponse:
    return HttpResponse(
        reply.text, status=reply.status, content_type=reply.content_type, headers={"Cache-Control": "no-store"}
    )
