"""Following a nudge, asking for one while goods lie before an order, and choosing which ones to get."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from common import clock
from common.origin import same_origin_post
from membership.models import Nudge
from membership.services import choose_nudges, note_click
from shop import nudges
from shop.refusals import missing_is_404, private
from shop.views.checkout import asked

LEADS_TO = {
    Nudge.Kind.ORDER: "shop:member",
    Nudge.Kind.CART: "shop:member",
    Nudge.Kind.STREAK: "membership:earn",
}


@private
@require_safe
@login_required
def follow(request: HttpRequest, public_id: str) -> HttpResponse:
    nudge = note_click(user_id=request.user.pk, public_id=public_id, at=clock.now())
    if nudge is None:
        raise Http404
    return HttpResponseRedirect(reverse(LEADS_TO[Nudge.Kind(nudge.kind)]))


@same_origin_post
@private
@require_POST
@missing_is_404
def waiting(request: HttpRequest) -> HttpResponse:
    """What a page asks that was left open: the nudge, or nothing and when to ask again.

    The address says what lies there, as that of the checkout does. How long it has is known here, not there.
    """
    found = nudges.before_order(request, asked(request).items, clock.now())
    if found.word is not None:
        return render(request, "shop/parts/nudge.html", {"nudge": found.word})
    response = HttpResponse(status=204)
    if found.seconds:
        response["Retry-After"] = str(found.seconds)
    return response


@private
@require_POST
@login_required
def choose(request: HttpRequest) -> HttpResponse:
    """All switches of the form at once (`on` holds the kinds that are wanted), or `off` one kind."""
    off = request.POST.get("off", "")
    if off in Nudge.Kind.values:
        choose_nudges(user_id=request.user.pk, wanted={off: False})
        messages.success(request, _("不再显示这类提醒，可以在会员中心重新打开"))
    else:
        on = request.POST.getlist("on")
        choose_nudges(user_id=request.user.pk, wanted={kind: kind in on for kind in Nudge.Kind.values})
        messages.success(request, _("提醒设置已保存"))
    return redirect(f"{reverse('shop:member')}#nudges-title")
