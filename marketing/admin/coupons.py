"""Coupons in members' hands, and taking one away."""

from functools import partial

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from common import clock
from common.admin import (
    ActionVariant,
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    allowed,
    ask,
    display,
    moment,
    when,
)
from common.admin.confirm import Answer
from common.registries import Panel, panels
from marketing.admin.shown import coupon_chip
from marketing.models import Coupon, CouponUse
from marketing.selectors import terms_text
from marketing.services import revoke_coupon

SHOWN = 8


class RevokeForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("原因"), max_length=200, widget=UnfoldAdminTextareaWidget({"rows": 3}))


class UseInline(ReadOnlyInline):
    model = CouponUse
    fields = ["order_id", "amount", "at", "given_back_at", "cause"]


@admin.register(Coupon)
class CouponAdmin(ReadOnlyAdmin):
    list_display = ["owner", "template", "shown_state", "shown_issued", "shown_expires", "order_id"]
    list_filter = ["state", "template", ("issued_at", DayRangeFilter), ("expires_at", DayRangeFilter)]
    list_select_related = ["owner", "template"]
    search_fields = ["^owner__username", "=public_id", "=source_ref"]
    search_help_text = gettext_lazy("按用户名的开头，或券的编号、来源精确查找")
    ordering = ["-id"]
    fields = [
        "owner",
        "template",
        "shown_state",
        "number",
        "public_id",
        "source_ref",
        "issued_at",
        "expires_at",
        "order_id",
        "used_at",
        "revoked_at",
        "revoke_reason",
    ]
    inlines = [UseInline]
    actions_detail = ["revoke"]
    export_columns = ["owner", "template", "state", "number", "source_ref", "issued_at", "expires_at", "order_id"]
    has_revoke_permission = allowed("marketing.revoke_coupon")
    has_export_permission = allowed("marketing.export_coupon")

    @display(description=gettext_lazy("状态"), ordering="state")
    def shown_state(self, coupon: Coupon):
        return coupon_chip(coupon, clock.now())

    @display(description=gettext_lazy("发放时间"), ordering="issued_at")
    def shown_issued(self, coupon: Coupon):
        return moment(coupon.issued_at)

    @display(description=gettext_lazy("有效至"), ordering="expires_at")
    def shown_expires(self, coupon: Coupon):
        return moment(coupon.expires_at)

    @action(description=gettext_lazy("撤销"), icon="block", permissions=["revoke"], variant=ActionVariant.DANGER)
    def revoke(self, request: HttpRequest, object_id: int) -> HttpResponse:
        coupon = self.one(request, object_id)
        return ask(
            self,
            request,
            title=_("撤销优惠券"),
            form=partial(RevokeForm),
            preview=partial(self._preview, coupon),
            run=partial(self._revoke, request, coupon),
            target=coupon,
        )

    @staticmethod
    def _preview(coupon: Coupon, answer: Answer) -> Preview:
        possible = coupon.state == Coupon.State.USABLE
        return Preview(
            facts=[
                Fact(_("会员"), coupon.owner, strong=True),
                Fact(_("优惠券"), coupon.template),
                Fact(_("优惠内容"), terms_text(coupon.template)),
                Fact(_("有效至"), when(coupon.expires_at)),
                Fact(_("原因"), answer.data["reason"]),
            ],
            warnings=[] if possible else [_("只有未使用的券可以撤销")],
            submit=_("撤销"),
            possible=possible,
        )

    @staticmethod
    def _revoke(request: HttpRequest, coupon: Coupon, answer: Answer) -> str:
        revoke_coupon(
            coupon_id=coupon.pk, reason=answer.data["reason"], actor=request.user, address=request.client_address
        )
        return _("已撤销")


def coupons_panel(user: User, viewer: User) -> Panel | None:
    """A member's latest coupons, on their page."""
    if not viewer.has_perm("marketing.view_coupon"):
        return None
    at = clock.now()
    latest = Coupon.objects.filter(owner=user).select_related("template").order_by("-pk")[:SHOWN]
    rows = [(coupon.template, coupon_chip(coupon, at), when(coupon.expires_at)) for coupon in latest]
    if not rows:
        return None
    return Panel(title=_("优惠券"), columns=[_("名称"), _("状态"), _("有效至")], rows=rows)


panels.add("accounts.User", coupons_panel)
