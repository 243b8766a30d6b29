"""What the schema says of every endpoint alike: the refusals that any of them may answer with, and that bodies are strict."""

from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.generators import SchemaGenerator

NO_NUL = r"^[^\u0000]*$"
METHODS_WITH_EFFECT = {"post", "put", "patch", "delete"}
ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "fields": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": {"type": "string"}},
                },
                "params": {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
            },
        }
    },
}
REFERENCE = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}


def add_common(result: dict, generator: SchemaGenerator, request: Any, public: bool) -> dict:
    """Postprocessing hook of drf-spectacular."""
    schemas = result["components"]["schemas"]
    schemas["Error"] = ERROR
    for name, schema in schemas.items():
        if name.endswith("Request") and schema.get("type") == "object":
            schema["additionalProperties"] = False
            _without_nul(schema)
    for operations in result["paths"].values():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                _without_nul(parameter["schema"])
            for status, meaning in _refusals(method, operation).items():
                operation["responses"].setdefault(str(status), {"description": meaning})
            for status, answer in operation["responses"].items():
                if status >= "4":
                    answer |= REFERENCE
    return result


def _without_nul(schema: dict) -> None:
    """Says of every text in a request what common.api.parsing asks of it."""
    if schema.get("type") == "string" and not {"pattern", "enum", "format"} & set(schema):
        schema["pattern"] = NO_NUL
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for one in filter(None, inner):
        _without_nul(one)
    if schema.get("additionalProperties"):
        schema["propertyNames"] = {"pattern": NO_NUL}


def _refusals(method: str, operation: dict) -> dict[int, str]:
    """Status → what it means, for the refusals that this operation shares with others of its kind."""
    where = {parameter["in"] for parameter in operation.get("parameters", [])}
    found = {406: _("Accept 请求头只能是 JSON"), 429: _("请求太频繁，见 Retry-After")}
    if "requestBody" in operation:
        found |= {400: _("请求内容有误，见 fields"), 413: _("请求内容过大"), 415: _("请求内容须为 JSON")}
    if where & {"query", "header"}:
        found[400] = _("请求内容有误，见 fields")
    if "path" in where or any(parameter["name"] == "cursor" for parameter in operation.get("parameters", [])):
        found[404] = _("没有找到，或不属于你")
    if operation.get("security") and {} not in operation["security"]:
        found[401] = _("没有令牌，或令牌无效")
    if method in METHODS_WITH_EFFECT:
        found |= {403: _("用浏览器会话调用时缺少 CSRF 令牌"), 409: _("与当前状态冲突，原因见 code")}
    return found


@lru_cache(maxsize=8)
def document(language: str) -> dict:
    """The schema of all endpoints. Made once per language, which must be the active one."""
    return SchemaGenerator().get_schema(request=None, public=True)
