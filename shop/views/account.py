"""我的: the member's own corner, and the door for those who have not come in yet."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from catalog.selectors import unwritten_of
from common import clock
from marketing.selectors import count_usable
from membership.selectors import birthday_of, points_of, standing_and_person
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
    at, storefront_id = clock.now(), request.storefront.pk
    standing, person = standing_and_person(user_id=user.pk, storefront_id=storefront_id, at=at, decisions=0)
    context = {
        "balance": balance_of(user),
        "points": points_of(person).balance,
        "unread": unread_count(user),
        "coupons": count_usable(user_id=user.pk, storefront_id=storefront_id, at=at),
        "birthday": birthday_of(user.pk),
        "to_review": unwritten_of(user, at)[:MOST_COUNTED].count(),
        "nudge": nudges.before_midnight(request, person),
        "standing": standing,
    }
    return render(request, "shop/account.html", context)
