"""Acts that staff confirm: first what is asked for, then what will happen and to how many, then the act itself.

One function serves buttons of a page (`actions_detail`), of a list (`actions_list`) and acts on selected rows (`actions`):

    @action(description=_("退款"), icon="undo", permissions=["refund"])
    def refund(self, request, object_id):
        order = self.one(request, object_id)
        return ask(self, request, title=_("退款"), form=partial(RefundForm, order=order),
                   preview=partial(self._preview, order), run=partial(self._refund, order), target=order)

Every step is a POST that carries what was typed; the page works without JavaScript.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from common.exceptions import DomainError
from common.registries import label_rows

TEMPLATE = "common/admin/confirm.html"
STEP, TOKEN = "_step", "_token"
_OURS = {"csrfmiddlewaretoken", STEP, TOKEN}


class ReasonForm(forms.Form):
    """For an act that needs a reason and nothing else."""

    reason = forms.CharField(
        label=gettext_lazy("原因"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text=gettext_lazy("写入审计记录"),
    )


@dataclass(frozen=True)
class Fact:
    """One line of a preview; `was` shows the value before, struck through; a strong fact is the one to check."""

    label: Any
    value: Any
    was: Any = ""
    strong: bool = False


@dataclass(frozen=True)
class Preview:
    """What an act would do. `rows` is a table under `columns`: show the first rows and say in `more` how many follow."""

    facts: Sequence[Fact] = ()
    columns: Sequence[Any] = ()
    rows: Sequence[Sequence[Any]] = ()
    more: int = 0
    warnings: Sequence[Any] = ()
    submit: Any = ""
    # False: nothing to do; the page says why in `warnings` and offers no button.
    possible: bool = True

    @property
    def labelled(self) -> list[list[tuple[Any, Any]]]:
        return label_rows(self.columns, self.rows)


@dataclass(frozen=True)
class Answer:
    """What `preview` and `run` get: the checked form, and a token that stays the same when the last step is repeated."""

    data: dict = field(default_factory=dict)
    token: str = ""


def ask(
    model_admin: Any,
    request: HttpRequest,
    *,
    title: Any,
    preview: Callable[[Answer], Preview],
    run: Callable[[Answer], Any],
    form: Callable[..., forms.Form] | None = None,
    target: Model | None = None,
    back: str = "",
    danger: bool = True,
) -> HttpResponse:
    """Show the form (when there is one), then the preview, then run and go `back` (the target's page, or the list).

    `run` returns the sentence that tells the success, or a response to answer with, such as a file. A DomainError of
    `preview` or `run` is shown in its own words. Only `run` may write; it gets `Answer.token`, a good idempotency reference.
    """
    back = back or _back(model_admin, target)
    step = request.POST.get(STEP, "")
    token = request.POST.get(TOKEN) or secrets.token_urlsafe(12)
    bound = form(data=request.POST if step else None) if form else None
    page = {"title": title, "form": bound, "token": token, "back": back, "danger": danger, "target": target}
    if bound is not None and not (step and bound.is_valid()):
        return _page(model_admin, request, **page)
    answer = Answer(data=bound.cleaned_data if bound is not None else {}, token=token)
    try:
        if step == "run":
            done = run(answer)
            if isinstance(done, HttpResponseBase):
                return done
            messages.success(request, done)
            return HttpResponseRedirect(back)
        return _page(model_admin, request, **page, preview=preview(answer))
    except DomainError as error:
        messages.error(request, str(error))
        if bound is None:
            return HttpResponseRedirect(back)
        return _page(model_admin, request, **page)


def _back(model_admin: Any, target: Model | None) -> str:
    meta = model_admin.model._meta
    if target is None:
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[target.pk])


def _page(
    model_admin: Any, request: HttpRequest, *, form: forms.Form | None, target: Model | None, **page
) -> HttpResponse:
    if not request.user.is_active or not request.user.is_staff:
        raise PermissionDenied
    preview = page.get("preview")
    shown = set(form.fields) if form is not None else set()
    context = {
        **model_admin.admin_site.each_context(request),
        **page,
        "opts": model_admin.opts,
        "original": target,
        "subtitle": str(target) if target is not None else None,
        "form": form,
        "hidden": _hidden(request, shown if preview is None else set()),
        "next_step": "run" if preview is not None else "preview",
        "submit_text": (preview.submit if preview else "") or _("确认执行"),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, TEMPLATE, context)


def _hidden(request: HttpRequest, shown: set[str]) -> list[tuple[str, str]]:
    """What was posted and is not shown as a field: carried to the next step (typed values, the selection of a list)."""
    return [(name, value) for name, values in request.POST.lists() if name not in _OURS | shown for value in values]
