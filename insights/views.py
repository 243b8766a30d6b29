"""The board as the admin's first page. unfold calls `add_board` with the context of its index."""

from typing import Any

from django.http import HttpRequest

from common import clock
from insights.board import board_for
from insights.periods import period_of


def add_board(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    period = period_of(request.GET.get("days", ""), clock.now())
    return {**context, "board": board_for(request.user, period)}
