"""The member's money: balance, what moved it, and the way to put more in."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from common import clock
from marketing.selectors import rebate_progress, rebates_of
from shop.refusals import private
from wallet.selectors import balance_of, statement

ON_A_PAGE = 20
REBATES_SHOWN = 6


@private
@login_required
def wallet(request: HttpRequest) -> HttpResponse:
    page = Paginator(statement(request.user), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "balance": balance_of(request.user),
        "page": page,
        "rebate": rebate_progress(user_id=request.user.pk, at=clock.now()),
        "rebates": rebates_of(user_id=request.user.pk)[:REBATES_SHOWN],
    }
    return render(request, "shop/wallet.html", context)
