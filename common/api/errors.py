"""One shape for every refusal: {"error": {"code", "message", "fields"?, "params"?}}.

`code` is for programs and never changes, `message` for people in their language. `fields` says what is wrong with which
part of the request: path ("items.0.quantity") → sentences. `params` are the figures that the message speaks of.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler
from rest_framework.views import set_rollback

from common.exceptions import DomainError, TooManyRequests

CSRF_FAILED = "CSRF Failed"


def error_body(code: str, message: Any, fields: dict | None = None, params: dict | None = None) -> dict:
    """The body of every error answer."""
    error: dict[str, Any] = {"code": code, "message": str(message)}
    if fields:
        error["fields"] = fields
    if params:
        error["params"] = {name: str(value) if isinstance(value, Decimal) else value for name, value in params.items()}
    return {"error": error}


def exception_handler(error: Exception, context: dict) -> Response | None:
    """DRF's handler, answering refusals by business rules as well, all in one shape."""
    response = _refusal(error) if isinstance(error, DomainError) else _complaint(error, context)
    if response is not None and response.status_code == 401:
        response["WWW-Authenticate"] = 'Bearer realm="api"'
    return response


def _refusal(error: DomainError) -> Response:
    set_rollback()
    params = dict(error.params)
    field = params.pop("field", None)
    fields = {f"fields.{field}": [str(error)]} if field else None
    response = Response(error_body(error.code, error, fields, params), status=error.status)
    if error.status == TooManyRequests.status and "seconds" in error.params:
        response["Retry-After"] = str(error.params["seconds"])
    return response


def _complaint(error: Exception, context: dict) -> Response | None:
    """What DRF and Django refuse by themselves; None for a defect."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = drf_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    if isinstance(error, exceptions.ValidationError):
        response.data = error_body("invalid", _("请检查填写的内容"), flat(error.detail))
    elif str(error.detail).startswith(CSRF_FAILED):
        response.data = error_body("csrf_failed", _("页面已过期，请刷新后重试"))
    else:
        response.data = error_body(getattr(error.detail, "code", error.default_code), error.detail)
    return response


def flat(detail: Any, path: str = "") -> dict[str, list[str]]:
    """Nested complaints as one dictionary: {"items": [{}, {"quantity": ["…"]}]} → {"items.1.quantity": ["…"]}."""
    if isinstance(detail, Mapping):
        parts = list(detail.items())
    elif isinstance(detail, list) and any(isinstance(one, Mapping | list) for one in detail):
        parts = list(enumerate(detail))
    else:
        sentences = detail if isinstance(detail, list) else [detail]
        return {path or "non_field_errors": [str(one) for one in sentences]}
    found: dict[str, list[str]] = {}
    for name, inner in parts:
        if inner:
            found |= flat(inner, f"{path}.{name}" if path else str(name))
    return found
