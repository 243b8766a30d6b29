"""我的评价: what a member bought and may review, and what became of reviews; the form for one."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from audit.services import take
from catalog.exceptions import BadReview, ReviewNotFound
from catalog.models import Review, ReviewTicket
from catalog.models.reviews import MAX_TEXT, MIN_TEXT
from catalog.selectors import open_until, review_of, ticket_of, unwritten_of, written_of
from catalog.services.reviews import LIMIT, edit_review, withdraw_review, write_review
from common import clock
from common.exceptions import DomainError
from shop.forms import ReviewForm
from shop.refusals import missing_is_404, private
from shop.reviews import entries

ON_A_PAGE = 20


@private
@login_required
def reviews(request: HttpRequest) -> HttpResponse:
    """What the member wrote, with its state; `?tab=todo` is what waits for a review."""
    waiting = unwritten_of(request.user, clock.now())
    tab = "todo" if request.GET.get("tab") == "todo" else ""
    found = waiting if tab else written_of(request.user)
    page = Paginator(found, ON_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "entries": entries(page.object_list), "tab": tab, "waiting": waiting.count()}
    return render(request, "shop/reviews.html", context)


@private
@login_required
@missing_is_404
def review(request: HttpRequest, public_id: str) -> HttpResponse:
    """Write the review of one line, or change it. Where neither is possible any more, the page tells why."""
    ticket = ticket_of(request.user, public_id)
    known = review_of(ticket)
    first = {"stars": known.stars, "text": known.text, "anonymous": known.is_anonymous} if known else None
    form = ReviewForm(request.POST if request.method == "POST" else None, initial=first)
    if request.method == "POST" and form.is_valid():
        try:
            _submit(request, ticket, form.cleaned_data)
        except BadReview as refusal:
            form.add_error("stars" if refusal.code == "bad_stars" else "text", str(refusal))
        except DomainError as refusal:
            if refusal.status == 404:
                raise
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("评价已提交，审核后就会显示"))
            return redirect("shop:reviews")
    return _show(request, ticket, form)


@private
@login_required
@missing_is_404
@require_POST
def withdraw(request: HttpRequest, public_id: str) -> HttpResponse:
    """Take one's review back."""
    known = review_of(ticket_of(request.user, public_id))
    if known is None:
        raise ReviewNotFound
    try:
        withdraw_review(review_id=known.public_id, user=request.user)
        messages.success(request, _("评价已撤回"))
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return redirect("shop:reviews")


def _submit(request: HttpRequest, ticket: ReviewTicket, typed: dict) -> Review:
    take(LIMIT, subject=str(request.user.pk), at=clock.now())
    content = {"stars": typed["stars"], "text": typed["text"], "is_anonymous": typed["anonymous"]}
    known = review_of(ticket)
    if known is not None:
        return edit_review(review_id=known.public_id, user=request.user, **content)
    return write_review(ticket_id=ticket.public_id, user=request.user, **content)


def _show(request: HttpRequest, ticket: ReviewTicket, form: ReviewForm) -> HttpResponse:
    (entry,) = entries([ticket])
    context = {
        "ticket": ticket,
        "entry": entry,
        "form": form,
        "until": open_until(ticket, ticket.window_days),
        "least": MIN_TEXT,
        "most": MAX_TEXT,
    }
    return render(request, "shop/review.html", context)
