"""The rows behind a figure of the fairness page, as a table."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import User
from common.admin import link_to, money, when
from insights.fair_links import days, hours, waited
from insights.fairness import FairRow
from orders.models import Order

PER_PAGE = 50
# Tables whose rows are orders, or lead to one.
_WITH_ORDERS = ("benefits", "waiting", "by_hand", "newcomers")


def row_columns(table: str) -> list[str]:
    what = {
        "benefits": _("会员价优惠"),
        "members": _("会员价优惠"),
        "waiting": _("等待"),
        "by_hand": _("等待"),
        "stays": _("停留"),
        "newcomers": _("首单用时"),
    }[table]
    began = {"stays": _("开始时间"), "newcomers": _("加入时间"), "members": _("加入时间")}.get(table, _("支付时间"))
    columns = [_("等级"), _("用户"), what, began]
    return [*columns, pgettext("plural", "订单")] if table in _WITH_ORDERS else columns


def row_title(table: str, only: str) -> str:
    titles = {
        "benefits": _("会员价优惠的订单"),
        "members": _("每位会员得到的优惠"),
        "waiting": _("自动发货的订单"),
        "by_hand": _("人工处理的订单"),
        "stays": _("每一段停留"),
        "newcomers": _("新会员"),
    }
    parts = {
        ("members", "open"): _("得到优惠的会员"),
        ("waiting", "open"): _("缺货补发的订单"),
        ("waiting", "over"): _("付款即发的订单"),
        ("stays", "over"): _("已结束的停留"),
        ("newcomers", "known"): _("一周内下单的新会员"),
        ("newcomers", "open"): _("一周内签到的新会员"),
    }
    return parts.get((table, only), titles[table])


def row_cells(table: str, rows: list[FairRow], names: dict[int, str], user: User) -> list[tuple[Any, ...]]:
    """`names` are the tiers by rank; `user` is who looks, and follows only links that they may."""
    people = {one.pk: one for one in User.objects.filter(pk__in=[row.user_id for row in rows])}
    orders = {one.pk: one for one in Order.objects.filter(pk__in=[row.order_id for row in rows if row.order_id])}
    told = {
        "benefits": money,
        "members": money,
        "waiting": waited,
        "by_hand": waited,
        "stays": days,
        "newcomers": hours,
    }[table]
    found = []
    for row in rows:
        name = names.get(row.rank, str(row.rank))
        cells = (name, link_to(people.get(row.user_id), user), told(row.value), when(row.at))
        order = (link_to(orders.get(row.order_id), user) or "–",) if table in _WITH_ORDERS else ()
        found.append((*cells, *order))
    return found
