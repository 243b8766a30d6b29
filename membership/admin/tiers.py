"""What the tiers of a draft give: the benefits of each, open while the version is a draft."""

from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from common.admin import ModelAdmin, TabularInline
from membership.exceptions import NotADraft
from membership.models import Benefit, RuleSetVersion, TierRule
from membership.services import edit_benefits

Status = RuleSetVersion.Status


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
    export_columns = ["__str__", "rank", "version"]
    list_filter = ["version", "rank"]
    list_select_related = ["version__program"]
    ordering = ["-version", "rank"]
    fields = ["version", "rank", "name", "name_en"]
    readonly_fields = fields
    inlines = [BenefitInline]

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except NotADraft as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:membership_rulesetversion_changelist"))

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: list, change: bool) -> None:
        if any(formset.has_changed() for formset in formsets):
            edit_benefits(tier_id=form.instance.pk, editor=request.user)
        super().save_related(request, form, formsets, change)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: TierRule | None = None) -> bool:
        return _is_open(obj) and super().has_change_permission(request, obj)


def _is_open(tier: TierRule | None) -> bool:
    return tier is None or tier.version.status == Status.DRAFT
