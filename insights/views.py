"""The board as the admin's first page (unfold calls `add_board` with the context of its index), and the fairness page."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from common import clock
from common.admin import csv_table
from common.registries import label_rows, record_act
from insights import fairness
from insights.board import board_for
from insights.fair_links import query_of, rows_address
from insights.fair_page import fairness_page, panel_makers, tier_names
from insights.fair_rows import PER_PAGE, row_cells, row_columns, row_title
from insights.fairness import Asked
from insights.periods import period_of
from insights.spans import span_of
from membership.selectors.rules import programs_with_rules

NEEDED = ("membership.view_tierdecision", "membership.view_membertier")
MOST_PAGES = 1000


def add_board(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    period = period_of(request.GET.get("days", ""), clock.now())
    return {**context, "board": board_for(request.user, period)}


def fairness_view(request: HttpRequest) -> HttpResponse:
    """Behind `admin_view`: staff only; and of them, who may see members and decisions."""
    asked = _asked(request)
    context = {"title": _("等级公平"), "fair": fairness_page(asked), "query": query_of(asked)}
    return _page(request, "insights/admin/fairness.html", context)


def fairness_rows(request: HttpRequest, table: str) -> HttpResponse:
    """The rows that a figure was counted over."""
    asked = _asked(request)
    if table not in fairness.TABLES:
        raise Http404
    rank, number = _number(request, "rank"), _number(request, "p") or 1
    only = request.GET.get("only", "")
    only = only if only in fairness.PARTS else ""
    number = max(1, min(number, MOST_PAGES))
    rows, count = fairness.rows_of(table, asked, rank, only=only, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
    columns = row_columns(table)
    names = tier_names(asked)
    context = {
        "title": row_title(table, only),
        "rank_name": names.get(rank, str(rank)) if rank is not None else "",
        "asked": asked,
        "query": query_of(asked),
        "here": rows_address(table, asked, rank, only),
        "columns": columns,
        "rows": label_rows(columns, row_cells(table, rows, names, request.user)),
        "count": count,
        "number": number,
        "pages": max(1, -(-count // PER_PAGE)),
    }
    return _page(request, "insights/admin/fairness_rows.html", context)


def fairness_csv(request: HttpRequest, table: str) -> HttpResponse:
    asked = _asked(request)
    make = panel_makers().get(table)
    if make is None:
        raise Http404
    panel = make(asked, tier_names(asked))
    with transaction.atomic():
        record_act(
            action="admin.export",
            at=asked.at,
            actor=request.user,
            target_type="insights.fairness",
            detail={"filters": request.GET.urlencode()[:500], "table": table},
            address=getattr(request, "client_address", None),
        )
    name = f"fairness-{table}-{asked.span.first}-{asked.span.last}.csv"
    return csv_table(panel.plain_columns, panel.plain, filename=name)


def _asked(request: HttpRequest) -> Asked:
    if not all(request.user.has_perm(one) for one in NEEDED):
        raise PermissionDenied
    at = clock.now()
    wanted = _number(request, "program")
    programs = programs_with_rules()
    program = programs.filter(pk=wanted).first() if wanted is not None else programs.filter(storefront=None).first()
    if program is None:
        raise Http404
    return Asked(program, span_of(request.GET, at), at)


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.site.name
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})
