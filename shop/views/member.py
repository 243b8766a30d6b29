"""会员中心: where the member stands, what is missing, what there is to do and to get. Joins the tier with orders and money."""

from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common import clock
from membership.selectors import (
    Spent,
    Standing,
    check_in_of,
    mark_of,
    member_standing,
    nudge_choices,
    perks_of_tier,
    points_of,
    spend_of,
    spent,
    standing_and_person,
    standing_mark,
    step_from,
    tasks_of,
    with_leaving,
)
from membership.services import note_shown
from orders.selectors import with_order_names, with_settling
from orders.services import MonthSaving, month_saving
from shop import nudges
from shop.refusals import private

ON_A_PAGE = 20
EXCLUDED_SHOWN = 3


@private
@require_safe
@login_required
def center(request: HttpRequest) -> HttpResponse:
    """Everything at once, and so every part from as few statements as it takes (tests/shop/test_few_queries.py)."""
    user_id, storefront, at = request.user.pk, request.storefront, clock.now()
    known, person = standing_and_person(user_id=user_id, storefront_id=storefront.pk, at=at)
    standing, tasks = with_leaving(known), tasks_of(known.member, person)
    note_shown(user_id=user_id, tasks=tasks.to_note, segment=tasks.segment, at=at)
    context = {
        "standing": standing,
        "mark": mark_of(standing.member),
        "perks": perks_of_tier(standing.given.tiers.get(standing.rank)),
        "saving": _saving(standing, request, at),
        "excluded": _told(_purchases(standing, excluded=True)[:EXCLUDED_SHOWN]),
        "choices": nudge_choices(person.choices),
        "nudge": nudges.before_midnight(request, person),
        "check_in": check_in_of(person),
        "tasks": tasks,
        "points": points_of(person),
    }
    return render(request, "shop/member.html", context)


def _saving(standing: Standing, request: HttpRequest, at: datetime) -> MonthSaving | None:
    step = step_from(standing.program.pk, standing.given, standing.rank)
    return month_saving(storefront=request.storefront, user_id=request.user.pk, at=at, step=step)


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
    standing: Standing = member_standing(user_id=request.user.pk, storefront_id=request.storefront.pk, decisions=0)
    only = request.GET.get("only") == "excluded"
    page = Paginator(_purchases(standing, excluded=only), ON_A_PAGE).get_page(request.GET.get("page"))
    page.object_list = _told(page.object_list)
    return render(request, "shop/member_spending.html", {"page": page, "only_excluded": only})


def _purchases(standing: Standing, *, excluded: bool) -> QuerySet:
    rows = with_order_names(spend_of(standing, excluded=excluded), subject="subject")
    return with_settling(rows, ref="source_ref")


def _told(rows: QuerySet) -> list[tuple[Spent, dict[str, Any] | None]]:
    """Purchases in words, each with the public id and the number of its order, and when it settles if it waits for that."""
    found = list(rows)
    return list(zip(spent(found), map(_order_of, found), strict=True))


def _order_of(row: Any) -> dict[str, Any] | None:
    if not row.order_public_id:
        return None
    return {"public_id": row.order_public_id, "number": row.order_number, "settles_at": row.settles_at}
