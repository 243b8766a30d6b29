"""After-sale: reporting a problem with what was delivered, one case with all that happened in it, and what its buyer may do.

A case is opened by whoever may open its order: the member, or for a guest's order this device, a look-up, a signed link.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audit.services import take
from common import clock
from common.device import device_of
from common.exceptions import DomainError
from orders import services
from orders.exceptions import AlreadyDisputed, OrderNotFound
from orders.models import Dispute, DisputeMove, Order, OrderLine
from orders.models.dispute import MAX_WORDS
from orders.selectors import buyers_disputes, dispute_for, keys_by_text, picture_of, rules_of_disputes
from orders.services import OPEN_LIMIT, Complaint
from shop import visitor
from shop.disputes import Report, case_view, label_of, report_of, tone_of
from shop.forms import ReportForm, read_quantity
from shop.refusals import missing_is_404, private

ON_A_PAGE = 20
MOST_PASTED = 2000


@private
@missing_is_404
def report(request: HttpRequest, public_id: str) -> HttpResponse:
    """Report a problem with pieces of one line, `?line=`. Where nothing can be reported, the page says why."""
    order = visitor.order(request, public_id)
    line = _line(request, order)
    view = report_of(line)
    form = ReportForm(request.POST if request.method == "POST" else None)
    wrong: dict[str, str] = {}
    if request.method == "POST" and form.is_valid():
        try:
            opened = _open(request, order, line, view, form.cleaned_data)
        except AlreadyDisputed as refusal:
            messages.error(request, str(refusal))
            return (
                redirect("shop:dispute", view.cases[0].public_id) if view.cases else redirect("shop:order", public_id)
            )
        except DomainError as refusal:
            if refusal.status == 404:
                raise
            field = refusal.params.get("field", "pictures" if "picture" in refusal.code else "")
            wrong[field] = str(refusal)
        else:
            messages.success(request, _("已提交，下面写着接下来怎么处理、最晚什么时候答复"))
            return redirect("shop:dispute", opened.public_id)
    return render(
        request,
        "shop/report.html",
        {
            "order": order,
            "line": line,
            "view": view,
            "form": form,
            "wrong": wrong,
            "chosen": set(request.POST.getlist("piece")),
            "pasted": request.POST.get("keys", ""),
            "most": MAX_WORDS,
            # Who paid from the balance has no other way to send the money back to.
            "routes": order.paid_with != services.WALLET,
        },
    )


def _line(request: HttpRequest, order: Order) -> OrderLine:
    number = read_quantity(request.POST.get("line") or request.GET.get("line", ""))
    line = order.lines.select_related("product", "sku").filter(pk=number).first()
    if line is None:
        raise OrderNotFound
    line.order = order
    return line


def _open(request: HttpRequest, order: Order, line: OrderLine, view: Report, typed: dict[str, Any]) -> Dispute:
    user = visitor.member(request)
    take(OPEN_LIMIT, subject=f"order:{order.pk}", at=clock.now())
    pieces = [view.only.value] if view.only else request.POST.getlist("piece")
    ids = {read_quantity(one) for one in pieces if one != "whole"}
    if view.pasted:
        texts = {text.strip() for text in request.POST.get("keys", "").splitlines()[:MOST_PASTED]} - {""}
        found = keys_by_text(line, texts)
        # One that is not found makes the choice wrong as a whole: 0 is no key.
        ids = {*found.values(), *([0] if len(found) < len(texts) else [])}
    complaint = Complaint(
        reason=typed["reason"],
        text=typed["text"],
        wish=typed["wish"],
        route=typed["route"] or Dispute.Route.BALANCE,
        key_ids=frozenset(ids),
        whole="whole" in pieces,
    )
    return services.open_dispute(
        order_id=order.pk,
        line_id=line.pk,
        complaint=complaint,
        pictures=request.FILES.getlist("pictures"),
        actor=user,
    )


@private
def disputes(request: HttpRequest) -> HttpResponse:
    """A member's cases; for a guest those about the orders of this device."""
    found = buyers_disputes(user=visitor.member(request), device=device_of(request))
    page = Paginator(found, ON_A_PAGE).get_page(request.GET.get("page"))
    rows = [(one, label_of(one), tone_of(one)) for one in page.object_list]
    return render(request, "shop/disputes.html", {"page": page, "rows": rows})


