"""What every template can read."""

from django.http import HttpRequest


def site(request: HttpRequest) -> dict:
    return {"storefront": getattr(request, "storefront", None), "theme": request.COOKIES.get("theme", "")}
