"""A guest finds an order again by contact and order secret."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.services.doors import through
from accounts.services.puzzles import Door
from audit.services import Limit, give_back
from common.addresses import counted_as
from orders.selectors import find_guest_orders
from shop import visitor
from shop.forms import LookupForm
from shop.refusals import private

# The secret has 10 characters of 31: the limit spares the database, it is not what keeps strangers out.
LIMIT = Limit("order_lookup", burst=10, every=timedelta(minutes=1))
LOOKUP = Door("lookup", freely=LIMIT, solved=Limit("order_lookup, solved", burst=60, every=timedelta(minutes=1)))


@private
def lookup(request: HttpRequest) -> HttpResponse:
    """Answers alike whether the contact is unknown or the secret is wrong; a few tries for each network address."""
    form = LookupForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return _page(request, form)
    subject = counted_as(request.client_address)
    if not through(LOOKUP, form, subject=subject):
        return _page(request, form, 429)
    found = find_guest_orders(**form.cleaned_data)
    if not found:
        form.add_error(None, _("没有找到订单。请核对联系方式和订单密码"))
        return _page(request, form)
    give_back(LIMIT, subject=subject)
    visitor.grant(request, found)
    return redirect("shop:order", found[0].public_id)


def _page(request: HttpRequest, form: LookupForm, status: int = 200) -> HttpResponse:
    return render(request, "shop/lookup.html", {"form": form}, status=status)