@private
@missing_is_404
@require_safe
def dispute(request: HttpRequest, public_id: str) -> HttpResponse:
    return _show(request, _case(request, public_id))


@private
@missing_is_404
@require_safe
def picture(request: HttpRequest, public_id: str, picture: str) -> HttpResponse:
    found = picture_of(_case(request, public_id), picture)
    answer = HttpResponse(services.open_picture(found), content_type="image/webp")
    answer["Content-Disposition"] = "inline"
    return answer


@private
@missing_is_404
@require_POST
def add(request: HttpRequest, public_id: str) -> HttpResponse:
    """The buyer says more, or answers a question."""

    def act(case: Dispute) -> None:
        services.say_in_dispute(
            dispute_id=case.pk,
            text=request.POST.get("text", ""),
            party=DisputeMove.Party.BUYER,
            pictures=request.FILES.getlist("pictures"),
            actor=visitor.member(request),
        )

    return _say(request, public_id, "add", act, _("已补充"))


@private
@missing_is_404
@require_POST
def appeal(request: HttpRequest, public_id: str) -> HttpResponse:
    def act(case: Dispute) -> None:
        services.appeal_decision(
            dispute_id=case.pk,
            text=request.POST.get("text", ""),
            pictures=request.FILES.getlist("pictures"),
            actor=visitor.member(request),
        )

    return _say(request, public_id, "appeal", act, _("申诉已提交，由另一位员工复核"))


@private
@missing_is_404
@require_POST
def accept(request: HttpRequest, public_id: str) -> HttpResponse:
    return _act(request, public_id, services.accept_decision, _("已确认，售后结束"))


@private
@missing_is_404
@require_POST
def withdraw(request: HttpRequest, public_id: str) -> HttpResponse:
    return _act(request, public_id, services.withdraw_dispute, _("已撤销"))


@private
@missing_is_404
@require_POST
def money(request: HttpRequest, public_id: str) -> HttpResponse:
    """Money instead of waiting for stock."""
    return _act(request, public_id, services.take_money_instead, _("已改为退款"))


def _case(request: HttpRequest, public_id: str) -> Dispute:
    """The case, when this visitor may see its order. Raises DisputeNotFound, OrderNotFound, LinkExpired."""
    found = dispute_for(public_id)
    visitor.order(request, found.order.public_id)
    return found


def _act(request: HttpRequest, public_id: str, act: Callable[..., Any], done: str) -> HttpResponse:
    case = _case(request, public_id)
    try:
        act(dispute_id=case.pk, actor=visitor.member(request))
        messages.success(request, done)
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return redirect("shop:dispute", public_id)


def _say(request: HttpRequest, public_id: str, name: str, act: Callable[[Dispute], None], done: str) -> HttpResponse:
    """Words and pictures; what cannot be taken is told beside what was typed."""
    case = _case(request, public_id)
    try:
        take(OPEN_LIMIT, subject=f"order:{case.order_id}", at=clock.now())
        act(case)
    except DomainError as refusal:
        return _show(request, dispute_for(public_id), wrong={name: str(refusal)}, typed=request.POST.get("text", ""))
    messages.success(request, done)
    return redirect("shop:dispute", public_id)


def _show(request: HttpRequest, case: Dispute, *, wrong: dict | None = None, typed: str = "") -> HttpResponse:
    context = {
        "dispute": case,
        "order": case.order,
        "view": case_view(case),
        "rules": rules_of_disputes(),
        "wrong": wrong or {},
        "typed": typed,
        "most": MAX_WORDS,
    }
    return render(request, "shop/dispute.html", context)
