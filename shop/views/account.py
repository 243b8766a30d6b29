"""我的: the member's own corner, and the door for those who have not come in yet."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from wallet.selectors import balance_of


def account(request: HttpRequest) -> HttpResponse:
    balance = balance_of(request.user) if request.user.is_authenticated else None
    return render(request, "shop/account.html", {"balance": balance})
