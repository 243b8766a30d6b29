"""Earning: check-in, tasks, points, passes, invites, feedback. Every act is a form that works without scripts."""

import secrets
from typing import Any
from urllib.parse import urlencode

import segno
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from common import clock
from common.addresses import counted_as
from common.exceptions import DomainError
from membership import services
from membership.models import EarningRules, Feedback, Pass, PassOffer
from membership.models.feedback import MAX_TEXT, MIN_TEXT
from membership.selectors import (
    check_in_of,
    everyday_caps,
    invite_sums,
    invited_friends,
    member_points,
    points_of,
    points_statement,
    standing_and_person,
    tasks_of,
)
from membership.selectors.invites import invite_rules, inviter_of_code, masked

ON_A_PAGE = 20
MAX_PASSES = 20


def earning_parts(request: HttpRequest) -> dict[str, Any]:
    """What the blocks of check-in, tasks and the way up need, for every page that shows them to a signed-in member."""
    user, at = request.user, clock.now()
    standing, person = standing_and_person(user_id=user.pk, storefront_id=request.storefront.pk, at=at, decisions=0)
    tasks = tasks_of(standing.member, person)
    services.note_shown(user_id=user.pk, tasks=tasks.to_note, segment=tasks.segment, at=at)
    return {
        "check_in": check_in_of(person),
        "tasks": tasks,
        "points": points_of(person),
        "standing": standing,
    }


@require_safe
@never_cache
@login_required
def earn(request: HttpRequest) -> HttpResponse:
    caps = everyday_caps(request.user.pk, EarningRules.objects.get(), clock.now())
    return render(request, "membership/earn.html", {**earning_parts(request), "caps": caps})


@require_POST
@never_cache
@login_required
def check_in(request: HttpRequest) -> HttpResponse:
    services.check_in(user_id=request.user.pk, storefront_id=request.storefront.pk)
    return HttpResponseRedirect(_back(request))


@require_POST
@never_cache
@login_required
def task_order(request: HttpRequest) -> HttpResponse:
    services.choose_task_order(user_id=request.user.pk, personal=request.POST.get("personal") == "1")
    return HttpResponseRedirect(_back(request))


@require_safe
@never_cache
@login_required
def points(request: HttpRequest) -> HttpResponse:
    page = Paginator(points_statement(request.user.pk), ON_A_PAGE).get_page(request.GET.get("page"))
    shown = member_points(user_id=request.user.pk, at=clock.now())
    return render(request, "membership/points.html", {"points": shown, "page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def passes(request: HttpRequest) -> HttpResponse:
    """Offers and own passes; a post buys (`offer`, `key`) or uses (`use`) one."""
    if request.method == "POST":
        try:
            messages.success(request, _act_on_pass(request))
        except DomainError as refusal:
            messages.error(request, str(refusal))
        return HttpResponseRedirect(reverse("membership:passes"))
    at = clock.now()
    mine = list(Pass.objects.filter(user=request.user).select_related("offer").order_by("-id")[:MAX_PASSES])
    context = {
        "offers": PassOffer.objects.filter(is_active=True, price__isnull=False),
        "mine": mine,
        "at": at,
        "points": member_points(user_id=request.user.pk, at=at),
        "key": secrets.token_urlsafe(12),
    }
    return render(request, "membership/passes.html", context)


def _act_on_pass(request: HttpRequest) -> str:
    use = request.POST.get("use", "")
    if use:
        used = services.redeem_pass(user=request.user, public_id=use[:22], storefront_id=request.storefront.pk)
        return _("%(name)s已生效") % {"name": used.offer}
    offer = request.POST.get("offer", "")
    bought = services.buy_pass(
        user=request.user,
        offer_id=int(offer) if offer.isascii() and offer.isdecimal() and len(offer) < 10 else 0,
        key=request.POST.get("key", "")[:32],
    )
    return _("已兑换%(name)s，随时可以使用") % {"name": bought.offer}


@require_safe
@never_cache
@login_required
def invite(request: HttpRequest) -> HttpResponse:
    code = services.invite_code_for(user=request.user)
    services.note_own_address(user_id=request.user.pk, visitor=_visitor(request), storefront_id=request.storefront.pk)
    link = f"{settings.PUBLIC_URL}{reverse('membership_invited', args=[code])}"
    context = {
        "link": link,
        "qr": segno.make(link, error="m", micro=False).svg_data_uri(scale=6, border=3),
        "sums": invite_sums(request.user.pk),
        "page": invited_friends(user_id=request.user.pk, page=request.GET.get("page", 1)),
        "rules": invite_rules(),
    }
    return render(request, "membership/invite.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def feedback(request: HttpRequest) -> HttpResponse:
    typed = {"kind": request.POST.get("kind", Feedback.Kind.IDEA), "text": request.POST.get("text", "")}
    refusal = ""
    if request.method == "POST":
        try:
            services.send_feedback(user=request.user, storefront_id=request.storefront.pk, **typed)
        except DomainError as error:
            refusal = str(error)
        else:
            messages.success(request, _("已收到，处理后会在消息里告诉你"))
            return HttpResponseRedirect(reverse("membership:feedback"))
    rows = Feedback.objects.filter(user=request.user).order_by("-id")
    context = {
        "typed": typed,
        "refusal": refusal,
        "kinds": Feedback.Kind.choices,
        "limits": {"least": MIN_TEXT, "most": MAX_TEXT},
        "page": Paginator(rows, ON_A_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "membership/feedback.html", context, status=400 if refusal else 200)


def _back(request: HttpRequest) -> str:
    """The page on which the form stood, of ours only."""
    wanted = request.POST.get("next", "")
    fits = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if fits else reverse("membership:earn")


@require_safe
@never_cache
def invited(request: HttpRequest, code: str) -> HttpResponse:
    """Where a member's link leads: who invites, what there is to get, and a cookie until the registration."""
    # Programs that show a preview of a link ask by HEAD: that is no friend's visit.
    inviter = inviter_of_code(code) if request.method == "HEAD" else _open(request, code)
    if inviter is None or request.user.is_authenticated:
        return HttpResponseRedirect(reverse("shop:home"))
    signup = f"{reverse('account_signup')}?{urlencode({'next': reverse('membership:earn')})}"
    context = {"name": masked(inviter), "rules": invite_rules(), "signup": signup}
    answer = render(request, "membership/invited.html", context)
    answer.set_cookie(
        settings.INVITE_COOKIE_NAME,
        code.upper(),
        max_age=30 * 24 * 3600,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure(),
    )
    return answer


def _open(request: HttpRequest, code: str) -> User | None:
    return services.open_invite(
        code=code,
        visitor=_visitor(request),
        user_id=request.user.pk,
        storefront_id=request.storefront.pk,
    )


def _visitor(request: HttpRequest) -> str:
    """Who opens a link, as far as it can be told without asking: the address, of IPv6 the household's."""
    return counted_as(request.client_address)
