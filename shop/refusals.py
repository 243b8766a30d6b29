"""Turning refusals of services into answers of pages."""

from collections.abc import Callable
from functools import wraps

from django.http import Http404, HttpRequest, HttpResponse

from common.exceptions import NotFound

View = Callable[..., HttpResponse]


def missing_is_404(view: View) -> View:
    """What is not there and what is not yours look the same."""

    @wraps(view)
    def answered(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotFound as refusal:
            raise Http404(str(refusal)) from refusal

    return answered


def private(view: View) -> View:
    """Keys, balances and contacts are kept by no cache, not even the browser's."""

    @wraps(view)
    def answered(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Cache-Control"] = "no-store, private"
        return response

    return answered
