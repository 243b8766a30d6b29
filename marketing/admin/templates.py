"""Coupon templates: their terms, how many are out, and giving them to members."""

from copy import copy
from functools import partial

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from common import clock
from common.admin import Fact, ModelAdmin, Preview, action, allowed, ask, display, when
from common.admin.confirm import Answer
from common.exceptions import DomainError
from common.registries import act_names
from common.texts import listed
from marketing.admin.shown import template_chip
from marketing.models import Coupon, CouponSlot, CouponTemplate
from marketing.selectors import scope_text, terms_text
from marketing.services import issue_to_members, save_template
from marketing.services.issuing import MOST_AT_ONCE, expiry
from marketing.services.templates import check_limit, check_terms

SHOWN = 20
act_names.update(
    {
        "marketing.template.save": gettext_lazy("保存优惠券"),
        "marketing.coupons.issue": gettext_lazy("向会员发放优惠券"),
        "marketing.coupon.revoke": gettext_lazy("撤销会员的优惠券"),
    }
)
State = Coupon.State


class TemplateForm(forms.ModelForm):
    """Refuses on the page what the service would refuse."""

    class Meta:
        model = CouponTemplate
        exclude: list[str] = []

    def clean(self) -> dict:
        cleaned = super().clean()
        if self.instance.pk and not self.errors:
            before = CouponTemplate.objects.get(pk=self.instance.pk)
            after = copy(before)
            for name in set(cleaned) - {"categories", "products"}:
                setattr(after, name, cleaned[name])
            try:
                check_terms(before, after, cleaned["categories"], cleaned["products"])
                check_limit(after)
            except DomainError as refusal:
                raise forms.ValidationError(str(refusal)) from refusal
        return cleaned


