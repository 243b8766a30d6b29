"""What lets a phone put the shop on its home screen and say something when there is no network."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static


def manifest(request: HttpRequest) -> HttpResponse:
    name = str(request.storefront)
    return JsonResponse(
        {
            "name": name,
            "short_name": name,
            "start_url": "/",
            "display": "standalone",
            "background_color": "#f6f7f5",
            "theme_color": "#0b6e5f",
            "icons": [
                {"src": static("favicon.svg"), "sizes": "any", "type": "image/svg+xml"},
                {"src": static("touch-icon.png"), "sizes": "180x180", "type": "image/png"},
            ],
        },
        content_type="application/manifest+json",
        headers={"Cache-Control": "public, max-age=3600"},
    )


def service_worker(request: HttpRequest) -> HttpResponse:
    response = render(request, "shop/sw.js", content_type="text/javascript")
    response["Cache-Control"] = "no-cache"
    return response
