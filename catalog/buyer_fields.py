"""What a product asks its buyer: the form of `Product.buyer_fields` and its check."""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from common.patterns import MAX_PATTERN, BadPattern, check_pattern

TYPES = ("text", "tel", "number", "email", "select")
TEXTS = ("label_en", "help", "help_en", "regex")
KNOWN = {"name", "label", "required", "type", "options", *TEXTS}
NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
MAX_FIELDS = 8
MAX_OPTIONS = 100


def check_buyer_fields(specs: object) -> None:
    """Raises ValidationError unless `specs` is a list of fields.

    Each is a dictionary: `name` (a-z, 0-9, _) and `label`; optional `label_en`, `help`, `help_en`, `regex` (must fit the
    whole answer, see common.patterns), `required` (default true), `type` (text, tel, number, email, select) and, for select, `options`:
    a list of {"value", "label", "label_en"}.
    """
    if not isinstance(specs, list) or len(specs) > MAX_FIELDS:
        raise ValidationError({"buyer_fields": _("购买时填写应是不超过 8 项的列表")})
    names = [spec.get("name") if isinstance(spec, dict) else None for spec in specs]
    if len(set(map(str, names))) != len(names):
        raise ValidationError({"buyer_fields": _("购买时填写的 name 不能重复")})
    for spec in specs:
        if error := _fault(spec):
            raise ValidationError({"buyer_fields": error})


def _fault(spec: object):
    if not isinstance(spec, dict) or not set(spec) <= KNOWN:
        return _("购买时填写的每一项只能含 name、label、help、regex、required、type、options 及英文字段")
    if not isinstance(spec.get("name"), str) or not NAME.fullmatch(spec["name"]):
        return _("name 须以小写字母开头，只含小写字母、数字和下划线")
    if not isinstance(spec.get("label"), str) or not spec["label"].strip():
        return _("label 不能为空")
    if any(not isinstance(spec.get(text, ""), str) for text in TEXTS) or not isinstance(
        spec.get("required", True), bool
    ):
        return _("购买时填写的文字须加引号，required 须为 true 或 false")
    if spec.get("type", "text") not in TYPES:
        return _("type 只能是 text、tel、number、email、select")
    try:
        check_pattern(spec.get("regex", ""))
    except BadPattern:
        return _("regex 不是正确的正则表达式（不支持环视、反向引用和 \\u，不超过 %(max)s 个字符）") % {
            "max": MAX_PATTERN
        }
    return _option_fault(spec)


def _option_fault(spec: dict):
    options = spec.get("options", [])
    if (spec.get("type") == "select") != bool(options):
        return _("type 为 select 时必须有 options，其他类型不能有")
    fits = isinstance(options, list) and len(options) <= MAX_OPTIONS
    if not fits or any(not isinstance(one, dict) or not {"value", "label"} <= set(one) for one in options):
        return _("options 的每一项须含 value 和 label")
    return None
