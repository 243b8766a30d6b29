"""Language and theme: cookies, so that cached pages can follow them and the first paint is right."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from common.origin import same_origin_post
from shop.context import THEMES

BY_SYSTEM = "system"
YEAR = 60 * 60 * 24 * 365


@same_origin_post
@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Remember `lang` or `theme` and go back to `next`. Unknown values change nothing."""
    there = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(there, {request.get_host()}, require_https=request.is_secure()):
        there = "/"
    response = HttpResponseRedirect(there)
    language = request.POST.get("lang")
    if language in dict(settings.LANGUAGES):
        _remember(response, settings.LANGUAGE_COOKIE_NAME, language)
    theme = request.POST.get("theme")
    if theme in THEMES:
        _remember(response, settings.THEME_COOKIE_NAME, theme)
    elif theme == BY_SYSTEM:
        response.delete_cookie(settings.THEME_COOKIE_NAME)
    return response


def _remember(response: HttpResponse, name: str, value: str) -> None:
    # Readable by scripts on purpose: the theme switch writes the same cookie without a page load.
    response.set_cookie(name, value, max_age=YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
