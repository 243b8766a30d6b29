"""The detail of an entry in words. Rooms store short keys and plain values; people read their names."""

import json
from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db.models import Field
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEntry
from common.registries import act_names
from common.texts import clauses, listed

# Every key that a room writes; what changed in a row goes by the names of its model's fields.
WORDS: dict[str, Any] = {
    "abusive": _("恶意售后"),
    "acts": _("演示动作"),
    "added": _("增加"),
    "after": _("更改后"),
    "alone": _("由原裁定人复核"),
    "amount": _("金额"),
    "answer": _("回复"),
    "appeal": _("申诉"),
    "asked_by": _("申请人"),
    "batch": _("批次"),
    "before": _("更改前"),
    "breaks": _("批发价"),
    "card": _("卡"),
    "changed": _("变动"),
    "contrib": _("贡献值"),
    "count": _("数量"),
    "draft": _("草稿"),
    "duplicates": _("重复"),
    "effective_from": _("生效时间"),
    "errors": _("错误"),
    "expires_at": _("到期时间"),
    "facts": _("评价内容"),
    "fetches": _("下载次数"),
    "file": _("文件"),
    "filters": _("筛选条件"),
    "first": _("第一条"),
    "groups": _("员工组"),
    "ids": _("编号"),
    "imported": _("已导入"),
    "items": _("套餐内容"),
    "keys": _("卡密数量"),
    "kind": _("种类"),
    "length": _("字数"),
    "labels": _("标签"),
    "last": _("最后一条"),
    "member": _("用户"),
    "mark": _("导出编号"),
    "members": _("会员数"),
    "metric": _("指标"),
    "month": _("月份"),
    "name": _("名称"),
    "note": _("备注"),
    "now": _("时间"),
    "number": _("售后单号"),
    "of": _("撤回的记录"),
    "order": _("订单"),
    "outcome": _("结果"),
    "owner": _("持有人"),
    "points": _("积分"),
    "policy": _("过渡方式"),
    "proposal": _("卖家意见"),
    "provider_txn": _("渠道流水号"),
    "rank": _("等级序号"),
    "reason": _("原因"),
    "ref": _("编号"),
    "refs": _("来源"),
    "refund": _("退款单"),
    "removed": _("减少"),
    "reply": _("回复"),
    "result": _("结果"),
    "rows": _("行数"),
    "secrets": _("密钥"),
    "sha256": _("校验值"),
    "sku": _("商品编码"),
    "staff": _("可登录后台"),
    "state": _("状态"),
    "steps": _("档位"),
    "subject": _("所属"),
    "superuser": _("超级管理员"),
    "table": _("数据表"),
    "target": _("退至"),
    "total": _("合计"),
    "value": _("数值"),
    "was": _("原来"),
    "what": _("内容"),
}
# The note that Django's forms make of a change.
FORM_NOTE = "what"


def in_words(entry: AuditEntry) -> list[tuple[str, str]]:
    """(name, value) of everything in the entry's detail."""
    fields = _fields(entry.target_type)
    told = []
    for key, value in entry.detail.items():
        field = fields.get(key)
        if field is not None and isinstance(value, list) and len(value) == 2:
            old, new = (_choice(field, one) for one in value)
            told.append((str(field.verbose_name), new if old == "–" else f"{old} → {new}"))
        elif key == FORM_NOTE and isinstance(value, list):
            told.append((_name(key), LogEntry(change_message=json.dumps(value)).get_change_message()))
        else:
            told.append((_name(key), _plain(value)))
    return told


def _fields(label: str) -> dict[str, Field]:
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        return {}
    return {name: field for field in model._meta.concrete_fields for name in (field.name, field.attname)}


def _choice(field: Field, value: Any) -> str:
    return str(dict(field.flatchoices).get(value, _plain(value)))


def _name(key: str) -> str:
    return str(WORDS.get(key, key))


def _plain(value: Any) -> str:
    if value is None or value == "" or value == [] or value == {}:
        return "–"
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    if isinstance(value, Mapping):
        return clauses(f"{_name(key)} {_plain(one)}" for key, one in value.items())
    if isinstance(value, list):
        return listed(map(_plain, value))
    return {"True": gettext("是"), "False": gettext("否"), "None": "–"}.get(str(value), str(value))


# What can be wrong with the chain, by Finding.what.
FAULTS: dict[str, Any] = {
    "changed": _("记录 #%(entry)s（%(action)s，链位置 %(position)s）被改动"),
    "moved": _("记录 #%(entry)s（%(action)s，链位置 %(position)s）被移动，或它的链值被改动"),
    "removed": _("记录 #%(entry)s（链位置 %(position)s）被删除"),
    "put_in": _("记录 #%(entry)s（%(action)s，链位置 %(position)s）不是商城写入的"),
    "left_out": _("记录 #%(entry)s（%(action)s）绕过了审计链"),
    "cut": _("链位置 %(position)s 到 %(until)s 被删除"),
    "anchor": _("链位置 %(position)s 与外部锚点不一致"),
}


def fault_in_words(found: Mapping[str, Any]) -> str:
    """A finding of ChainCheck.findings as a sentence."""
    action = act_names.get(found["action"], found["action"])
    return str(FAULTS[found["what"]]) % {**found, "action": action}
