"""我的卡密: everything that was ever delivered to a member, masked until asked for."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from orders.selectors import delivered_lines_of, delivered_of_line, previews_of
from shop.forms import read_quantity
from shop.orders import Secret, secrets_by_line
from shop.refusals import missing_is_404, private

ON_A_PAGE = 20
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
        opened = secrets_by_line(delivered_of_line(user=request.user, line_id=line_id, limit=SHOWN))
    previews = previews_of(page.object_list, each=SHOWN)
    rows = [(line, previews.get(line.pk, []), opened.get(line.pk)) for line in page.object_list]
    return render(request, "shop/library.html", {"rows": rows, "page": page, "text": text, "shown": SHOWN})
