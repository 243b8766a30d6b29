"""Who works at which desk: each group sees its own menu and lists, and every other door of the admin is shut."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import reverse

from accounts.admin.groups import meaningful
from accounts.models import User
from kameng.desk import GROUPS
from orders.models import Order
from tests.desk import at_desk, staff

pytestmark = pytest.mark.django_db

GOODS = ["商品", "规格与库存", "低库存", "分类", "标签"]
REVIEWS = ["评价"]
STOCK = ["卡密批次", "卡密"]
MEMBERS = ["用户", "会员等级", "等级公平", "等级变更", "等级调整", "活动记录"]
RULES = ["会员计划", "等级规则", "规则推演", "规格会员价", "商品会员折扣", "重新评定", "等级差异"]
POINTS = ["积分账户", "积分流水"]
EARNING = [*POINTS, "任务", "签到奖励", "签到", "邀请关系", "提醒", "反馈与举报", "升级券种类", "升级券", "积分规则"]
COUPONS = ["优惠券", "会员优惠券"]
REBATES = ["返利计划", "返利"]
WIN_BACK = ["流失挽回", "流失会员"]
PAYMENTS = ["支付单", "充值单", "支付通知", "渠道退款"]
RECONCILING = ["对账", "对账差异"]
LEDGER = ["账户", "账本"]
CARDS = ["卡券批次", "卡券", "授信", "授信审批"]
MONEY_RULES = ["充值赠送", "钱包规则", "提现规则"]
WITHDRAWALS = ["提现", "收款账号", "赠送记录"]
BY_HAND = ["手工款项", "大额手工款项"]
DOORS = ["登录记录", "登录锁定", "注销申请"]
ORDERS = ["订单", "待发货商品", "退款"]
AFTER_SALE = ["售后单", "售后规则", "发货规则"]
MENUS = {
    "商品运营": [*GOODS, *REVIEWS, *STOCK, "规格会员价", "商品会员折扣", "卡券批次", "售后单"],
    "客服": [
        *ORDERS,
        *AFTER_SALE,
        *GOODS,
        *REVIEWS,
        *MEMBERS,
        *POINTS,
        *COUPONS,
        "生日",
        "返利",
        "反馈与举报",
        *PAYMENTS,
        *CARDS,
        *WITHDRAWALS,
        *DOORS,
        "邮件",
    ],
    "财务": [
        *ORDERS,
        *AFTER_SALE,
        *PAYMENTS,
        *RECONCILING,
        *LEDGER,
        *CARDS,
        *WITHDRAWALS,
        *BY_HAND,
        *COUPONS,
        *REBATES,
        "用户",
        "支付渠道",
        "渠道变更",
        *MONEY_RULES,
    ],
    "会员运营": [*MEMBERS, *RULES, *EARNING, *COUPONS, *REBATES, *WIN_BACK, "生日", "商品", "充值赠送", "赠送记录"],
    "风控": [
        *ORDERS,
        *AFTER_SALE,
        *MEMBERS,
        *POINTS,
        "邀请关系",
        "反馈与举报",
        *PAYMENTS,
        *LEDGER,
        *CARDS,
        *WITHDRAWALS,
        *BY_HAND,
        *DOORS,
        "审计记录",
    ],
    "运维": ["事件投递", "邮件", "支付通知", "审计记录", "店铺"],
    "只读": [
        *ORDERS,
        *AFTER_SALE,
        *GOODS,
        *REVIEWS,
        *STOCK,
        *MEMBERS,
        *RULES,
        *EARNING,
        *COUPONS,
        *REBATES,
        *WIN_BACK,
        "生日",
        *PAYMENTS,
        *RECONCILING,
        *LEDGER,
        *CARDS,
        *WITHDRAWALS,
        *BY_HAND,
        "充值赠送",
    ],
}
# What a group may do on an order's page, by the address of the act.
ORDER_ACTS = {
    "客服": {"refund", "redeliver", "deliver", "hold", "release", "reveal", "note", "cancel"},
    "财务": {"refund", "give-credit", "pay-out", "note"},
    "风控": {"redeliver", "deliver", "hold", "release", "note"},
    "只读": set(),
}


def worker(group: str) -> User:
    user = staff(f"worker-{len(group)}")
    user.groups.add(Group.objects.get(name=group))
    return User.objects.get(pk=user.pk)


def menu(page: str) -> list[str]:
    side = page[page.index('id="nav-sidebar-apps"') : page.index('id="main"')]
    return [title.strip() for title in re.findall(r"<span>([^<]+)</span>", side)]


@pytest.mark.parametrize("group", MENUS)
def test_the_menu_holds_what_the_group_needs_and_nothing_else(group):
    page = at_desk(worker(group)).get(reverse("admin:index"))
    assert page.status_code == 200
    shown = menu(page.content.decode())
    assert shown[0] == "看板"
    assert sorted(shown[1:]) == sorted(MENUS[group])


@pytest.mark.parametrize("group", MENUS)
def test_every_other_list_is_shut(group):
    user = worker(group)
    desk = at_desk(user)
    opened = set()
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        answer = desk.get(reverse(f"{name}_changelist"))
        assert answer.status_code in {200, 403}, model
        if answer.status_code == 200:
            opened.add(model._meta.label)
        else:
            for act, parameters in (("add", []), ("change", [1]), ("delete", [1]), ("history", [1])):
                shut = desk.get(reverse(f"{name}_{act}", args=parameters))
                # A row that is not there is answered by a way back to the first page, where the row would be refused.
                assert shut.status_code in {302, 403, 404}, f"{group} {model} {act}"
    titles = {entry.model: str(entry.title) for _title, entries in GROUPS for entry in entries}
    reached = {titles[label] for label in opened if label in titles}
    assert reached <= set(MENUS[group])


@pytest.mark.parametrize("group", ORDER_ACTS)
def test_acts_on_orders_by_group(group, shelf, alice):
    order = shelf.buy(alice, (shelf.sku(keys=2), 1), from_wallet=True)
    desk = at_desk(worker(group))
    assert desk.get(f"/admin/orders/order/{order.pk}/change/").status_code == 200
    allowed = set()
    for act in sorted(set.union(*ORDER_ACTS.values())):
        code = desk.get(f"/admin/orders/order/{order.pk}/{act}/").status_code
        assert code in {200, 302, 403}
        if code != 403:
            allowed.add(act)
    assert allowed == ORDER_ACTS[group]


@pytest.mark.parametrize("group", sorted(set(MENUS) - set(ORDER_ACTS)))
def test_who_has_no_business_with_orders_cannot_open_one(group, shelf, alice):
    order = shelf.buy(alice, (shelf.sku(keys=2), 1), from_wallet=True)
    desk = at_desk(worker(group))
    assert desk.get(f"/admin/orders/order/{order.pk}/change/").status_code == 403
    assert order.number not in desk.get("/admin/").content.decode()
    assert Order.objects.count() == 1


def test_no_group_holds_a_permission_that_opens_nothing():
    useful = {permission.pk for permission in meaningful()}
    for group in Group.objects.filter(name__in=MENUS).prefetch_related("permissions"):
        idle = [str(permission.codename) for permission in group.permissions.all() if permission.pk not in useful]
        assert idle == [], group.name


def test_every_group_is_known_here():
    assert set(Group.objects.values_list("name", flat=True)) == set(MENUS)


def test_nobody_reaches_rights_or_the_audit_log_by_accident():
    for name in MENUS:
        group = Group.objects.get(name=name)
        held = {f"{one.content_type.app_label}.{one.codename}" for one in group.permissions.all()}
        assert not {one for one in held if one.startswith("auth.")}, name
        assert "accounts.manage_staff" not in held, name
        assert ("audit.view_auditentry" in held) == (name in {"风控", "运维"}), name


def test_of_two_lines_of_one_list_one_is_lit(olga):
    desk = at_desk(olga)
    for address, lit in (("", "规格与库存"), ("?stock=low", "低库存"), ("?stock=out", "规格与库存")):
        page = desk.get(f"/admin/catalog/sku/{address}").content.decode()
        found = re.findall(r'class="[^"]* active">.*?<span>([^<]+)</span>', page, re.S)
        assert found == [lit]
