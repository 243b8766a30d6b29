"""Decisions, the public rules, and the birthday. 会员中心 itself joins rooms: it is in shop."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from common.exceptions import DomainError
from membership.forms import BirthdayForm
from membership.models import RuleSetVersion
from membership.selectors import birthday_of, member_decisions, perks_for, public_rules
from membership.services import tell_birthday


@require_safe
@never_cache
@login_required
def decisions(request: HttpRequest) -> HttpResponse:
    page = member_decisions(
        user_id=request.user.pk, storefront_id=request.storefront.pk, page=request.GET.get("page", 1)
    )
    return render(request, "membership/decisions.html", {"page": page})


@require_safe
def rules(request: HttpRequest, number: int | None = None) -> HttpResponse:
    try:
        shown = public_rules(storefront_id=request.storefront.pk, number=number)
    except RuleSetVersion.DoesNotExist as error:
        raise Http404 from error
    return render(request, "membership/rules.html", {"rules": shown})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def birthday(request: HttpRequest) -> HttpResponse:
    """Ask for the birthday once; afterwards it is shown."""
    known = birthday_of(request.user.pk)
    form = BirthdayForm(request.POST if request.method == "POST" and known is None else None)
    if form.is_valid():
        try:
            tell_birthday(user_id=request.user.pk, day=form.cleaned_data["day"])
            messages.success(request, _("已记下，生日当天按会员等级送礼"))
            return redirect("shop:account")
        except DomainError as refusal:
            form.add_error("day", str(refusal))
    perks = perks_for(user_id=request.user.pk, storefront_id=request.storefront.pk)
    return render(request, "membership/birthday.html", {"form": form, "birthday": known, "perks": perks})
