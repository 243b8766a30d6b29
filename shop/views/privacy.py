"""A member's own data: a copy to take along, and leaving for good."""

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import DataExport
from accounts.selectors import erasure_of, export_of, own_export
from accounts.services import privacy
from common.exceptions import DomainError
from shop.refusals import missing_is_404, private


def mark(made: DataExport) -> str:
    """Changes when the page would look different."""
    return f"{made.state}-{made.done}"


@private
@login_required
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    made, leaving = export_of(request.user), erasure_of(request.user)
    context = {
        "made": made,
        "mark": mark(made) if made else "",
        "leaving": leaving,
        "hindrances": [] if leaving else privacy.hindrances(request.user),
    }
    return render(request, "shop/privacy.html", context)


@private
@login_required
@require_POST
def export(request: HttpRequest) -> HttpResponse:
    privacy.ask_export(user=request.user, address=request.client_address)
    return redirect("shop:privacy")


@private
@missing_is_404
@login_required
@require_GET
def status(request: HttpRequest, public_id: str) -> HttpResponse:
    return JsonResponse({"state": mark(own_export(request.user, public_id))})


@private
@missing_is_404
@login_required
@require_GET
@reauthentication_required
def download(request: HttpRequest, public_id: str) -> HttpResponse:
    """Asked for again who it is: the copy holds more than any other page."""
    made = own_export(request.user, public_id, content=True)
    if made.state != DataExport.State.READY:
        return redirect("shop:privacy")
    answer = HttpResponse(bytes(made.content), content_type="application/zip")
    answer["Content-Disposition"] = 'attachment; filename="my-data.zip"'
    return answer


@private
@login_required
@require_POST
@reauthentication_required
def erase(request: HttpRequest) -> HttpResponse:
    try:
        privacy.ask_erasure(user=request.user, address=request.client_address)
        messages.success(request, _("已收到注销申请，等待期内随时可以取消"))
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return redirect("shop:privacy")


@private
@missing_is_404
@login_required
@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    privacy.cancel_erasure(user=request.user, address=request.client_address)
    messages.success(request, _("已取消注销，账户照常使用"))
    return redirect("shop:privacy")
