"""Who tried to sign in, and doors that are shut after too many wrong passwords."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.admin.forms import ReasonForm
from accounts.models import Lockout, SignInTry
from accounts.services import unlock
from common import clock
from common.admin import DayRangeFilter, Fact, Preview, ReadOnlyAdmin, action, allowed, ask, chip, display, moment
from common.admin.confirm import Answer
from common.registries import act_names

act_names["user.unlock"] = _("解除登录锁定")


@admin.register(SignInTry)
class SignInTryAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "whose", "outcome", "door", "address"]
    list_filter = ["right", "door", ("at", DayRangeFilter)]
    list_select_related = ["user"]
    search_fields = ["=user__username", "=address"]
    search_help_text = _("按用户名或网络地址精确查找")
    ordering = ["-id"]
    fields = ["shown_at", "whose", "outcome", "door", "address"]
    export_columns = ["at", "user", "right", "door", "address"]
    export_right = "accounts.export_people"

    @display(description=_("时间"))
    def shown_at(self, one: SignInTry):
        return moment(one.at)

    @display(description=_("用户"))
    def whose(self, one: SignInTry) -> str:
        return one.user.get_username() if one.user else gettext("没有这个用户")

    @display(description=_("结果"))
    def outcome(self, one: SignInTry):
        return chip(_("成功"), "success") if one.right else chip(_("密码错误"), "danger")


@admin.register(Lockout)
class LockoutAdmin(ReadOnlyAdmin):
    list_display = ["shown_since", "whose", "address", "state", "shown_until"]
    list_filter = ["ended_by", ("since", DayRangeFilter)]
    list_select_related = ["user"]
    search_fields = ["=user__username", "=address"]
    search_help_text = _("按用户名或网络地址精确查找")
    ordering = ["-id"]
    fields = ["shown_since", "shown_until", "whose", "address", "state", "ended_at", "ended_by"]
    export_columns = ["since", "until", "user", "address", "ended_at", "ended_by"]
    export_right = "accounts.export_people"
    actions_detail = ["unlock"]
    has_unlock_permission = allowed("accounts.unlock_sign_in")

    @display(description=_("锁定时间"))
    def shown_since(self, one: Lockout):
        return moment(one.since)

    @display(description=_("锁定到"))
    def shown_until(self, one: Lockout):
        return moment(one.until)

    @display(description=_("用户"))
    def whose(self, one: Lockout) -> str:
        return one.user.get_username() if one.user else gettext("没有这个用户")

    @display(description=_("状态"))
    def state(self, one: Lockout):
        if one.ended_at is not None:
            return chip(_("已解除"), "success")
        return chip(_("锁定中"), "danger") if one.until > clock.now() else chip(_("已到期"))

    @action(description=_("解除锁定"), icon="lock_open", permissions=["unlock"])
    def unlock(self, request: HttpRequest, object_id: str) -> HttpResponse:
        one = self.one(request, object_id)

        def run(answer: Answer) -> str:
            unlock(lockout_id=one.pk, reason=answer.data["reason"], actor=request.user, address=request.client_address)
            return gettext("已解除锁定，可以重新登录。")

        preview = Preview(
            facts=[Fact(_("用户"), self.whose(one), strong=True), Fact(_("网络地址"), one.address)],
            warnings=[_("请先确认是本人：解除后，这个网络又可以尝试这个账户的密码。")],
            submit=_("解除锁定"),
        )
        return ask(
            self, request, title=_("解除登录锁定"), form=ReasonForm, preview=lambda answer: preview, run=run, target=one
        )
