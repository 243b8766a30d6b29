"""Addresses of endpoints."""

from django.urls import URLPattern, re_path
from rest_framework.views import APIView


def with_or_without_slash(route: str, view: type[APIView], *, name: str) -> URLPattern:
    """The endpoint at `route/`, as all are, and at `route`, as the names of the member's endpoints are written.

    `route` is plain words.
    """
    return re_path(rf"^{route}/?\Z", view.as_view(), name=name)
