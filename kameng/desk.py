"""What the admin's sidebar holds, in the order in which an operator thinks. Rooms register their admins; this only arranges."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.dataclasses import SearchResult

SEARCHED = ("orders.Order", "accounts.User", "catalog.Product")
FOUND_OF_EACH = 20


@dataclass(frozen=True)
class Entry:
    """One line of the sidebar: a model's list. `query` opens it filtered; such a line is lit only by its own address.

    `page` names an address that is opened instead of the list, by whoever may see the list.
    """

    title: Any
    icon: str
    model: str
    query: str = ""
    page: str = ""


GROUPS: list[tuple[Any, list[Entry]]] = [
    (
        pgettext_lazy("plural", "订单"),
        [
            Entry(pgettext_lazy("plural", "订单"), "receipt_long", "orders.Order"),
            Entry(gettext_lazy("待发货商品"), "local_shipping", "orders.OrderLine"),
            Entry(pgettext_lazy("plural", "售后单"), "support_agent", "orders.Dispute"),
            Entry(pgettext_lazy("plural", "退款"), "undo", "orders.OrderRefund"),
            Entry(pgettext_lazy("plural", "售后规则"), "tune", "orders.DisputeRules"),
            Entry(pgettext_lazy("plural", "发货规则"), "tune", "orders.DeliveryRules"),
        ],
    ),
    (
        pgettext_lazy("plural", "商品"),
        [
            Entry(pgettext_lazy("plural", "商品"), "inventory_2", "catalog.Product"),
            Entry(gettext_lazy("规格与库存"), "sell", "catalog.Sku"),
            Entry(gettext_lazy("低库存"), "production_quantity_limits", "catalog.Sku", "?stock=low"),
            Entry(pgettext_lazy("plural", "卡密批次"), "upload_file", "catalog.KeyBatch"),
            Entry(pgettext_lazy("plural", "卡密"), "key", "catalog.Key"),
            Entry(pgettext_lazy("plural", "卡密导出"), "key_visualizer", "catalog.KeyExport"),
            Entry(pgettext_lazy("plural", "评价"), "rate_review", "catalog.Review"),
            Entry(pgettext_lazy("plural", "分类"), "category", "catalog.Category"),
            Entry(pgettext_lazy("plural", "标签"), "label", "catalog.Label"),
        ],
    ),
    (
        pgettext_lazy("plural", "会员"),
        [
            Entry(pgettext_lazy("plural", "用户"), "person", "accounts.User"),
            Entry(pgettext_lazy("plural", "会员等级"), "crown", "membership.MemberTier"),
            Entry(gettext_lazy("等级公平"), "balance", "membership.TierDecision", page="fairness"),
            Entry(gettext_lazy("等级变更"), "trending_up", "membership.TierDecision"),
            Entry(pgettext_lazy("plural", "等级调整"), "published_with_changes", "membership.Override"),
            Entry(gettext_lazy("会员计划"), "loyalty", "membership.Program"),
            Entry(gettext_lazy("等级规则"), "rule", "membership.RuleSetVersion"),
            Entry(pgettext_lazy("plural", "规则推演"), "science", "membership.WhatIf"),
            Entry(pgettext_lazy("plural", "规格会员价"), "price_change", "membership.SkuTierPrice"),
            Entry(pgettext_lazy("plural", "商品会员折扣"), "percent", "membership.ProductTierRate"),
            Entry(pgettext_lazy("plural", "活动记录"), "list_alt", "membership.Activity"),
            Entry(pgettext_lazy("plural", "任务"), "task_alt", "membership.Task"),
            Entry(pgettext_lazy("plural", "签到奖励"), "redeem", "membership.CheckInReward"),
            Entry(pgettext_lazy("plural", "签到"), "event_available", "membership.CheckIn"),
            Entry(pgettext_lazy("plural", "邀请关系"), "group_add", "membership.Referral"),
            Entry(pgettext_lazy("plural", "提醒"), "campaign", "membership.Nudge"),
            Entry(pgettext_lazy("plural", "反馈与举报"), "forum", "membership.Feedback"),
            Entry(pgettext_lazy("plural", "升级券种类"), "confirmation_number", "membership.PassOffer"),
            Entry(pgettext_lazy("plural", "升级券"), "local_activity", "membership.Pass"),
            Entry(pgettext_lazy("plural", "积分账户"), "toll", "membership.PointsAccount"),
            Entry(pgettext_lazy("plural", "积分流水"), "receipt", "membership.PointsEntry"),
            Entry(pgettext_lazy("plural", "生日"), "cake", "membership.Birthday"),
            Entry(pgettext_lazy("plural", "积分规则"), "tune", "membership.EarningRules"),
            Entry(pgettext_lazy("plural", "重新评定"), "refresh", "membership.Recalculation"),
            Entry(pgettext_lazy("plural", "等级差异"), "difference", "membership.Difference"),
        ],
    ),
    (
        pgettext_lazy("plural", "营销"),
        [
            Entry(pgettext_lazy("plural", "优惠券"), "confirmation_number", "marketing.CouponTemplate"),
            Entry(pgettext_lazy("plural", "会员优惠券"), "local_activity", "marketing.Coupon"),
            Entry(pgettext_lazy("plural", "返利计划"), "percent", "marketing.RebateProgram"),
            Entry(pgettext_lazy("plural", "返利"), "savings", "marketing.Rebate"),
            Entry(pgettext_lazy("plural", "流失挽回"), "waving_hand", "insights.WinBackPlan"),
            Entry(pgettext_lazy("plural", "流失会员"), "person_off", "insights.Spell"),
        ],
    ),
    (
        gettext_lazy("资金"),
        [
            Entry(pgettext_lazy("plural", "支付单"), "payments", "payments.PaymentAttempt"),
            Entry(pgettext_lazy("plural", "渠道退款"), "undo", "payments.Refund"),
            Entry(pgettext_lazy("plural", "充值单"), "add_card", "payments.TopUp"),
            Entry(pgettext_lazy("plural", "提现"), "outbound", "payments.Withdrawal"),
            Entry(pgettext_lazy("plural", "收款账号"), "contact_page", "payments.PayoutAccount"),
            Entry(pgettext_lazy("plural", "支付渠道"), "account_balance", "payments.Channel"),
            Entry(pgettext_lazy("plural", "渠道变更"), "approval", "payments.ChannelChange"),
            Entry(pgettext_lazy("plural", "支付通知"), "notifications_active", "payments.NotifyLog"),
            Entry(pgettext_lazy("plural", "对账"), "fact_check", "payments.Reconciliation"),
            Entry(pgettext_lazy("plural", "对账差异"), "rule_folder", "payments.ReconciliationCase"),
            Entry(pgettext_lazy("plural", "账户"), "account_balance_wallet", "wallet.Account"),
            Entry(gettext_lazy("账本"), "menu_book", "wallet.Transfer"),
            Entry(pgettext_lazy("plural", "手工款项"), "back_hand", "wallet.ByHand"),
            Entry(pgettext_lazy("plural", "大额手工款项"), "approval", "wallet.ByHandApproval"),
            Entry(pgettext_lazy("plural", "卡券批次"), "style", "wallet.CardBatch"),
            Entry(pgettext_lazy("plural", "卡券"), "credit_card", "wallet.Card"),
            Entry(pgettext_lazy("plural", "授信"), "account_balance", "wallet.CreditLine"),
            Entry(pgettext_lazy("plural", "授信审批"), "approval", "wallet.CreditTerms"),
            Entry(pgettext_lazy("plural", "充值赠送"), "redeem", "payments.BonusRule"),
            Entry(pgettext_lazy("plural", "赠送记录"), "history", "payments.BonusGrant"),
            Entry(pgettext_lazy("plural", "钱包规则"), "tune", "wallet.WalletRules"),
            Entry(pgettext_lazy("plural", "提现规则"), "tune", "payments.WithdrawalRules"),
        ],
    ),
    (
        gettext_lazy("系统"),
        [
            Entry(gettext_lazy("员工组"), "groups", "auth.Group"),
            Entry(pgettext_lazy("plural", "登录记录"), "login", "accounts.SignInTry"),
            Entry(pgettext_lazy("plural", "登录锁定"), "lock_person", "accounts.Lockout"),
            Entry(pgettext_lazy("plural", "注销申请"), "person_remove", "accounts.Erasure"),
            Entry(pgettext_lazy("plural", "店铺"), "storefront", "tenancy.Storefront"),
            Entry(pgettext_lazy("plural", "审计记录"), "policy", "audit.AuditEntry"),
            Entry(pgettext_lazy("plural", "审计链核对"), "link", "audit.ChainCheck"),
            Entry(pgettext_lazy("plural", "复核申请"), "how_to_reg", "audit.Approval"),
            Entry(pgettext_lazy("plural", "事件投递"), "outbox", "events.Delivery"),
            Entry(pgettext_lazy("plural", "邮件"), "mail", "notifications.Mail"),
        ],
    ),
]


def navigation(request: HttpRequest) -> list[dict]:
    """The sidebar of this user: groups with the lists that they may open."""
    board = {"title": _("看板"), "icon": "dashboard", "link": reverse("admin:index")}
    groups = [{"title": "", "items": [board]}]
    for title, entries in GROUPS:
        items = [item for entry in entries if (item := _item(entry, request))]
        if items:
            groups.append({"title": title, "items": items, "collapsible": False, "separator": True})
    return groups


def _item(entry: Entry, request: HttpRequest) -> dict | None:
    model = apps.get_model(entry.model)
    if not admin.site.get_model_admin(model).has_view_or_change_permission(request):
        return None
    if entry.page:
        link = reverse(entry.page)
        return {"title": entry.title, "icon": entry.icon, "link": link, "active": request.path.startswith(link)}
    link = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    lit = request.path.startswith(link) and _best(entry, request)
    return {"title": entry.title, "icon": entry.icon, "link": link + entry.query, "active": lit}


def _best(entry: Entry, request: HttpRequest) -> bool:
    """Whether no other line of the same model names the filters of this address better."""
    if entry.query:
        return set(parse_qsl(entry.query.lstrip("?"))) <= set(request.GET.items())
    others = (other for _title, entries in GROUPS for other in entries if other.model == entry.model and other.query)
    return not any(_best(other, request) for other in others)


def found(request: HttpRequest, term: str) -> list[SearchResult]:
    """What the command palette finds beside page names: few kinds, by indexed columns, and not more than people read.

    Instead of unfold's `search_models`, which loads every row that fits and calls rooms by their folder's name.
    """
    results = []
    for label in SEARCHED:
        desk = admin.site.get_model_admin(apps.get_model(label))
        if desk.has_view_or_change_permission(request):
            rows, _twice = desk.get_search_results(request, desk.get_queryset(request), term)
            results += [_result(row) for row in rows[:FOUND_OF_EACH]]
    return results


def _result(row: Model) -> SearchResult:
    meta = row._meta
    link = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    # Results are kept for a while: only what is lazy follows the reader's language.
    return SearchResult(title=str(row), description=meta.verbose_name, link=link, icon="data_object")


def environment(request: HttpRequest) -> list[str] | None:
    """The label beside the title that keeps people from taking a test shop for the real one."""
    if settings.PRODUCTION:
        return None
    return [_("开发环境"), "warning"] if settings.KAMENG_ENV == "development" else [_("测试环境"), "info"]
