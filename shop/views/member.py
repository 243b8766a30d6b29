"""会员中心: where the member stands, what is missing, what there is to do and to get. Joins the tier with orders and money."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common import clock
from membership.selectors import (
    Spent,
    Standing,
    check_in_shown,
    mark_of,
    member_points,
    member_standing,
    member_tasks,
    nudge_choices,
    perks_of_tier,
    spend_of,
    spent,
    standing_mark,
    with_leaving,
)
from membership.services import note_shown
from orders.models import Order
from orders.selectors import orders_by_id
from orders.services import month_saving
from shop import nudges
from shop.refusals import private

ON_A_PAGE = 20
EXCLUDED_SHOWN = 3


@private
@require_safe
@login_required
def center(request: HttpRequest) -> HttpResponse:
    user_id, storefront, at = request.user.pk, request.storefront, clock.now()
    standing = with_leaving(member_standing(user_id=user_id, storefront_id=storefront.pk))
    excluded = _with_orders(spent(list(spend_of(standing, excluded=True)[:EXCLUDED_SHOWN])))
    context = {
        "standing": standing,
        "mark": mark_of(standing.member),
        "perks": perks_of_tier(standing.given.tiers.get(standing.rank)),
        "saving": month_saving(storefront=storefront, user_id=user_id, at=at) if standing.next else None,
        "excluded": excluded,
        "choices": nudge_choices(user_id),
        "nudge": nudges.before_midnight(request),
        **_to_do(request, at),
    }
    return render(request, "shop/member.html", context)


def _to_do(request: HttpRequest, at: Any) -> dict[str, Any]:
    """Check-in, tasks and points, as the page of earning has them."""
    user_id = request.user.pk
    tasks = member_tasks(user_id=user_id, storefront_id=request.storefront.pk, at=at)
    if tasks.segment:
        shown = [one.task for one in (*tasks.open, *tasks.done)]
        note_shown(user_id=user_id, tasks=shown, segment=tasks.segment, at=at)
    return {
        "check_in": check_in_shown(user_id=user_id, at=at),
        "tasks": tasks,
        "points": member_points(user_id=user_id, at=at),
    }


@private
@require_safe
@login_required
def mark(request: HttpRequest) -> HttpResponse:
    """What a page that shows the bar asks while it is open: another mark means that there is something new to see."""
    found = standing_mark(user_id=request.user.pk, storefront_id=request.storefront.pk)
    return JsonResponse({"mark": found})


@private
@require_safe
@login_required
def spending(request: HttpRequest) -> HttpResponse:
    """Every purchase: whether it counts, and if not, why."""
    standing: Standing = member_standing(user_id=request.user.pk, storefront_id=request.storefront.pk)
    only = request.GET.get("only") == "excluded"
    rows = spend_of(standing, excluded=only)
    page = Paginator(rows, ON_A_PAGE).get_page(request.GET.get("page"))
    page.object_list = _with_orders(spent(list(page.object_list)))
    return render(request, "shop/member_spending.html", {"page": page, "only_excluded": only})


def _with_orders(rows: list[Spent]) -> list[tuple[Spent, Order | None]]:
    orders = orders_by_id(one.order_id for one in rows if one.order_id) if rows else {}
    return [(one, orders.get(one.order_id or 0)) for one in rows]
