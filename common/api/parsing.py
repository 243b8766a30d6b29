"""Bodies: UTF-8 JSON without repeated names, NUL characters or half surrogates, at most MAX_BODY bytes."""

import json
import re
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, parsers, status
from rest_framework.negotiation import DefaultContentNegotiation

MAX_BODY = 256 * 1024
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class BodyTooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = _("请求内容过大")


class NoFormatOverride(DefaultContentNegotiation):
    """Only the Accept header chooses the format: `?format=` would be one more way to say it, and 404 for a wrong one."""

    def select_renderer(self, request, renderers, format_suffix=None):
        return super().select_renderer(request, renderers, None)


class StrictJSONParser(parsers.BaseParser):
    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None) -> Any:
        raw = stream.read(MAX_BODY + 1)
        if len(raw) > MAX_BODY:
            raise BodyTooLarge
        try:
            data = json.loads(raw.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise exceptions.ParseError(_("请求内容不是正确的 JSON")) from error
        if _has_unstorable(data):
            raise exceptions.ParseError(_("请求内容含有无法保存的字符"))
        return data


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _once(pairs: list[tuple[str, Any]]) -> dict:
    """Of two equal names one would silently win, and which one differs between programs."""
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("repeated name")
    return data


def _has_unstorable(data: Any) -> bool:
    """Whether some text in it cannot be stored. Without recursion: the parser allows deeper nesting than the stack."""
    left = [data]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if _UNSTORABLE.search(one):
                return True
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            left += one
    return False
