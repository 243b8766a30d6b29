"""Members and staff. What is changed here goes through accounts.services.staff."""

from collections.abc import Collection
from functools import partial

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework.authtoken.models import TokenProxy

from accounts import services
from accounts.admin.forms import ReasonForm, RightsForm, StaffForm
from accounts.models import User
from accounts.services.staff import may_touch
from audit.selectors import history_of
from common.admin import (
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    action,
    allowed,
    ask,
    chip,
    display,
    moment,
)
from common.admin.confirm import Answer
from common.registries import act_names, timelines
from common.texts import listed

# Their rows are shown on the user's page; a token is a secret that no page shows.
for hidden in (EmailAddress, EmailConfirmation, Authenticator, TokenProxy):
    if admin.site.is_registered(hidden):
        admin.site.unregister(hidden)

act_names.update(
    {
        "user.block": _("停用账户"),
        "user.unblock": _("启用账户"),
        "user.reset_password": _("设置临时密码"),
        "user.own_password": _("本人修改密码"),
        "user.rights": _("更改员工权限"),
        "user.create_staff": _("新建员工"),
        "user.superuser": _("用命令新建超级管理员"),
        "user.desk_sign_in": _("登录后台"),
        "user.export": _("申请数据副本"),
        "user.ask_erasure": _("申请注销账户"),
        "user.cancel_erasure": _("取消注销申请"),
        "user.erase": _("注销账户"),
        "factor.added": _("添加两步验证"),
        "factor.lifted": _("客服移除两步验证"),
        "factor.removed": _("移除两步验证"),
        "factor.reset": _("重新生成恢复码"),
        "token.end": _("停用全部 API 令牌"),
        "token.issue": _("签发 API 令牌"),
        "token.revoke": _("吊销 API 令牌"),
    }
)
FACTORS = {
    Authenticator.Type.TOTP: _("验证器"),
    Authenticator.Type.WEBAUTHN: _("通行密钥"),
    Authenticator.Type.RECOVERY_CODES: _("恢复码"),
}
timelines.add("accounts.User", lambda user, viewer: history_of(user))


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ["username", "display_name", "contact", "chips", "home_storefront", "joined", "seen"]
    list_filter = ["is_staff", "is_active", "groups", "home_storefront", ("date_joined", DayRangeFilter)]
    list_select_related = ["home_storefront"]
    search_fields = ["^username", "^display_name", "^email", "^phone", "=public_id"]
    search_help_text = _("按用户名、昵称、邮箱或手机号的开头查找")
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": ["username", "display_name", "chips", "home_storefront", "joined", "seen", "public_id"]}),
        (_("联系方式"), {"fields": ["shown_email", "shown_phone"]}),
        (_("登录安全"), {"fields": ["factors"]}),
        (_("员工权限"), {"fields": ["group_names"]}),
    ]
    export_columns = ["username", "display_name", "contact", "chips", "home_storefront", "date_joined", "last_login"]
    export_right = "accounts.export_people"
    actions_list = ["add_staff"]
    actions_detail = ["block", "unblock", "rights", "reset_password", "reset_factors"]
    has_block_permission = allowed("accounts.block_user")
    has_reset_permission = allowed("accounts.reset_password")
    has_factor_permission = allowed("accounts.reset_factors")
    has_staff_permission = allowed("accounts.manage_staff")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        return [name for _title, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> list:
        sets = super().get_fieldsets(request, obj)
        return sets if obj is not None and obj.is_staff else sets[:3]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows = super().get_queryset(request)
        # Colleagues and their rights are for those who manage them, and for everybody himself.
        if self.has_staff_permission(request):
            return rows
        return rows.filter(is_staff=False) | rows.filter(pk=request.user.pk)

    def get_list_filter(self, request: HttpRequest) -> list:
        staff = {"is_staff", "groups"}
        return [one for one in self.list_filter if one not in staff or self.has_staff_permission(request)]

    def fitting_acts(self, obj: User, user: User) -> Collection[str]:
        if obj.pk == user.pk or not may_touch(obj, user):
            return []
        unfit = {"unblock" if obj.is_active else "block"}
        if not services.has_second_factor(obj):
            unfit.add("reset_factors")
        return set(self.actions_detail) - unfit

    @display(description=_("联系方式"))
    def contact(self, user: User) -> str:
        return user.email or user.phone or "–"

    @display(description=_("状态"))
    def chips(self, user: User) -> SafeString:
        shown = [chip(_("正常"), "success") if user.is_active else chip(_("已停用"), "danger")]
        if user.is_superuser:
            shown.append(chip(_("超级管理员"), "warning"))
        elif user.is_staff:
            shown.append(chip(_("员工"), "info"))
        return format_html_join(" ", "{}", ((one,) for one in shown))

    @display(description=_("注册时间"), ordering="date_joined")
    def joined(self, user: User):
        return moment(user.date_joined)

    @display(description=_("最近登录"))
    def seen(self, user: User):
        return moment(user.last_login) or "–"

    @display(description=_("邮箱"))
    def shown_email(self, user: User):
        return _contact(user.email, bool(user.email_verified_at))

    @display(description=_("手机号"))
    def shown_phone(self, user: User):
        return _contact(user.phone, bool(user.phone_verified_at))

    @display(description=_("两步验证"))
    def factors(self, user: User):
        kinds = Authenticator.objects.filter(user_id=user.pk).order_by("pk").values_list("type", flat=True)
        return listed(str(FACTORS[kind]) for kind in kinds) or "–"

    @display(description=_("员工组"))
    def group_names(self, user: User) -> str:
        return listed(user.groups.order_by("name").values_list("name", flat=True)) or "–"

    @action(description=_("停用"), icon="block", permissions=["block"])
    def block(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.one(request, object_id)
        preview = Preview(
            facts=[Fact(_("账户"), user.get_username(), strong=True), Fact(_("昵称"), user.display_name or "–")],
            warnings=[_("停用后，该用户会立即退出登录，API 令牌失效；已付款的订单仍会发货，余额保留。")],
            submit=_("停用账户"),
        )
        return self._switch(request, user, services.block, _("停用账户"), preview, _("已停用 %(name)s。"))

    @action(description=_("启用"), icon="check_circle", permissions=["block"])
    def unblock(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.one(request, object_id)
        preview = Preview(facts=[Fact(_("账户"), user.get_username(), strong=True)], submit=_("启用账户"))
        return self._switch(request, user, services.unblock, _("启用账户"), preview, _("已启用 %(name)s。"))

    def _switch(self, request: HttpRequest, user: User, service, title, preview: Preview, done) -> HttpResponse:
        def run(answer: Answer) -> str:
            service(user_id=user.pk, reason=answer.data["reason"], actor=request.user, address=request.client_address)
            return done % {"name": user.get_username()}

        return ask(
            self,
            request,
            title=title,
            form=ReasonForm,
            preview=lambda answer: preview,
            run=run,
            target=user,
            danger=service is services.block,
        )

    @action(description=_("临时密码"), icon="key", permissions=["reset"])
    def reset_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.one(request, object_id)

        def run(answer: Answer) -> HttpResponse:
            password = services.set_temporary_password(
                user_id=user.pk, actor=request.user, address=request.client_address
            )
            return self._show_password(request, user, password)

        preview = Preview(
            facts=[Fact(_("账户"), user.get_username(), strong=True), Fact(_("邮箱"), user.email or "–")],
            warnings=[_("原密码立即失效，所有设备退出登录。临时密码只显示一次。")],
            submit=_("生成临时密码"),
        )
        return ask(self, request, title=_("设置临时密码"), preview=lambda answer: preview, run=run, target=user)

    def _show_password(self, request: HttpRequest, user: User, password: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("临时密码"),
            "subtitle": user.get_username(),
            "opts": self.opts,
            "original": user,
            "secret": password,
            "back": reverse("admin:accounts_user_change", args=[user.pk]),
        }
        return TemplateResponse(request, "accounts/admin/password.html", context)

    @action(description=_("移除两步验证"), icon="phonelink_erase", permissions=["factor"])
    def reset_factors(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.one(request, object_id)

        def run(answer: Answer) -> str:
            services.remove_factors(
                user_id=user.pk, reason=answer.data["reason"], actor=request.user, address=request.client_address
            )
            return gettext("已移除 %(name)s 的两步验证。") % {"name": user.get_username()}

        preview = Preview(
            facts=[Fact(_("账户"), user.get_username(), strong=True), Fact(_("两步验证"), self.factors(user))],
            warnings=[_("之后只凭密码就能登录。请先确认来人就是本人。")],
            submit=_("移除两步验证"),
        )
        return ask(
            self,
            request,
            title=_("移除两步验证"),
            form=ReasonForm,
            preview=lambda answer: preview,
            run=run,
            target=user,
        )

    @action(description=_("员工权限"), icon="badge", permissions=["staff"])
    def rights(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.one(request, object_id)
        return ask(
            self,
            request,
            title=_("员工权限"),
            form=partial(RightsForm, user=user, actor=request.user),
            preview=partial(self._preview_rights, user),
            run=partial(self._set_rights, request, user),
            target=user,
        )

    @staticmethod
    def _preview_rights(user: User, answer: Answer) -> Preview:
        staff = answer.data["is_staff"]
        groups = [group.name for group in answer.data["groups"]] if staff else []
        before = listed(user.groups.order_by("name").values_list("name", flat=True)) or gettext("无")
        facts = [
            Fact(_("账户"), user.get_username(), strong=True),
            Fact(_("可登录后台"), _yes_no(staff), was=_yes_no(user.is_staff)),
            Fact(_("员工组"), listed(groups) or gettext("无"), was=before),
        ]
        if "is_superuser" in answer.data:
            wanted = staff and answer.data["is_superuser"]
            facts.append(Fact(_("超级管理员"), _yes_no(wanted), was=_yes_no(user.is_superuser)))
        return Preview(facts=facts, submit=_("保存权限"))

    @staticmethod
    def _set_rights(request: HttpRequest, user: User, answer: Answer) -> str:
        services.set_rights(
            user_id=user.pk,
            is_staff=answer.data["is_staff"],
            is_superuser=answer.data.get("is_superuser", user.is_superuser),
            group_ids=[group.pk for group in answer.data["groups"]],
            actor=request.user,
            address=request.client_address,
        )
        return gettext("已更新 %(name)s 的权限。") % {"name": user.get_username()}

    @action(description=_("新建员工"), url_path="add-staff", icon="person_add", permissions=["staff"])
    def add_staff(self, request: HttpRequest) -> HttpResponse:
        def run(answer: Answer) -> str:
            user = services.create_staff(
                username=answer.data["username"],
                password=answer.data["password"],
                display_name=answer.data["display_name"],
                group_ids=[group.pk for group in answer.data["groups"]],
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已新建员工 %(name)s。") % {"name": user.get_username()}

        def preview(answer: Answer) -> Preview:
            groups = listed(group.name for group in answer.data["groups"])
            facts = [Fact(_("用户名"), answer.data["username"], strong=True), Fact(_("员工组"), groups)]
            return Preview(facts=facts, submit=_("新建员工"))

        return ask(self, request, title=_("新建员工"), form=StaffForm, preview=preview, run=run, danger=False)


def _yes_no(value: bool) -> str:
    return gettext("是") if value else gettext("否")


def _contact(value: str, verified: bool):
    if not value:
        return "–"
    mark = chip(_("已验证"), "success") if verified else chip(_("未验证"))
    return format_html("{} {}", value, mark)
