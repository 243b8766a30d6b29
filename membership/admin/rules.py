"""Programs, the versions of their rules, and what the tiers of a draft give."""

import json
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextareaWidget

from catalog.models import Category
from common.admin import Fact, ModelAdmin, Preview, TabularInline, action, allowed, ask, chip, display, when
from common.admin.confirm import Answer
from common.registries import act_names
from common.texts import in_both, told
from membership.models import Benefit, Program, RuleSetVersion, TierRule
from membership.rules.checks import check
from membership.rules.describe import describe_program, describe_tiers
from membership.rules.dump import dump_rules
from membership.rules.parse import decode, parse_rules
from membership.rules.reading import RuleErrors
from membership.selectors.standing import benefit_texts
from membership.services import copy_rule_set, draft_rule_set, publish_rule_set, revise_draft
from membership.services.rules import publication_problems

Status = RuleSetVersion.Status
STATUS_TONES = {Status.DRAFT: "warning", Status.PUBLISHED: "success", Status.RETIRED: "neutral"}

act_names.update(
    {
        "membership.rules.publish": gettext_lazy("发布等级规则"),
        "membership.rules.what_if": gettext_lazy("推演等级规则"),
        "membership.override.propose": gettext_lazy("申请调整等级"),
        "membership.override.approve": gettext_lazy("批准等级调整"),
        "membership.override.refuse": gettext_lazy("驳回等级调整"),
        "membership.override.end": gettext_lazy("结束等级调整"),
    }
)


@admin.register(Program)
class ProgramAdmin(ModelAdmin):
    list_display = ["__str__", "storefront"]
    fields = ["name", "name_en", "storefront"]


class RuleSetForm(forms.ModelForm):
    """The document as text; every mistake is told with its place."""

    rules = forms.CharField(
        label=gettext_lazy("规则"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 28, "class": "desk-secret", "spellcheck": "false"}),
        help_text=gettext_lazy(
            'JSON。金额写成文本（"1000.00"），窗口写 30d、week、life 或 now。保存后下方会读成句子。'
        ),
    )

    class Meta:
        model = RuleSetVersion
        fields = ["program", "note", "note_en"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "rules" in self.fields:
            self.fields["rules"].initial = pretty(self.instance)

    def clean_rules(self) -> Any:
        try:
            document = decode(self.cleaned_data["rules"])
            parse_rules(document)
        except RuleErrors as caught:
            raise ValidationError([str(error) for error in caught.errors]) from caught
        return document


def pretty(version: RuleSetVersion) -> str:
    """The document with its keys in the order in which people write them; the database keeps another."""
    return json.dumps(dump_rules(parse_rules(version.document)), ensure_ascii=False, indent=2)


class PublishForm(forms.Form):
    effective_from = forms.SplitDateTimeField(
        label=gettext_lazy("生效时间"),
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text=gettext_lazy("留空立即生效。收紧规则请提前公告，选一个以后的时间。"),
    )


@admin.register(RuleSetVersion)
class RuleSetVersionAdmin(ModelAdmin):
    form = RuleSetForm
    list_display = ["__str__", "state", "shown_effective", "note", "author", "approver"]
    list_filter = ["program", "status"]
    list_select_related = ["program", "author", "approver"]
    ordering = ["-id"]
    actions_detail = ["publish", "copy"]
    has_publish_permission = allowed("membership.publish_rulesetversion")
    has_copy_permission = allowed("membership.add_rulesetversion")

    def get_fields(self, request: HttpRequest, obj: RuleSetVersion | None = None) -> list[str]:
        if obj is None:
            return ["program", "note", "note_en", "rules"]
        if obj.status == Status.DRAFT:
            return ["state", "sentences", "note", "note_en", "rules"]
        facts = ["state", "shown_effective", "shown_published", "author", "approver", "note", "note_en", "sha256"]
        return [*facts, "sentences", "shown_document"]

    def get_readonly_fields(self, request: HttpRequest, obj: RuleSetVersion | None = None) -> list[str]:
        if obj is not None and obj.status == Status.DRAFT:
            return ["state", "sentences"]
        return [] if obj is None else self.get_fields(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: RuleSetVersion | None = None) -> bool:
        is_open = obj is None or obj.status == Status.DRAFT
        return is_open and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: RuleSetVersion | None = None) -> bool:
        is_draft = obj is not None and obj.status == Status.DRAFT
        return is_draft and request.user.has_perm("membership.delete_rulesetversion")

    def save_model(self, request: HttpRequest, obj: RuleSetVersion, form: RuleSetForm, change: bool) -> None:
        said = {"document": form.cleaned_data["rules"]}
        said |= {name: form.cleaned_data[name] for name in ("note", "note_en")}
        if change:
            revise_draft(version_id=obj.pk, **said)
            return
        drafted = draft_rule_set(program=obj.program, author=request.user, **said)
        obj.pk, obj.number = drafted.pk, drafted.number

    @display(description=gettext_lazy("状态"), ordering="status")
    def state(self, version: RuleSetVersion):
        return chip(version.get_status_display(), STATUS_TONES[Status(version.status)])

    @display(description=gettext_lazy("生效时间"), ordering="effective_from")
    def shown_effective(self, version: RuleSetVersion):
        return when(version.effective_from) or "–"

    @display(description=gettext_lazy("发布时间"))
    def shown_published(self, version: RuleSetVersion):
        return when(version.published_at) or "–"

    @display(description=gettext_lazy("规则"))
    def shown_document(self, version: RuleSetVersion) -> SafeString:
        return SafeString(render_to_string("membership/admin/document.html", {"text": pretty(version)}))

    @display(description=gettext_lazy("读作"))
    def sentences(self, version: RuleSetVersion) -> SafeString:
        return rules_as_sentences(version)

    @action(description=gettext_lazy("发布"), icon="publish", permissions=["publish"])
    def publish(self, request: HttpRequest, object_id: int) -> HttpResponse:
        version = self.one(request, object_id)
        return ask(
            self,
            request,
            title=_("发布规则"),
            form=partial(PublishForm),
            preview=partial(self._preview, version),
            run=partial(self._publish, version, request.user),
            target=version,
        )

    @staticmethod
    def _preview(version: RuleSetVersion, answer: Answer) -> Preview:
        starts = answer.data["effective_from"]
        problems = publication_problems(version=version, effective_from=starts)
        columns = [_("等级"), _("升级条件"), _("保级")]
        tiers = describe_tiers(parse_rules(version.document))
        return Preview(
            facts=[
                Fact(_("版本"), version),
                Fact(_("生效时间"), when(starts) or _("立即"), strong=True),
            ],
            columns=columns,
            rows=[(tier.name, tier.enter or "–", tier.keep or "–") for tier in tiers],
            warnings=[f"{path}: {message}" if path else message for path, message in problems],
            submit=_("发布"),
            possible=not problems,
        )

    @staticmethod
    def _publish(version: RuleSetVersion, approver: Any, answer: Answer) -> str:
        publish_rule_set(version_id=version.pk, approver=approver, effective_from=answer.data["effective_from"])
        return _("已发布，会员会按新规则重新评定")

    @action(description=gettext_lazy("复制为草稿"), icon="content_copy", permissions=["copy"])
    def copy(self, request: HttpRequest, object_id: int) -> HttpResponse:
        version = self.one(request, object_id)

        def run(answer: Answer) -> HttpResponse:
            note, note_en = in_both(told(gettext_lazy("复制自第 %(number)s 版"), number=version.number))
            draft = copy_rule_set(version=version, author=request.user, note=note, note_en=note_en)
            return HttpResponseRedirect(reverse("admin:membership_rulesetversion_change", args=[draft.pk]))

        facts = [Fact(_("版本"), version)]
        preview = Preview(facts=facts, warnings=[_("规则与权益会一起复制；改好后再发布。")], submit=_("复制"))
        return ask(
            self, request, title=_("复制为草稿"), preview=lambda answer: preview, run=run, target=version, danger=False
        )


