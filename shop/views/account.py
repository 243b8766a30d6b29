"""我的: the member's own corner, and the door for those who have not come in yet."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from catalog.selectors import unwritten_of
from common import clock
from marketing.selectors import count_usable
from membership.selectors import birthday_of, member_standing, points_balance
from notifications.selectors import unread_count
from shop import nudges, visitor
from shop.refusals import private
from wallet.selectors import balance_of

# Nobody needs to know how many more there are.
MOST_COUNTED = 99


@private
def account(request: HttpRequest) -> HttpResponse:
    user = visitor.member(request)
    if user is None:
        return render(request, "shop/account.html")
    context = {
        "balance": balance_of(user),
        "points": points_balance(user_id=user.pk, at=clock.now()),
        "unread": unread_count(user),
        "coupons": count_usable(user_id=user.pk, storefront_id=request.storefront.pk, at=clock.now()),
        "birthday": birthday_of(user.pk),
        "to_review": unwritten_of(user, clock.now())[:MOST_COUNTED].count(),
        "nudge": nudges.before_midnight(request),
        "standing": member_standing(user_id=user.pk, storefront_id=request.storefront.pk),
    }
    return render(request, "shop/account.html", context)
