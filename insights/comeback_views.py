"""好久不见: a member says why they stayed away, reads how buying goes, and switches such messages off."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from insights.forms import ReasonForm
from insights.selectors.away import open_spell, wants_no_comeback
from insights.services import choose_comeback, state_reason


@never_cache
@login_required
def comeback(request: HttpRequest) -> HttpResponse:
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        spell = state_reason(user=request.user, reason=form.cleaned_data["reason"])
        given = spell is not None and spell.coupon_id is not None
        messages.success(request, _("谢谢告知，送你的优惠券在“我的优惠券”里") if given else _("谢谢告知，我们会改进"))
        return redirect("insights:comeback")
    context = {
        "form": form,
        "spell": open_spell(request.user.pk),
        "is_off": wants_no_comeback(request.user.pk),
    }
    return render(request, "insights/comeback.html", context)


@require_POST
@login_required
def choice(request: HttpRequest) -> HttpResponse:
    choose_comeback(user=request.user, wanted=request.POST.get("wanted") == "1")
    return redirect("insights:comeback")
