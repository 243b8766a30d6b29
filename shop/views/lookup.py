"""A guest finds an order again by contact and order secret."""

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from orders.selectors import find_guest_orders
from shop import visitor
from shop.forms import LookupForm
from shop.refusals import private

TRIES = 10
WINDOW = 600


@private
def lookup(request: HttpRequest) -> HttpResponse:
    """Answers alike whether the contact is unknown or the secret is wrong; a few tries for each network address."""
    form = LookupForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST" and form.is_valid():
        if _too_many(request.client_address):
            form.add_error(None, _("查询太频繁，请 10 分钟后再试"))
            status = 429
        else:
            found = find_guest_orders(**form.cleaned_data)
            if found:
                visitor.grant(request, found)
                return redirect("shop:order", found[0].public_id)
            form.add_error(None, _("没有找到订单。请核对联系方式和订单密码"))
    return render(request, "shop/lookup.html", {"form": form}, status=status)


def _too_many(address: str) -> bool:
    # The secret has 10 characters of 31: this limit spares the database, it is not what keeps strangers out.
    name = f"lookup:{address}"
    if cache.add(name, 1, WINDOW):
        return False
    try:
        return cache.incr(name) > TRIES
    except ValueError:  # it ran out between the two calls
        return False
