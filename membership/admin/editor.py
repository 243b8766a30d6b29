"""The rule editor: what it offers, the text area that it draws over, and the check that runs while somebody edits."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy, ngettext, pgettext
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminTextareaWidget

from catalog.models import Category
from common import clock
from common.locks import lock_one
from membership.exceptions import NotADraft
from membership.models import RuleSetVersion
from membership.rules.catalogue import ACTION_METRICS, ALIASES, METRICS, POINT_METRICS, Kind, Metric, Span
from membership.rules.describe import PERIODS
from membership.rules.dump import dump_rules
from membership.rules.parse import MAX_CHILDREN, MAX_DEPTH, MAX_TIERS, OPERATORS, decode, parse_rules
from membership.rules.reading import RuleErrors
from membership.rules.render import COMPARISONS
from membership.selectors.drafts import DraftReading

SPANS = (Span.DAYS, Span.WEEK, Span.LIFE, Span.NOW)


class RuleEditor(UnfoldAdminTextareaWidget):
    """A text area of JSON; with scripts, cards and rows over it."""

    def __init__(self) -> None:
        super().__init__(attrs={"rows": 28, "class": "desk-secret", "spellcheck": "false"})
        self.version: RuleSetVersion | None = None

    class Media:
        js = (forms.Script("desk.js", defer=True),)
        css = {"all": ("desk-tiers.css",)}

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        context = {
            "area": super().render(name, value, attrs, renderer),
            "id": (attrs or {}).get("id", name),
            "offered": self._offered(),
        }
        return SafeString(render_to_string("membership/admin/rule_editor.html", context))

    def _offered(self) -> dict[str, Any]:
        return {
            "address": reverse("admin:membership_rulesetversion_check"),
            "english": (get_language() or "").startswith("en"),
            "version": self.version.pk if self.version is not None else "",
            "today": clock.day_of(clock.now()).isoformat(),
            "words": _words(),
            "metrics": [_metric(metric) for metric in METRICS.values()],
            "aliases": ALIASES,
            "operators": [[op, str(COMPARISONS[op])] for op in OPERATORS],
            "periods": [[name, str(label)] for name, label in PERIODS.items()],
            "points": _named(POINT_METRICS),
            "actions": _named(ACTION_METRICS),
            "categories": [[one.code, str(one)] for one in Category.objects.order_by("position", "id")],
            "limits": {"depth": MAX_DEPTH, "children": MAX_CHILDREN, "tiers": MAX_TIERS},
        }


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "label": str(metric.label),
        "kind": str(metric.kind),
        "spans": [str(span) for span in SPANS if span in metric.spans],
        "weighted": metric.takes_weights,
        "unit": _unit(metric),
    }


def _unit(metric: Metric) -> str:
    """The unit alone, `笔`; what ratios are written in is told instead."""
    if metric.kind is Kind.RATIO:
        return _("（0 到 1，例如 0.02）")
    return (metric.unit % {"n": 2}).replace("2", "").strip() if metric.unit else ""


def _named(names: Iterable[str]) -> list[list[str]]:
    return [[metric.name, str(metric.label)] for metric in METRICS.values() if metric.name in names]


def _words() -> dict[str, Any]:
    return {
        "add": _("添加"),
        "addCap": _("添加上限"),
        "addCategory": _("添加品类"),
        "addBundle": _("添加任务包"),
        "addCondition": _("添加条件"),
        "addDynamic": _("添加动态门槛"),
        "addExclusion": _("添加不计入的消费"),
        "addGate": _("添加门槛"),
        "addGroup": _("添加条件组"),
        "addJump": _("添加跳级"),
        "addMultiplier": _("添加倍数"),
        "addTable": _("添加权重表"),
        "addTier": _("添加等级"),
        "all": _("以下各项都要满足"),
        "any": _("满足其中任意一项"),
        "atMost": _("最多计"),
        "bundles": _("任务包"),
        "caps": _("每日、每周、每月上限"),
        "category": _("品类"),
        "condition": _("条件"),
        "count": _("数量"),
        "counts": _("消费何时计入"),
        "days": _("天数"),
        "dayUnit": pgettext("unit", "天"),
        "delivered": _("发货后计入"),
        "down": _("降级方式"),
        "downOne": _("一次降一级"),
        "dynamic": _("动态门槛"),
        "dynamicBy": _("动态下调"),
        "dynamics": _("动态门槛"),
        "enter": _("升级条件"),
        "excluded": _("不计入的消费"),
        "exclusions": _("不计入的消费"),
        "factor": _("倍数"),
        "fixed": _("固定门槛"),
        "from": _("开始日期"),
        "gates": _("门槛"),
        "gatesHint": _("门槛只能挡住升级，不会带来升级；例如 90 天内没有成立的投诉。"),
        "general": _("对所有等级生效的规则"),
        "grace": _("宽限期"),
        "granted": _("没有升级条件：只能由店铺授予。"),
        "grants": _("奖励"),
        "group": _("条件组"),
        "hints": {
            "weights": _("同样的消费，在不同品类里可以按不同倍数计入。在条件里选用权重表才生效。"),
            "exclude": _("会员能看到每一笔没有计入的原因。"),
            "bundles": _("同一周期内完成几件事，一次性得到积分；每个周期只发一次。"),
            "caps": _("一段时间里最多计多少，防止刷分。"),
            "multipliers": _("从哪天到哪天按倍数计；以前的记录不会改变。"),
            "dynamic": _("停留久、又保持活跃的会员，门槛最多降到 0.8；公式会公开。在条件里选用才生效。"),
            "jumps": _("一次直接上升几级，每位会员只用一次。"),
        },
        "jumps": _("跳级"),
        "keep": _("保级"),
        "keepDefault": _("默认：升级门槛的 0.9；累计条件达到后保留"),
        "keepOwn": _("单独的保级条件"),
        "keepScale": _("按升级门槛的比例"),
        "leaving": _("停留与降级"),
        "lowered": _("门槛乘以"),
        "lowest": _("最低等级是默认等级，注册即是，没有条件"),
        "metric": _("指标"),
        "minStay": _("最短停留"),
        "multipliers": _("限时倍数"),
        "name": _("代号"),
        "nameTaken": _("名称为空或已被使用"),
        "needs": _("需要完成"),
        "newTier": _("新等级"),
        "no": _("否"),
        "notDrawn": _("这段 JSON 还不能画成表单：请先改正下面指出的地方"),
        "operator": _("比较方式"),
        "otherCategories": _("其他品类"),
        "period": _("周期"),
        "pointsPaid": _("用积分支付的部分"),
        "rank": _("序号"),
        "reason": _("理由代号"),
        "remove": _("删除"),
        "removeCondition": _("删除这个条件"),
        "removeGroup": _("删除这个条件组"),
        "removeTier": _("删除这个等级"),
        "risingDays": _("活跃上升天数"),
        "scale": _("保级比例"),
        "settled": _("结算后计入"),
        "spans": {
            "days": _("近 N 天"),
            "week": _("本周"),
            "life": _("累计"),
            "now": _("当前"),
        },
        "tableName": _("权重表"),
        "tier": _("等级"),
        "tierName": _("名称"),
        "tierNameEn": _("英文名称"),
        "tiers": _("等级与条件"),
        "to": _("结束日期"),
        "unchecked": _("暂时无法检查，保存时会再检查一遍"),
        "ungroup": _("取消分组"),
        "unweighted": _("不加权"),
        "up": _("上升级数"),
        "value": _("数值"),
        "weightTables": _("品类权重"),
        "weightedBy": _("按权重"),
        "weights": _("权重表"),
        "window": _("时间窗口"),
        "wrap": _("分组"),
        "wrapHint": _("把这个条件放进一个新的条件组"),
        "yes": _("是"),
    }


class RuleSetForm(forms.ModelForm):
    """The document as text; every mistake is told with its place. What was typed stays, however wrong it is."""

    rules = forms.CharField(
        label=gettext_lazy("规则"),
        strip=False,
        widget=RuleEditor,
    )
    # What the editor was opened with: somebody else's changes are not overwritten unseen.
    opened = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = RuleSetVersion
        fields = ["program", "note", "note_en"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "rules" not in self.fields:
            return
        if self.instance.pk:
            self.fields["rules"].widget.version = self.instance
            self.fields["rules"].initial = pretty(self.instance)
            self.fields["opened"].initial = mark_of(self.instance)
        else:
            self.fields["rules"].initial = json.dumps(BEGINNING, ensure_ascii=False, indent=2)

    def clean_rules(self) -> Any:
        try:
            document = decode(self.cleaned_data["rules"])
            parse_rules(document)
        except RuleErrors as caught:
            raise ValidationError([str(error) for error in caught.errors]) from caught
        return document

    def clean(self) -> dict[str, Any]:
        found = super().clean()
        opened = found.get("opened")
        if self.instance.pk is None or not opened:
            return found
        # Held until what is typed is stored: nobody else saves in between.
        stored = lock_one(RuleSetVersion.objects.filter(pk=self.instance.pk))
        if stored.status != RuleSetVersion.Status.DRAFT:
            self.add_error(None, str(NotADraft()))
        elif opened != mark_of(stored):
            message = _("你打开之后，别人改过这个草稿。请复制你的 JSON，刷新页面后合并再保存。")
            self.add_error("rules", message)
        return found


def mark_of(version: RuleSetVersion) -> str:
    """What somebody who opens the draft has before them, in short."""
    return hashlib.sha256("\n".join([version.sha256, version.note, version.note_en]).encode()).hexdigest()


BEGINNING: Mapping[str, Any] = {
    "schema": 1,
    "tiers": [
        {"rank": 0, "name": "普通会员"},
        {
            "rank": 1,
            "name": "白银会员",
            "enter": {"m": "spend", "win": "30d", "op": ">=", "v": "500.00"},
            "keep": {"scale": "0.9"},
            "min_stay_days": 14,
            "grace_days": 14,
        },
    ],
}


def pretty(version: RuleSetVersion) -> str:
    """The document with its keys in the order in which people write them; the database keeps another."""
    return json.dumps(dump_rules(parse_rules(version.document)), ensure_ascii=False, indent=2)


def answer_of(reading: DraftReading) -> dict[str, Any]:
    """What the editor is told while somebody edits."""
    errors = sum(note.level == "error" for note in reading.notes)
    warnings = len(reading.notes) - errors
    told = []
    if errors:
        told.append(ngettext("%(n)s 处错误", "%(n)s 处错误", errors) % {"n": errors})
    if warnings:
        told.append(ngettext("%(n)s 处提醒", "%(n)s 处提醒", warnings) % {"n": warnings})
    return {
        "notes": [{"path": note.path, "level": note.level, "message": str(note.message)} for note in reading.notes],
        "texts": reading.texts,
        "summary": _("、").join(told) or _("检查通过，可以保存"),
        "tone": "danger" if errors else "warning" if warnings else "success",
    }