class IssueForm(forms.Form):
    usernames = forms.CharField(
        label=gettext_lazy("会员用户名"),
        max_length=60_000,
        widget=UnfoldAdminTextareaWidget({"rows": 8, "spellcheck": "false"}),
        help_text=gettext_lazy("每行一个，也可以用逗号或空格分开；一次最多 1000 人"),
    )
    reason = forms.CharField(
        label=gettext_lazy("原因"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("写入审计记录"),
    )

    def clean_usernames(self) -> list[str]:
        text = self.cleaned_data["usernames"].replace(",", " ").replace("，", " ").replace("、", " ")
        names = list(dict.fromkeys(text.split()))
        if len(names) > MOST_AT_ONCE:
            raise forms.ValidationError(_("一次最多 %(most)s 人") % {"most": MOST_AT_ONCE})
        return names


@admin.register(CouponTemplate)
class CouponTemplateAdmin(ModelAdmin):
    form = TemplateForm
    list_display = ["name", "terms", "source", "shown_state", "issued", "used", "left"]
    list_filter = ["source", "kind", "is_active"]
    search_fields = ["name", "=code"]
    search_help_text = gettext_lazy("按名称或代码查找")
    ordering = ["-id"]
    actions_detail = ["issue"]
    autocomplete_fields = ["products"]
    filter_horizontal = ["categories"]
    export_columns = ["code", "name", "terms", "scope", "source", "total_limit", "issued", "used"]
    has_issue_permission = allowed("marketing.issue_coupons")
    fieldsets = [
        (None, {"fields": ["shown_state", "code", ("name", "name_en"), "storefront", "is_active"]}),
        (
            gettext_lazy("优惠内容"),
            {
                "fields": [
                    "kind",
                    ("amount_off", "rate", "max_off"),
                    "min_spend",
                    "categories",
                    "products",
                    ("with_member_price", "with_quantity_price"),
                ]
            },
        ),
        (
            gettext_lazy("怎么发"),
            {
                "fields": [
                    ("source", "points_price", "event_code"),
                    ("starts_at", "ends_at"),
                    ("valid_days", "valid_until"),
                    ("total_limit", "per_member"),
                ]
            },
        ),
    ]
    readonly_fields = ["shown_state"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CouponTemplate]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                issued_count=Count("coupons", filter=~Q(coupons__state=State.REVOKED)),
                used_count=Count("coupons", filter=Q(coupons__state=State.USED)),
            )
            .prefetch_related("categories", "products")
        )

    def save_model(self, request: HttpRequest, obj: CouponTemplate, form: forms.ModelForm, change: bool) -> None:
        scope = {name: form.cleaned_data[name] for name in ("categories", "products")}
        save_template(template=obj, **scope, actor=request.user)

    @display(description=gettext_lazy("优惠内容"))
    def terms(self, template: CouponTemplate) -> str:
        return terms_text(template)

    @display(description=gettext_lazy("适用范围"))
    def scope(self, template: CouponTemplate) -> str:
        return scope_text(template)

    @display(description=gettext_lazy("状态"))
    def shown_state(self, template: CouponTemplate):
        return template_chip(template, clock.now()) if template.pk else "–"

    @display(description=gettext_lazy("已发"), ordering="issued_count")
    def issued(self, template: CouponTemplate) -> int:
        return template.issued_count

    @display(description=gettext_lazy("已用"), ordering="used_count")
    def used(self, template: CouponTemplate) -> int:
        return template.used_count

    @display(description=gettext_lazy("剩余"))
    def left(self, template: CouponTemplate) -> str:
        return "∞" if template.total_limit is None else str(template.total_limit - template.issued_count)

    @action(description=gettext_lazy("发放给会员"), icon="card_giftcard", permissions=["issue"])
    def issue(self, request: HttpRequest, object_id: int) -> HttpResponse:
        template = self.one(request, object_id)
        return ask(
            self,
            request,
            title=_("发放给会员"),
            form=partial(IssueForm),
            preview=partial(self._preview, template),
            run=partial(self._issue, request, template),
            target=template,
            danger=False,
        )

    @staticmethod
    def _preview(template: CouponTemplate, answer: Answer) -> Preview:
        users, unknown = found_members(answer.data["usernames"])
        holders = set(Coupon.objects.filter(template=template, owner__in=users).values_list("owner_id", flat=True))
        problems = list(_problems(template, users, unknown))
        rows = [(user.get_username(), user.display_name, _("已持有过") if user.pk in holders else "") for user in users]
        return Preview(
            facts=[
                Fact(_("优惠券"), template),
                Fact(_("优惠内容"), terms_text(template)),
                Fact(_("有效至"), when(expiry(template, clock.now()))),
                Fact(_("发放人数"), len(users), strong=True),
                Fact(_("其中已持有过"), len(holders)),
                Fact(_("原因"), answer.data["reason"]),
            ],
            columns=[_("用户名"), _("昵称"), ""],
            rows=rows[:SHOWN],
            more=max(len(rows) - SHOWN, 0),
            warnings=problems,
            submit=_("发放"),
            possible=bool(users) and not problems,
        )

    @staticmethod
    def _issue(request: HttpRequest, template: CouponTemplate, answer: Answer) -> str:
        users, _unknown = found_members(answer.data["usernames"])
        count = issue_to_members(
            template_id=template.pk,
            user_ids=[user.pk for user in users],
            ref=answer.token,
            reason=answer.data["reason"],
            actor=request.user,
            address=request.client_address,
        )
        return _("已发放给 %(count)s 位会员") % {"count": count}


def _problems(template: CouponTemplate, users: list[User], unknown: list[str]):
    """Why this template cannot go to these members."""
    if unknown:
        yield _("没有这些会员：%(names)s") % {"names": listed(unknown[:SHOWN])}
    if not template.is_active or expiry(template, clock.now()) <= clock.now():
        yield _("这张优惠券已停发或已过有效期")
    if template.total_limit is not None:
        free = CouponSlot.objects.filter(template=template, coupon=None).count()
        if free < len(users):
            yield _("名额只剩 %(free)s 个，不够发放") % {"free": free}


def found_members(names: list[str]) -> tuple[list[User], list[str]]:
    """Active members by these names, in any case, and the names of nobody."""
    wanted = {name.lower(): name for name in names}
    users = list(User.objects.annotate(lower=Lower("username")).filter(lower__in=wanted, is_active=True).order_by("pk"))
    known = {user.username.lower() for user in users}
    return users, [name for key, name in wanted.items() if key not in known]
