"""One error shape for every endpoint: {"error": {"code", "message", "fields"?}}."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler

from common.exceptions import DomainError


def error_body(code: str, message: Any, fields: Any = None) -> dict:
    """The body of every error answer."""
    error: dict[str, Any] = {"code": code, "message": str(message)}
    if fields:
        error["fields"] = fields
    return {"error": error}


def exception_handler(error: Exception, context: dict) -> Response | None:
    """DRF's handler, answering refusals by business rules as well, all in one shape."""
    if isinstance(error, DomainError):
        return Response(error_body(error.code, error), status=error.status)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = drf_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    if isinstance(error, exceptions.ValidationError):
        fields = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
        response.data = error_body("invalid", _("请检查填写的内容"), fields)
    else:
        code = error.detail.code if hasattr(error.detail, "code") else error.default_code
        response.data = error_body(str(code), error.detail)
    return response
