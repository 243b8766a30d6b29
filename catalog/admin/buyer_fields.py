"""Editing what a product asks its buyer: a row for each field instead of JSON."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from catalog import words
from catalog.buyer_fields import MAX_FIELDS, TYPES, check_buyer_fields

TEXTS = ("label", "label_en", "name", "regex", "help", "help_en")
BLANK_ROWS = 2
TYPE_NAMES = dict(zip(TYPES, (_("文字"), _("电话"), _("数字"), _("邮箱"), _("选项")), strict=True))
# What shops ask for most, offered while typing a rule.
PATTERNS = {
    r"1[3-9]\d{9}": _("手机号"),
    r"[1-9]\d{4,10}": _("QQ 号"),
    r"[1-9]\d{8,9}": _("游戏 UID"),
    r"[^@\s]+@[^@\s]+\.[^@\s]+": _("邮箱"),
}


class BuyerFieldsWidget(forms.Widget):
    """Rows of inputs named `<name>-<row>-<part>`; a row without a label is no field. Options are lines `值=名称=English`."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict]:
        return [spec for row in range(MAX_FIELDS) if (spec := _spec(data, f"{name}-{row}-"))]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False

    def get_context(self, name: str, value: Any, attrs: dict | None) -> dict[str, Any]:
        specs = value if isinstance(value, list) else []
        count = min(MAX_FIELDS, len(specs) + BLANK_ROWS)
        rows = [_row(specs[number] if number < len(specs) else {}) for number in range(count)]
        return {"name": name, "rows": rows, "types": list(TYPE_NAMES.items()), "patterns": list(PATTERNS.items())}

    def render(self, name: str, value: Any, attrs: dict | None = None, renderer: Any = None) -> SafeString:
        # Django's form renderer does not know templates/.
        return render_to_string("catalog/admin/buyer_fields.html", self.get_context(name, value, attrs))


class BuyerFieldsField(forms.Field):
    widget = BuyerFieldsWidget

    def validate(self, value: Any) -> None:
        super().validate(value)
        try:
            check_buyer_fields(value)
        except ValidationError as error:
            raise ValidationError(error.messages) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != data


def _row(spec: dict) -> dict[str, Any]:
    lines = (
        "=".join(filter(None, [one["value"], one["label"], one.get("label_en")])) for one in spec.get("options", [])
    )
    return {
        **{part: spec.get(part, "") for part in TEXTS},
        "type": spec.get("type", "text"),
        "required": spec.get("required", True),
        "options": "\n".join(lines),
    }


def _spec(data: Any, prefix: str) -> dict | None:
    given = {part: data.get(prefix + part, "").strip() for part in TEXTS}
    if not given["label"]:
        return None
    spec = {part: text for part, text in given.items() if text}
    spec.setdefault("name", _name_for(given["label"]))
    spec["type"] = data.get(f"{prefix}type", "text")
    if not data.get(f"{prefix}required"):
        spec["required"] = False
    if spec["type"] == "select":
        spec["options"] = _options(data.get(f"{prefix}options", ""))
    return spec


def _options(text: str) -> list[dict[str, str]]:
    options = []
    for line in filter(None, map(str.strip, text.splitlines())):
        value, *names = (part.strip() for part in line.split("="))
        option = {"value": value, "label": names[0] if names else value}
        options.append({**option, "label_en": names[1]} if len(names) > 1 else option)
    return options


def _name_for(label: str) -> str:
    """手机号 becomes shou_ji_hao: good enough for a name that only machines read."""
    spoken = "_".join(words.syllables(label))[:30].strip("_")
    return spoken if spoken and spoken.isascii() and spoken[0].isalpha() else f"f_{spoken}"[:30].rstrip("_")
