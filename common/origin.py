"""Refusing posts that another site sends, for forms on pages that are cached for everybody and so hold no token."""

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.csrf import csrf_exempt

View = Callable[..., HttpResponse]


def sent_by_other_site(request: HttpRequest) -> bool:
    """Whether the browser says that another origin sent this request.

    Browsers state it in Sec-Fetch-Site, older ones in Origin (they send one of both with every post); a client that
    sends neither is no browser, and no victim's cookies travel with it.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return bool(origin) and urlsplit(origin).netloc != request.get_host()


def same_origin_post(view: View) -> View:
    """Instead of a form token: take posts of our own pages only. Right where a forged post could do little harm."""

    @wraps(view)
    def guarded(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if request.method not in {"GET", "HEAD", "OPTIONS"} and sent_by_other_site(request):
            return HttpResponseForbidden()
        return view(request, *args, **kwargs)

    return csrf_exempt(guarded)
