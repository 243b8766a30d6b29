"""Filters of the order list. The dashboard's figures open the list through them, so their addresses are a promise."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common import clock
from common.registries import pay_names
from orders.models import Order, OrderLine
from orders.selectors import stuck_orders
from wallet.models import Account


class WaitingFilter(admin.SimpleListFilter):
    """`?waiting=stuck`, or the state of a line that waits: `queued`, `short`, `held`."""

    title = _("待处理")
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [
            ("stuck", _("卡单（付款超过 30 分钟未发完）")),
            (OrderLine.State.QUEUED, _("等待人工发货")),
            (OrderLine.State.SHORT, _("缺货待补")),
            (OrderLine.State.HELD, _("暂缓发货")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if self.value() == "stuck":
            return queryset.filter(pk__in=stuck_orders(clock.now()).order_by().values("pk"))
        if self.value() in dict(self.lookup_choices):
            return queryset.filter(pk__in=OrderLine.objects.filter(state=self.value()).values("order_id"))
        return queryset


class MoneyFilter(admin.SimpleListFilter):
    """`?money=paid`, `unpaid` (never paid, whatever became of the order) `refunded` (some of it given back), or `owed` (a
    guest has not taken out what the order owes)."""

    title = _("付款")
    parameter_name = "money"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [("paid", _("已付款")), ("unpaid", _("未付款")), ("refunded", _("有退款")), ("owed", _("有待退款"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if self.value() == "paid":
            return queryset.filter(paid_at__isnull=False)
        if self.value() == "unpaid":
            return queryset.filter(paid_at=None)
        if self.value() == "refunded":
            return queryset.filter(refunded_total__gt=0)
        if self.value() == "owed":
            owing = Account.objects.filter(purpose=Account.Purpose.ORDER_CREDIT, balance__gt=0)
            return queryset.filter(pk__in=owing.values("order_id"))
        return queryset


class PaidWithFilter(admin.SimpleListFilter):
    title = _("支付方式")
    parameter_name = "paid_with"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return list(pay_names.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        return queryset.filter(paid_with=self.value()) if self.value() else queryset
