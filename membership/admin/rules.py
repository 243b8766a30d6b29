"""Programs, the versions of their rules, and what the tiers of a draft give."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Category
from common.admin import Fact, ModelAdmin, Preview, action, allowed, ask, chip, display, when
from common.admin.confirm import Answer
from common.registries import act_names
from common.texts import in_both, listed, told, with_remark
from membership.admin.editor import RuleSetForm, answer_of, pretty
from membership.admin.publishing import Publishing, steps_of
from membership.models import Program, RuleSetVersion
from membership.rules.checks import check
from membership.rules.describe import describe_program, describe_tiers
from membership.rules.parse import parse_rules
from membership.selectors.drafts import read_draft
from membership.selectors.standing import benefit_texts
from membership.services import copy_rule_set, draft_rule_set, revise_draft
from membership.services.rules import writers_of

Status = RuleSetVersion.Status
STATUS_TONES = {Status.DRAFT: "warning", Status.PUBLISHED: "success", Status.RETIRED: "neutral"}

act_names.update(
    {
        "membership.rules.publish": gettext_lazy("发布等级规则"),
        "membership.rules.what_if": gettext_lazy("推演等级规则"),
        "membership.activity.flag": gettext_lazy("判定活动不计入"),
        "membership.activity.clear": gettext_lazy("恢复计入"),
        "membership.override.propose": gettext_lazy("申请调整等级"),
        "membership.override.approve": gettext_lazy("批准等级调整"),
        "membership.override.refuse": gettext_lazy("驳回等级调整"),
        "membership.override.end": gettext_lazy("结束等级调整"),
    }
)


@admin.register(Program)
class ProgramAdmin(ModelAdmin):
    list_display = ["__str__", "storefront"]
    list_select_related = ["storefront"]
    list_filter = ["storefront"]
    export_columns = ["name", "name_en", "storefront"]
    fields = ["name", "name_en", "storefront"]


@admin.register(RuleSetVersion)
class RuleSetVersionAdmin(Publishing, ModelAdmin):
    form = RuleSetForm
    list_display = ["__str__", "state", "shown_effective", "note", "author", "approver"]
    export_columns = ["program", "number", "status", "effective_from", "policy", "note", "author", "approver", "sha256"]
    list_filter = ["program", "status"]
    list_select_related = ["program", "author", "approver"]
    ordering = ["-id"]
    actions_detail = ["try_out", "publish", "copy"]
    has_copy_permission = allowed("membership.add_rulesetversion")

    def get_fields(self, request: HttpRequest, obj: RuleSetVersion | None = None) -> list[str]:
        if obj is None:
            return ["program", "note", "note_en", "rules", "opened"]
        if obj.status == Status.DRAFT:
            return ["state", "steps", "note", "note_en", "rules", "opened", "sentences"]
        facts = [
            "state",
            "shown_effective",
            "shown_policy",
            "shown_published",
            "writers",
            "approver",
            "note",
            "note_en",
        ]
        return [*facts, "sha256", "sentences", "shown_document"]

    def get_readonly_fields(self, request: HttpRequest, obj: RuleSetVersion | None = None) -> list[str]:
        if obj is not None and obj.status == Status.DRAFT:
            return ["state", "steps", "sentences"]
        return [] if obj is None else self.get_fields(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: RuleSetVersion | None = None) -> bool:
        is_open = obj is None or obj.status == Status.DRAFT
        return is_open and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: RuleSetVersion | None = None) -> bool:
        is_draft = obj is not None and obj.status == Status.DRAFT
        return is_draft and request.user.has_perm("membership.delete_rulesetversion")

    def get_urls(self) -> list:
        check = path("check/", self.admin_site.admin_view(self.check_view), name="membership_rulesetversion_check")
        return [check, *super().get_urls()]

    def check_view(self, request: HttpRequest) -> JsonResponse:
        """What the rules of an editor read as, and what is wrong with them. Writes nothing."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        number = request.POST.get("version", "")
        drafts = RuleSetVersion.objects.filter(status=Status.DRAFT)
        version = (
            drafts.filter(pk=number).first() if number.isascii() and number.isdecimal() and len(number) < 10 else None
        )
        return JsonResponse(answer_of(read_draft(request.POST.get("rules", ""), version)))

    def save_model(self, request: HttpRequest, obj: RuleSetVersion, form: RuleSetForm, change: bool) -> None:
        said = {"document": form.cleaned_data["rules"]}
        said |= {name: form.cleaned_data[name] for name in ("note", "note_en")}
        if change:
            revise_draft(version_id=obj.pk, editor=request.user, **said)
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

    @display(description=gettext_lazy("过渡方式"))
    def shown_policy(self, version: RuleSetVersion) -> str:
        return with_remark(version.get_policy_display(), version.policy_until)

    @display(description=gettext_lazy("作者"))
    def writers(self, version: RuleSetVersion) -> str:
        return listed(writers_of(version)) or "–"

    @display(description=gettext_lazy("进度"))
    def steps(self, version: RuleSetVersion) -> SafeString:
        return steps_of(version)

    @display(description=gettext_lazy("规则"))
    def shown_document(self, version: RuleSetVersion) -> SafeString:
        return SafeString(render_to_string("membership/admin/document.html", {"text": pretty(version)}))

    @display(description=gettext_lazy("保存的规则读作"))
    def sentences(self, version: RuleSetVersion) -> SafeString:
        return rules_as_sentences(version)

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