def rules_as_sentences(version: RuleSetVersion) -> SafeString:
    """The tiers with conditions and benefits, what holds for all, and what the checks found."""
    rules = parse_rules(version.document)
    rows = {tier.rank: tier for tier in version.tiers.prefetch_related("benefits")}
    context = {
        "findings": check(rules),
        "general": describe_program(rules, {one.code: str(one) for one in Category.objects.all()}),
        "tiers": [
            {
                "text": text,
                "benefits": benefit_texts(rows[text.rank]),
                "edit_url": reverse("admin:membership_tierrule_change", args=[rows[text.rank].pk])
                if version.status == Status.DRAFT
                else "",
            }
            for text in describe_tiers(rules)
        ],
    }
    return SafeString(render_to_string("membership/admin/rules.html", context))


class BenefitInline(TabularInline):
    model = Benefit
    hide_title = True
    fields = ["kind", "layer", "value", "code", "text", "text_en", "stacking"]

    def has_change_permission(self, request: HttpRequest, obj: TierRule | None = None) -> bool:
        return _is_open(obj) and super().has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: TierRule | None = None) -> bool:
        return _is_open(obj) and super().has_add_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: TierRule | None = None) -> bool:
        return _is_open(obj) and super().has_delete_permission(request, obj)


@admin.register(TierRule)
class TierRuleAdmin(ModelAdmin):
    """One tier of a version: its benefits may be changed while the version is a draft. Reached from the version."""

    list_display = ["__str__", "rank", "version"]
    list_filter = ["version", "rank"]
    list_select_related = ["version__program"]
    ordering = ["-version", "rank"]
    fields = ["version", "rank", "name", "name_en"]
    readonly_fields = fields
    inlines = [BenefitInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: TierRule | None = None) -> bool:
        return _is_open(obj) and super().has_change_permission(request, obj)


def _is_open(tier: TierRule | None) -> bool:
    return tier is None or tier.version.status == Status.DRAFT
