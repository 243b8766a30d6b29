"""会员中心 and the public rules."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from membership.models import RuleSetVersion
from membership.selectors import member_decisions, member_standing, public_rules


@require_safe
@never_cache
@login_required
def center(request: HttpRequest) -> HttpResponse:
    standing = member_standing(user_id=request.user.pk, storefront_id=request.storefront.pk)
    return render(request, "membership/center.html", {"standing": standing})


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
