"""我的卡密: everything that was ever delivered to a member, masked until asked for."""

from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from audit.services import Limit, take
from common import clock
from common.exceptions import TooManyRequests
from orders.selectors import delivered_lines_of, delivered_of_line, delivered_of_member, previews_of
from shop import visitor
from shop.disputes import entries_of
from shop.forms import read_quantity
from shop.orders import Secret, attachment, secrets_by_line, table
from shop.refusals import missing_is_404, private
from shop.reviews import entries_of_lines

ON_A_PAGE = 20
# What one file holds at most, and how often one member may have it.
MOST = 5000
LIMIT = Limit("library_export", burst=5, every=timedelta(minutes=10))
# Of a line with more keys only these are shown; the order's page has the rest.
SHOWN = 5


@private
@login_required
@missing_is_404
def library(request: HttpRequest) -> HttpResponse:
    """Delivered lines with masked previews. A post opens the keys of one line in place."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:60]
    lines = delivered_lines_of(request.user, text=text)
    page = Paginator(lines, ON_A_PAGE).get_page(request.GET.get("page"))
    opened: dict[int, list[Secret]] = {}
    if request.method == "POST":
        line_id = read_quantity(request.POST.get("line", ""))
        try:
            visitor.opens_keys(request)
            opened = secrets_by_line(delivered_of_line(user=request.user, line_id=line_id, limit=SHOWN))
        except TooManyRequests as refusal:
            messages.error(request, str(refusal))
    previews = previews_of(page.object_list, each=SHOWN)
    reviews = entries_of_lines(request.user, [line.pk for line in page.object_list])
    after_sale = entries_of(page.object_list)
    rows = [
        (line, previews.get(line.pk, []), opened.get(line.pk), reviews.get(line.pk), after_sale.get(line.pk))
        for line in page.object_list
    ]
    return render(request, "shop/library.html", {"rows": rows, "page": page, "text": text, "shown": SHOWN})


@private
@login_required
def export(request: HttpRequest) -> HttpResponse:
    """The latest keys as CSV, in the clear, a few times an hour."""
    try:
        take(LIMIT, subject=str(request.user.pk), at=clock.now())
    except TooManyRequests as refusal:
        messages.error(request, str(refusal))
        return redirect("shop:library")
    found = delivered_of_member(request.user, limit=MOST)
    rows = (
        [line.order.number, f"{line.order.paid_at:%F}", line.product_title, line.sku_title, one.text]
        for line, one in found
    )
    header = [_("订单号"), _("付款日期"), _("商品"), _("规格"), _("卡密")]
    return attachment(table(header, rows), name="keys.csv")
