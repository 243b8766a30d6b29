"""Reading requests strictly: what a caller mistypes is refused, never guessed at.

Numbers are numbers and texts are texts; a field or parameter that nobody asked for is an error.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.settings import api_settings

from common.exceptions import BadInput
from common.ids import PUBLIC_ID_LENGTH
from common.money import parse_money

SHOWN_UNKNOWN = 10
# Beyond it a floating point number no longer tells whole numbers apart.
MAX_EXACT = 2**53
ID_PATTERN = rf"^[A-Za-z0-9_-]{{{PUBLIC_ID_LENGTH}}}$"
AMOUNT_PATTERN = r"^[0-9]{1,8}(\.[0-9]{1,2})?$"
KEY_PATTERN = r"^[!-~]{8,64}$"
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


class StrictSerializer(serializers.Serializer):
    """Refuses names that it does not know, so that a typing error never passes for a default."""

    def to_internal_value(self, data: Any) -> dict:
        if isinstance(data, Mapping):
            unknown = sorted(set(map(str, data)) - set(self.fields))
            if unknown:
                raise serializers.ValidationError({name[:60]: [_("未知的字段")] for name in unknown[:SHOWN_UNKNOWN]})
        return super().to_internal_value(data)


class StrictCharField(serializers.CharField):
    """Text only: no number is taken for one. Kept as it is, not trimmed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictIntegerField(serializers.IntegerField):
    """A whole number, 2.0 among them as JSON has it; as text only in a query, in ASCII digits."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and _in_query(self) and _WHOLE.fullmatch(data):
            return int(data)
        if isinstance(data, float) and data.is_integer() and abs(data) < MAX_EXACT:
            return int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class StrictBooleanField(serializers.BooleanField):
    """true or false; as text only in a query."""

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, bool):
            return data
        if _in_query(self) and data in _BOOLEANS:
            return _BOOLEANS[data]
        return self.fail("invalid", input=data)


def _in_query(field: serializers.Field) -> bool:
    return bool(field.context.get("query"))


@extend_schema_field({"type": "string", "pattern": AMOUNT_PATTERN, "examples": ["10.50"]})
class MoneyField(StrictCharField):
    """An amount in yuan: a decimal string with at most two places, read as Decimal."""

    def to_internal_value(self, data: Any) -> Decimal:
        text = super().to_internal_value(data)
        try:
            return parse_money(text if text == text.strip() else "")
        except BadInput as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: Any) -> str:
        return str(value)


class PatternField(serializers.RegexField):
    """Text of a pattern, which is anchored with ^ and $ as other languages read it too."""

    def __init__(self, pattern: str, **options: Any) -> None:
        super().__init__(pattern, **{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        # To Python, $ may stand before a last line break.
        if not isinstance(data, str) or data.endswith("\n"):
            self.fail("invalid")
        return super().to_internal_value(data)


class IdField(PatternField):
    """A public id."""

    def __init__(self, **options: Any) -> None:
        super().__init__(ID_PATTERN, **options)


def read_body(serializer: type[serializers.Serializer], request: Request) -> dict:
    """The body as the serializer describes it. Raises ValidationError."""
    if request.data is None:
        # DRF says of `null`, in English only, that there was no data.
        raise serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [_("请求内容不能是 null")]})
    reader = serializer(data=request.data)
    reader.is_valid(raise_exception=True)
    return reader.validated_data


def read_query(serializer: type[serializers.Serializer], request: Request) -> dict:
    """The query as the serializer describes it. Raises ValidationError, also for a parameter that comes twice."""
    repeated = [name for name, values in request.query_params.lists() if len(values) > 1]
    if repeated:
        raise serializers.ValidationError({name[:60]: [_("参数重复")] for name in repeated[:SHOWN_UNKNOWN]})
    reader = serializer(data=request.query_params.dict(), context={"query": True})
    reader.is_valid(raise_exception=True)
    return reader.validated_data


def idempotency_key(request: Request) -> str:
    """The Idempotency-Key header, 8 to 64 visible ASCII characters. Raises ValidationError."""
    key = request.headers.get("Idempotency-Key", "")
    if not re.fullmatch(KEY_PATTERN, key):
        raise serializers.ValidationError({"Idempotency-Key": [_("请求头须为 8 到 64 个可见 ASCII 字符")]})
    return key


def key_header(description: Any) -> OpenApiParameter:
    """That header, as the schema tells of it."""
    return OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "pattern": KEY_PATTERN},
        OpenApiParameter.HEADER,
        required=True,
        description=description,
    )
